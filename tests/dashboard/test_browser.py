"""The dashboard's pages in a real Chromium: their texts and pictures, seen as a user sees them.

The screenshots are kept in the folder that NAS_EDGE_SCREENSHOTS names, or in pytest's own.
"""

import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nas_edge import open_run

pytest.importorskip("optuna_dashboard")
pytestmark = pytest.mark.browser

LOADED_MS = 20_000  # of the page's own clock, which runs ahead where nothing happens


class Page(HTMLParser):
    """A page after its scripts ran: the texts that are shown, pictures and links."""

    def __init__(self, html):
        super().__init__()
        self.text, self.pictures, self.links = "", [], []
        self._hidden = 0
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self._hidden += tag in ("style", "script")
        if tag == "img":
            self.pictures.append(dict(attrs))
        if tag == "a":
            self.links.append(dict(attrs).get("href"))

    def handle_endtag(self, tag):
        self._hidden -= tag in ("style", "script")
        self.text += " "

    def handle_data(self, data):
        if not self._hidden:
            self.text += data


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory):
    named = os.environ.get("NAS_EDGE_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def chromium(tmp_path, chromium_command):
    """Return what opens a URL, keeps a screenshot of it, and returns the page."""
    count = iter(range(100))

    def call(url, *more):
        profile = tmp_path / f"profile{next(count)}"
        done = subprocess.run(
            [
                *chromium_command,
                "--hide-scrollbars",
                f"--user-data-dir={profile}",
                f"--virtual-time-budget={LOADED_MS}",
                *more,
                url,
            ],
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, done.stderr

    def open_page(url, picture, height=2000):
        call(url, f"--window-size=1400,{height}", f"--screenshot={picture}")
        html, log = call(
            url, f"--window-size=1400,{height}", "--dump-dom", "--enable-logging=stderr"
        )
        errors = [line for line in log.splitlines() if re.search(r"CONSOLE.*(Error|error)", line)]
        return Page(html), errors

    return open_page


def looks_drawn(picture):
    """Whether a screenshot is more than an empty page."""
    from PIL import Image

    with Image.open(picture) as image:
        colours = image.convert("RGB").resize((200, 200)).getcolors(200 * 200)
    return len(colours) > 100


@pytest.fixture
def page_url(serve, run_folder):
    return serve(run_folder).wait_until_ready().url


def test_note_of_the_study_in_a_browser(page_url, run_folder, chromium, screenshots):
    picture = screenshots / "dashboard-note.png"

    page, errors = chromium(page_url, picture)

    for text in ("The front", "70 train, 30 val", "abacus (cpu)", "45.8 MiB", "over limit"):
        assert text in page.text
    # A class that is named like markup is shown as it is named.
    assert "<img src=x onerror=alert(1)>|**b** `c` [d](http://e) $f$" in page.text
    assert not any(image.get("src") == "x" for image in page.pictures)
    for record in open_run(run_folder).front():
        assert f"/dashboard/studies/1/trials?numbers={record.number}" in page.links
    assert looks_drawn(picture)
    assert errors == []


def test_plots_of_the_study_in_a_browser(page_url, chromium, screenshots):
    picture = screenshots / "dashboard-study.png"

    page, errors = chromium(page_url.rpartition("/")[0], picture, height=3400)

    for title in (
        "The front",
        "Growth of the front, by candidate",
        "Growth of the front, by device-hours",
        "Which choices matter",
        "Memory of the front, by part at the peak",
    ):
        assert title in page.text
    assert "val_accuracy" in page.text  # the dashboard's own plots name the objectives
    assert "Infeasible" in page.text  # and mark what is over the limit
    assert looks_drawn(picture)
    assert errors == []


def test_trial_in_a_browser(page_url, run_folder, chromium, screenshots):
    record = next(r for r in open_run(run_folder).records if r.measurement.is_finished)
    picture = screenshots / "dashboard-trial.png"

    page, errors = chromium(
        page_url.replace("/note", f"/trials?numbers={record.number}"), picture, height=2400
    )

    for text in ("Finished after 6 min", "Entry flow:", "████", "epochs 3", "history.csv"):
        assert text in page.text
    curve = [i for i in page.pictures if i.get("alt") == "accuracy and memory by epoch"]
    assert len(curve) == 1
    assert curve[0]["src"].startswith("/artifacts/1/")
    assert looks_drawn(picture)
    assert errors == []


def test_failed_trial_gives_its_reason_in_a_browser(page_url, run_folder, chromium, screenshots):
    record = next(r for r in open_run(run_folder).records if r.measurement.outcome == "crashed")

    page, _ = chromium(
        page_url.replace("/note", f"/trials?numbers={record.number}"),
        screenshots / "dashboard-failed-trial.png",
    )

    assert "Crashed after 1 min 00 s: RuntimeError: <img src=x onerror=alert(1)>" in page.text
