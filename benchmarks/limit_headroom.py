"""How far training runs beyond the probe, and what room the enforced limit leaves it.

For random networks of a search space, at odd numbers of images, so that every batch size there is
(full, last of the epoch, last of the validation, last of the test, 1) compiles its own kernels:
probe, then training under a limit of exactly what the probe found, with an allocator that returns
freed blocks; then under 1.5 times that with one that keeps them. Prints for each what training held
over its baseline as a multiple of the probe, and the least room that was left under the bound. ::

    python benchmarks/limit_headroom.py
    python benchmarks/limit_headroom.py --space xception_cnd --candidates 4 --seed 7
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from nas_edge.candidate.limit import KEEPS_BLOCKS, KEPT_BLOCKS_FACTOR, RETURNS_BLOCKS
from nas_edge.candidate.process import ChildLimits, run_in_child
from nas_edge.config.study import AugmentationConfig, RecipeConfig
from nas_edge.data.image_set import ImageSet, build_from_arrays
from nas_edge.device.machine import num_usable_cores
from nas_edge.space.search_space import SearchSpace
from nas_edge.training.savers import PLAIN

MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="xception_cnd_small")
    parser.add_argument("--candidates", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=num_usable_cores())
    args = parser.parse_args()
    rng = random.Random(args.seed)
    space = SearchSpace.load(args.space)
    print(
        "px  batch   probe | returning: peak/probe  room MiB  s | keeping: peak/probe  room MiB  s"
    )
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.candidates):
            size, batch = rng.choice([(32, 16), (48, 16), (64, 8), (64, 16), (96, 8)])
            recipe = RecipeConfig(
                epochs=2,
                batch_size=batch,
                image_size=size,
                weights="best",
                augmentation=AugmentationConfig(flip_horizontal=True, rotation=0.1, contrast=0.1),
            )
            images = odd_images(Path(folder) / f"{size}", size, batch)
            print(row(space.sample(rng), recipe, images, args.threads, Path(folder)), flush=True)


def row(network: Any, recipe: RecipeConfig, images: ImageSet, threads: int, folder: Path) -> str:
    job = {
        "architecture": network.to_dict(),
        "recipe": recipe.model_dump(),
        "image_set": str(images.folder),
        "images": images.identity,
        "num_outputs": 1,
        "seed": 0,
        "device": "cpu",
        "num_threads": threads,
        "saver": PLAIN.name,
        "weights": None,
    }
    probe = run("nas_edge.candidate.probe:probe", job, folder)["peak_bytes"]
    text = f"{recipe.image_size:>2} {recipe.batch_size:>6} {probe / MIB:>7.1f} |"
    for allocator, factor in ((RETURNS_BLOCKS, 1.0), (KEEPS_BLOCKS, KEPT_BLOCKS_FACTOR)):
        # Each its own checkpoint: one that is there adds to the bound.
        limited = {
            **job,
            "memory_limit": int(factor * probe),
            "allocator": allocator,
            "checkpoint": str(Path(tempfile.mkdtemp(dir=folder)) / "checkpoint.pt"),
        }
        seen = run("limit_headroom:watched_training", limited, folder)
        epoch_s = sum(record["seconds"] for record in seen["history"]) / 2
        peak = seen["peak"] / probe
        text += f" {peak:>20.3f} {seen['room'] / MIB:>9.1f} {epoch_s:>5.1f} |"
    return text


def run(task: str, job: Dict[str, Any], folder: Path) -> Dict[str, Any]:
    end = run_in_child(task, job, folder / "log.txt", ChildLimits(), lambda _: None)
    if end.result is None:
        raise SystemExit(f"{task}: {end.kind}: {end.reason}")
    return dict(end.result)


def watched_training(job: Dict[str, Any], send: Any) -> Dict[str, Any]:
    """Train, and see every 2 ms what is held and how far the bound is away."""
    from nas_edge.candidate.child import train_candidate

    stopped = threading.Event()
    base = 0
    peak, room = 0, 2**62

    def watch() -> None:
        nonlocal base, peak, room
        while not stopped.wait(0.002):
            limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
            data, resident = held()
            if limit == resource.RLIM_INFINITY:
                base = resident
            else:
                peak, room = max(peak, resident - base), min(room, limit - data)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        result = train_candidate(job, send)
    finally:
        stopped.set()
        thread.join()
    return {**result, "peak": peak, "room": room}


def held() -> Tuple[int, int]:
    """Return private writable and anonymous resident memory in bytes."""
    pages = [int(field) for field in Path("/proc/self/statm").read_text().split()]
    return pages[5] * resource.getpagesize(), (pages[1] - pages[2]) * resource.getpagesize()


def odd_images(folder: Path, size: int, batch: int) -> ImageSet:
    def draw(_: str, count: int) -> Tuple[np.ndarray, np.ndarray]:
        pixels = np.random.default_rng(count).integers(0, 255, (count, size, size, 3), np.uint8)
        return pixels, np.arange(count) % 2

    counts = {"train": 2 * batch + 6, "val": batch + 5, "test": batch + 3}
    return build_from_arrays(
        folder.with_name(f"{size}-{batch}"), ("a", "b"), draw, counts, size, description="noise"
    )


if __name__ == "__main__":
    main()
