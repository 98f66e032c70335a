"""What the paper would have seen: memory of its configuration and of Xception while they train.

Each network trains some steps by the paper's recipe (224 px, batch 16, Adam, 101 classes) in a
process of its own: the three-step probe, then peak and mean of the process while it trains under
the system's own allocator. Beside them stand the published figures, which are no megabytes: the
authors' monitor read a fraction of the board's RAM, everything on it included. ::

    python benchmarks/paper_memory.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from nas_edge.candidate.evaluator import PROBE_TASK
from nas_edge.candidate.process import ChildLimits, run_in_child
from nas_edge.candidate.simulation import estimate_exactly
from nas_edge.config.study import PAPER_RECIPE, RecipeConfig
from nas_edge.device.machine import find_device
from nas_edge.space.references import parse_reference

MIB = 2**20
PUBLISHED = {"xception-lite": 847.9, "xception": 874.6}  # Table 1, "memory (MB)"
CLASSES = 101
RECIPE = RecipeConfig(**PAPER_RECIPE)
TRAINING = """
import json, sys, torch
from nas_edge.candidate.metering import metering
from nas_edge.candidate.start import build, prepare, warm_up
from nas_edge.training.in_backward import build_saving_optimizer
from nas_edge.training.recipe import build_scaler
from nas_edge.training.savers import PLAIN
from nas_edge.training.step import train_step
job = json.loads(sys.argv[1])
recipe, device = prepare(job)
warm_up(device)
with metering(device.type) as meters:
    model = build(job, recipe, device).train()
    optimizer, scaler = build_saving_optimizer(model, recipe, device, PLAIN), build_scaler(recipe)
    for step in range(job["steps"]):
        if step == 1:  # the first one makes the optimizer's state
            meters.lap()
        images = torch.rand(recipe.batch_size, 224, 224, 3).permute(0, 3, 1, 2)
        labels = torch.randint(job["num_outputs"], (recipe.batch_size,))
        train_step(model, images, labels, recipe, optimizer, scaler, device)
    peak, mean, _ = meters.lap()
print(json.dumps({"peak": peak, "mean": mean, "source": meters.memory_source()}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    device = find_device("cpu")
    print(f"{device.name}, {device.num_cores} cores, torch {torch.__version__}; 224 px, batch 16")
    print(f"{'MiB':<16}{'estimate':>10}{'probe':>10}{'peak in training':>26}{'mean':>24}", end="")
    print(f"{'published':>12}")
    for name, published in PUBLISHED.items():
        network = parse_reference(name)
        estimate = estimate_exactly(network, RECIPE, CLASSES).peak_bytes
        probe = probed(network, device)
        runs = [trained(network, device, args.steps) for _ in range(args.runs)]
        peak, mean = ([run[which] / MIB for run in runs] for which in ("peak", "mean"))
        print(
            f"{name:<16}{estimate / MIB:>10.0f}{probe / MIB:>10.0f}{shown(peak):>26}"
            f"{shown(mean):>24}{published:>12}"
        )
    print("published: jtop's fraction of the board's RAM in use, x 1000; not megabytes")


def shown(values) -> str:
    return f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def job_of(network, device):
    return {
        "architecture": network.to_dict(),
        "recipe": RECIPE.model_dump(),
        "num_outputs": CLASSES,
        "seed": 0,
        "device": device.kind,
        "num_threads": device.num_cores,
        "saver": "none",
    }


def probed(network, device):
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        job = job_of(network, device)
        end = run_in_child(PROBE_TASK, job, log, ChildLimits(), lambda _: None)
    if end.result is None:
        raise SystemExit(f"the probe did not finish: {end.kind}: {end.reason}")
    return end.result["peak_bytes"]


def trained(network, device, steps):
    job = {**job_of(network, device), "steps": steps}
    done = subprocess.run(
        [sys.executable, "-c", TRAINING, json.dumps(job)],
        capture_output=True,
        text=True,
        check=True,
        cwd=str(Path(__file__).resolve().parents[1]),
    )
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
