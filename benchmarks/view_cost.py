"""What the live view costs while a study runs, as a share of a core.

A made-up study of 500 candidates is shown as it would be beside a training: two signs of life a
second, as the training sends them, and a frame a second, on a terminal that nobody looks at. Each
turn gives the CPU time of this process over its length; nothing else goes on in it. The aim is half
a percent of a core. ::

    python benchmarks/view_cost.py [--turns 5] [--turn-s 10] [--width 120] [--height 40]
"""

from __future__ import annotations

import argparse
import io
import platform
import random
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import List

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # runs from a plain checkout too

from rich.console import Console

from nas_edge.candidate.measurement import Measurement
from nas_edge.cli.live import LiveView
from nas_edge.study.records import TrialRecord

AIM = 0.005
CANDIDATES = 500
OBJECTIVES = ["val_accuracy", "peak_memory"]
STEP_S = 0.5  # between two signs of life


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--turn-s", type=float, default=10.0)
    parser.add_argument("--width", type=int, default=120)
    parser.add_argument("--height", type=int, default=40)
    args = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
        f"rich {version('rich')}; {args.width} × {args.height}"
    )
    console = Console(file=io.StringIO(), force_terminal=True, width=args.width, height=args.height)
    shares = []
    with LiveView(console) as view:
        begin(view)
        turn(view, min(args.turn_s, 2.0))
        for _ in range(args.turns):
            shares.append(turn(view, args.turn_s))
            console.file.seek(0)
            console.file.truncate()
    print(
        f"CPU time of the view: median {statistics.median(shares):.3%} of a core, "
        f"{min(shares):.3%} to {max(shares):.3%}, aim {AIM:.1%}"
    )
    sys.exit(statistics.median(shares) > AIM)


def begin(view: LiveView) -> None:
    """Tell the view of a study in the middle of its 500th candidate's training."""
    study = {"name": "made-up", "epochs": 60, "objectives": OBJECTIVES, "out": "runs/made-up"}
    space = {"space": "made up", "num_points": CANDIDATES}
    images = {"data": "none", "counts": {}, "classes": [], "image_size": 64}
    device = {"device": {"name": "a machine", "kind": "cpu", "num_cores": 2}}
    limits = {"memory_limit_bytes": None, "time_budget_s": None}
    view({"event": "study", **study, **space, **images, **device, **limits})
    view({"event": "known", "records": tuple(made_up_records())})
    place = {"position": CANDIDATES, "trials": CANDIDATES, "time_left_s": 1e6}
    view({"event": "candidate", "number": CANDIDATES - 1, "reference": None, **place})
    view({"event": "probed", "peak_bytes": 40 * 2**20})


def made_up_records() -> List[TrialRecord]:
    """Return candidates of which some twenty are on the front; the first is the paper's."""
    rng = random.Random(0)
    records = []
    for number in range(CANDIDATES - 1):
        memory = rng.uniform(0.2, 1.0)
        accuracy = 0.9 * memory**0.2 - 0.1 * rng.random()
        measured = Measurement.of(val_accuracy=accuracy, peak_memory=1e8 * memory)
        name = None if number else "xception-lite"
        records.append(TrialRecord(number, str(number), {}, name, measured))
    return records


def turn(view: LiveView, turn_s: float) -> float:
    """Show so many seconds of training and return the share of a core that it took."""
    began, cpu = time.perf_counter(), time.process_time()
    step = 0
    while time.perf_counter() - began < turn_s:
        step += 1
        view({"event": "step", "epoch": 1, "step": step, "steps": 10**4})
        time.sleep(STEP_S)
    return (time.process_time() - cpu) / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
