"""How long each notebook takes from top to bottom in a fresh kernel; the aim is 3 minutes.

Needs the extra `notebooks`. ::

    python benchmarks/notebook_times.py
    python benchmarks/notebook_times.py 03_explore_the_front --repeats 3
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AIM_S = 180


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="without .ipynb; all by default")
    parser.add_argument("--repeats", type=int, default=1)
    args = parser.parse_args()
    every = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    slowest = 0.0
    print(f"{os.cpu_count()} cores; load before {os.getloadavg()[0]:.1f}")
    for name in args.names or every:
        taken = [seconds_of(name) for _ in range(args.repeats)]
        slowest = max(slowest, statistics.median(taken))
        spread = f"{min(taken):.0f} to {max(taken):.0f}"
        print(f"{name:<28}{statistics.median(taken):>6.0f} s   {spread}", flush=True)
    sys.exit(slowest > AIM_S)


def seconds_of(name: str) -> float:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(notebook, timeout=1200, resources={"metadata": {"path": folder}})
        started = time.monotonic()
        client.execute(env={**os.environ, "PYTHONPATH": path})
        return time.monotonic() - started


if __name__ == "__main__":
    main()
