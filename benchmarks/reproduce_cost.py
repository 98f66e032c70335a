"""What `nas-edge reproduce` costs beside a bare PyTorch loop over the same images.

In turns: a network is reproduced as a trial of a study (probe, meters, validation, checkpoint,
weights, latency, report's artifacts included; images are there already), and trained by a loop that
somebody would write by hand, in a fresh process of its own: the same model, optimizer, batches,
epochs and a validation pass an epoch. Prints the epochs' times, what comes once, and the share that
both add to this training, and to one of the paper's 60 epochs. The aim is at most 3%. ::

    python benchmarks/reproduce_cost.py
    python benchmarks/reproduce_cost.py --network xception-lite --epochs 4 --repeats 3
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import List

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

import torch

from nas_edge.config.reproduction import reproduction_config
from nas_edge.data.batches import Batches
from nas_edge.data.image_set import open_image_set
from nas_edge.data.source import load_image_set
from nas_edge.device.machine import find_device
from nas_edge.models.network import build_network
from nas_edge.space.baselines import NETWORK_NAMES, network_of_name
from nas_edge.study.reproduction import named_networks, run_reproduction
from nas_edge.training.recipe import has_fused_adam

AIM = 0.03
PAPERS_EPOCHS = 60


def main() -> None:
    args = read_arguments()
    if args.bare:
        train_by_hand(args)
        return
    device = find_device("cpu")
    print(
        f"{device.name}, {device.num_cores} cores, torch {torch.__version__}; {args.network}, "
        f"{args.image_size} px, batch 16, {args.epochs} epochs of the synthetic set"
    )
    ours, bare, once = [], [], []
    with tempfile.TemporaryDirectory() as place:
        images = load_image_set(config_of(args).data, args.image_size, Path(place) / "cache")
        for repeat in range(args.repeats):
            epochs, total = reproduced(args, Path(place), repeat)
            ours.append(sum(epochs))
            once.append(total - sum(epochs))
            bare.append(by_hand(args, images.folder))
            print(f"  epochs {ours[-1]:.2f} s, once {once[-1]:.2f} s; by hand {bare[-1]:.2f} s")
    loop = statistics.median(a / b for a, b in zip(ours, bare)) - 1
    whole = statistics.median((a + c) / b for a, b, c in zip(ours, bare, once)) - 1
    epoch_s = statistics.median(bare) / args.epochs
    paper = loop + statistics.median(once) / (PAPERS_EPOCHS * epoch_s)
    print(f"loop {100 * loop:+.1f}%, once {statistics.median(once):.1f} s a network")
    print(
        f"in all {100 * whole:+.1f}% of this training; {100 * paper:+.1f}% of one of "
        f"{PAPERS_EPOCHS} such epochs; aim {100 * AIM:.0f}%"
    )
    sys.exit(paper > AIM)


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="mobilenetv2", choices=NETWORK_NAMES)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    return parser.parse_args()


def config_of(args):
    return reproduction_config(
        "synthetic", "scratch", "paper", epochs=args.epochs, image_size=args.image_size
    )


def reproduced(args, place: Path, repeat: int):
    """Return each epoch's seconds, and the whole call's without the drawing of images."""
    epochs: List[float] = []

    def listen(event):
        if event["event"] == "epoch":
            epochs.append(event["seconds"])

    out = place / f"run{repeat}"
    networks = named_networks([args.network], "scratch")
    about = {"task": "synthetic", "setting": "scratch", "recipe": "paper"}
    run_reproduction(config_of(args), networks, about, out=out, device="cpu", on_event=listen)
    (record,) = run_reproduction(config_of(args), networks, about, out=out, device="cpu")
    return epochs, record.measurement.wall_s


def by_hand(args, images: Path) -> float:
    command = [sys.executable, __file__, "--bare", str(images), "--network", args.network]
    command += ["--epochs", str(args.epochs), "--image-size", str(args.image_size)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def train_by_hand(args) -> None:
    """Train as somebody would without nas_edge's loop; print the seconds."""
    torch.set_num_threads(find_device("cpu").num_cores)
    recipe = config_of(args).recipe
    images = open_image_set(Path(args.bare))
    device = torch.device("cpu")
    train, val = (Batches(*images.arrays(name), 16, device) for name in ("train", "val"))
    network = network_of_name(args.network)
    model = build_network(
        network, images.num_outputs, init=recipe.init, bn_momentum=recipe.bn_momentum
    )
    model = model.to(memory_format=torch.channels_last)
    fused = has_fused_adam(device) or None
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, eps=1e-7, fused=fused)
    started = time.perf_counter()
    for epoch in range(1, args.epochs + 1):
        model.train()
        for batch, labels in train.shuffled(0, epoch):
            optimizer.zero_grad(set_to_none=True)
            logits = model(batch).softmax(1)
            torch.nn.functional.cross_entropy(logits, labels).backward()
            optimizer.step()
        model.eval()
        correct = 0
        with torch.inference_mode():
            for batch, labels in val.in_order():
                correct += int((model(batch).argmax(1) == labels).sum())
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
