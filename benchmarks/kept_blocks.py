"""What keeping freed blocks saves a training on a CPU, beside glibc's own way.

In turns, each in a fresh process: a few epochs of the synthetic set, with glibc as it is and with
`keep_freed_blocks`. Prints seconds an epoch, pages faulted in and the process's high-water mark.
Linux with glibc only. ::

    python benchmarks/kept_blocks.py
    python benchmarks/kept_blocks.py --network xception-lite --epochs 2 --repeats 5
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

import torch

from nas_edge.config.reproduction import reproduction_config
from nas_edge.data.batches import Batches
from nas_edge.data.image_set import open_image_set
from nas_edge.data.source import load_image_set
from nas_edge.device.machine import find_device
from nas_edge.device.process_memory import keep_freed_blocks
from nas_edge.models.network import build_network
from nas_edge.space.baselines import NETWORK_NAMES, network_of_name
from nas_edge.training.loop import EpochRecord, Hooks, train

WAYS = ("glibc's own", "kept")


def main() -> None:
    args = read_arguments()
    if args.way:
        train_once(args)
        return
    device = find_device("cpu")
    print(
        f"{device.name}, {device.num_cores} cores, torch {torch.__version__}; {args.network}, "
        f"{args.image_size} px, batch 16, {args.epochs} epochs of the synthetic set"
    )
    found: Dict[str, List[Dict[str, Any]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as place:
        images = load_image_set(config_of(args).data, args.image_size, Path(place)).folder
        for _ in range(args.repeats):
            for way in WAYS:
                found[way].append(in_fresh_process(args, way, images))
    for way, runs in found.items():
        epochs = [run["epoch_s"] for run in runs]
        faults = [run["faults"] / 1e6 for run in runs]
        print(
            f"{way:<12} {statistics.median(epochs):6.2f} s an epoch ({min(epochs):.2f} to "
            f"{max(epochs):.2f}), {statistics.median(faults):.2f} million pages, peak "
            f"{statistics.median(run['peak_mib'] for run in runs):.0f} MiB"
        )
    own, kept = ([run["epoch_s"] for run in found[way]] for way in WAYS)
    print(f"kept takes {100 * (statistics.median(b / a for a, b in zip(own, kept)) - 1):+.1f}%")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="mobilenetv2", choices=NETWORK_NAMES)
    parser.add_argument("--epochs", type=int, default=3, help="at least two: the first warms up")
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--images", help=argparse.SUPPRESS)
    return parser.parse_args()


def config_of(args: argparse.Namespace) -> Any:
    return reproduction_config(
        "synthetic", "scratch", "paper", epochs=args.epochs, image_size=args.image_size
    )


def in_fresh_process(args: argparse.Namespace, way: str, images: Path) -> Dict[str, Any]:
    command = [sys.executable, __file__, "--way", way, "--images", str(images)]
    for option in ("network", "epochs", "image_size"):
        command += [f"--{option.replace('_', '-')}", str(getattr(args, option))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def train_once(args: argparse.Namespace) -> None:
    """Train in this process and print what it took; the first epoch warms up."""
    if args.way == "kept" and not keep_freed_blocks():
        raise SystemExit("this system's allocator has no such thresholds, or MALLOC_... is set")
    torch.set_num_threads(find_device("cpu").num_cores)
    recipe = config_of(args).recipe
    images = open_image_set(Path(args.images))
    device = torch.device("cpu")
    splits = [Batches(*images.arrays(name), 16, device) for name in ("train", "val")]
    model = build_network(
        network_of_name(args.network),
        images.num_outputs,
        init=recipe.init,
        bn_momentum=recipe.bn_momentum,
    )
    model = model.to(memory_format=torch.channels_last)
    records: List[EpochRecord] = []
    hooks = Hooks(lambda *_: None, records.append, lambda: (0, 0, {}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    train(model, *splits, recipe, 0, device, hooks)
    status = Path("/proc/self/status").read_text()
    print(
        json.dumps(
            {
                "epoch_s": statistics.median(record.seconds for record in records[1:]),
                "faults": resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before,
                "peak_mib": int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
