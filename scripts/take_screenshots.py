"""Takes the documentation's pictures of a run: terminal, report and dashboard, in Chromium.

::

    nas-edge run demo --out runs/demo --json > runs/demo.jsonl
    .venv/bin/python scripts/take_screenshots.py runs/demo runs/demo.jsonl --candidate 7

Needs Chromium, and for the dashboard its extra. The pictures go to docs/images.
"""

import argparse
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import List

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--virtual-time-budget=20000",  # of the page's own clock, which runs ahead where it waits
)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("events", type=Path, help="what --json printed of that run")
    parser.add_argument("--candidate", type=int, required=True, help="whose page is shown")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    args = parser.parse_args()
    take_terminal(args.run, args.events, args.out)
    take_report(args.run, args.out)
    take_dashboard(args.run, args.candidate, args.out)


def take_terminal(run: Path, events: Path, out: Path) -> None:
    """Take the live view as it was in the middle of the study's last candidate."""
    from rich.console import Console

    from nas_edge import open_run
    from nas_edge.cli.lines import Lines
    from nas_edge.cli.standing import Standing, updated
    from nas_edge.cli.view import View

    opened = open_run(run)
    records = {record.number: record for record in opened.records}
    heard = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    last = max(event["number"] for event in heard if event["event"] == "candidate")
    standing, now_s = Standing(), 0.0
    lines: List[str] = []
    write = Lines(lines.append, is_brief=True)
    for event in heard:
        now_s = datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%S.%f%z").timestamp()
        if event["event"] == "candidate":
            known = tuple(one for number, one in records.items() if number < event["number"])
            standing = updated(standing, {"event": "known", "records": known}, now_s)
        if event["event"] == "measured":
            event["measurement"] = records[event["number"]].measurement
        if event["event"] == "front":
            continue
        standing = updated(standing, event, now_s)
        write(event)
        if event.get("number") == last and event["event"] == "epoch" and event["epoch"] == 2:
            break
    console = Console(record=True, width=96, height=30, force_terminal=True, file=io.StringIO())
    for line in lines[-4:]:
        console.print(line, markup=False, highlight=False)
    console.print(View(console).frame(standing, now_s))
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "terminal.svg"
        console.save_svg(str(page), title="nas-edge run demo")
        size = re.search(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"', page.read_text(encoding="utf-8"))
        assert size is not None
        width, height = (int(float(side)) for side in size.groups())
        take(page.as_uri(), out / "terminal.png", width, height)


def take_report(run: Path, out: Path) -> None:
    """Take the first screen of the report."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        subprocess.run([nas_edge(), "report", run, "--out", page], check=True)
        take(page.as_uri(), out / "report.png", 1280, 1000)


def take_dashboard(run: Path, candidate: int, out: Path) -> None:
    """Take the study's note and a candidate's page."""
    command = [str(nas_edge()), "dashboard", str(run)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        address = next(filter(None, map(re.compile(r"http://\S+/\d+").search, server.stdout)))
        study = address.group()
        take(f"{study}/note", out / "dashboard-note.png", 1280, 1000)
        take(f"{study}/trials?numbers={candidate}", out / "dashboard-trial.png", 1280, 1300)
    finally:
        server.terminate()
        server.wait()


def take(url: str, picture: Path, width: int, height: int) -> None:
    """Take one page."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        sys.exit(f"take_screenshots: none of {', '.join(names)} is installed")
    with tempfile.TemporaryDirectory() as profile:
        size = f"--window-size={width},{height}"
        command = [browser, *FLAGS, f"--user-data-dir={profile}", size, f"--screenshot={picture}"]
        subprocess.run([*command, url], check=True, capture_output=True)
    print(picture)


def nas_edge() -> Path:
    """Return the command of the environment that this runs in."""
    return Path(sys.executable).with_name("nas-edge")


if __name__ == "__main__":
    main()
