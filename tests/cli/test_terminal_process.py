"""`nas-edge run` on a real pseudo-terminal: the view, Ctrl-C, no colours, TERM=dumb."""

import os
import re
import select
import struct
import subprocess
import sys
import time

import pytest
from screen import Screen

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
LIMIT_S = 90
LAST_LINE = "● on the front"
CODE = (
    "import fcntl, termios\n"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"  # so that Ctrl-C is a signal
    "from nas_edge.cli.main import main\n"
    "main(prog_name='nas-edge')"
)
COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|4[0-8]|9[0-7])(?:;[0-9]+)*m")


class Terminal:
    """A process on a terminal of its own, and what it wrote there."""

    def __init__(self, place, *arguments, size=(90, 30), **more):
        import fcntl
        import pty
        import termios

        self.screen = Screen(*size)
        self.written = ""
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size[::-1], 0, 0))
        variables = place.environment(**{"TERM": "xterm-256color", **more})
        del variables["COLUMNS"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, *map(str, arguments)],
            cwd=place.folder,
            env=variables,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._pending = b""

    def wait_for_view(self, *texts):
        """Read until a whole view has these texts: its last line goes first and comes last."""
        until = time.monotonic() + LIMIT_S
        while not all(text in self.screen.text for text in (*texts, LAST_LINE)):
            assert self._read(until), f"no view with {texts} on:\n{self.screen.text}"
        return self.screen.text

    def wait_for_code(self, code):
        until = time.monotonic() + LIMIT_S
        while code not in self.written:
            assert self._read(until), f"no {code!r} in {self.written!r}"

    def resize(self, *size):
        import fcntl
        import termios

        self.screen.resize(*size)
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", *size[::-1], 0, 0))

    def press(self, keys):
        os.write(self._ours, keys)
        return self

    def end(self):
        """Read to the end and return the exit code."""
        until = time.monotonic() + LIMIT_S
        while self._read(until):
            pass
        os.close(self._ours)
        return self.process.wait(timeout=LIMIT_S)

    def _read(self, until):
        if not select.select([self._ours], [], [], max(until - time.monotonic(), 0))[0]:
            self.process.kill()
            return False
        try:
            self._pending += os.read(self._ours, 65536)
        except OSError:  # Linux: nobody has the other end any more
            return False
        whole = self._pending.decode(errors="ignore")
        # A sequence or a character may be cut in two.
        cut = whole.rfind("\x1b")
        if cut >= 0 and not re.match(r"\x1b\[\??[0-9;]*[A-Za-z]", whole[cut:]):
            return True
        if self._pending.decode(errors="replace").endswith("\ufffd"):
            return True
        self._pending = b""
        self.written += whole
        self.screen.feed(whole)
        return bool(whole)


@pytest.fixture(scope="module")
def interrupted(copy_of_finished):
    """A run without colours, on a terminal that becomes smaller, stopped by Ctrl-C."""
    place = copy_of_finished()
    terminal = Terminal(place, "run", "tiny.yaml", "--trials", 40, NO_COLOR="1")
    views = [terminal.wait_for_view("[4/40] trial 3", " measured")]
    terminal.resize(60, 18)
    terminal.wait_for_code("\x1b[2J")
    views.append(terminal.wait_for_view("/40, about"))
    terminal.press(b"\x03")
    return place, terminal, views, terminal.end()


def test_the_view_shows_study_candidate_and_front(interrupted):
    _, _, (view, _), _ = interrupted
    lines = view.splitlines()
    assert re.search(r"tiny +━* *─* *\d+/40", view)
    assert re.search(r"^(\d+) measured: \1 finished", view, re.MULTILINE)
    assert any(re.match(r"● +trial \d+ +[0-9.]+% +[0-9.]+ MiB", line) for line in lines)
    assert "[4/40] trial 3" in view  # the line above it


def test_a_terminal_that_became_smaller_shows_one_view(interrupted):
    _, _, (_, view), _ = interrupted
    assert view.count("measured:") == view.count("front so far") == 1
    assert len(re.findall("━+─*", view)) <= 2
    assert max(map(len, view.splitlines())) <= 60


def test_ctrl_c_leaves_a_clean_screen_and_says_how_to_go_on(interrupted):
    _, terminal, _, code = interrupted
    assert code == 130
    assert terminal.screen.has_cursor
    text = terminal.screen.everything
    assert re.search(r"^\[\d+/40\] trial \d+, ", text, re.MULTILINE)
    assert "stopped; the same command goes on where it was (runs/tiny)" in text
    assert "nas-edge front runs/tiny" in text
    assert text.rstrip().endswith("nas-edge: interrupted")
    for gone in ("━", "─", "front so far", "measured:", "Traceback"):
        assert gone not in text


def test_no_color_means_no_codes_for_colours(interrupted):
    _, terminal, _, _ = interrupted
    assert "━" in terminal.written
    assert not COLOUR.search(terminal.written)


def test_a_dumb_terminal_gets_plain_lines_and_what_to_do_next(copy_of_finished):
    place = copy_of_finished()
    terminal = Terminal(place, "run", "tiny.yaml", "--trials", 5, TERM="dumb")
    assert terminal.end() == 0
    assert "\x1b" not in terminal.written
    lines = terminal.written.splitlines()
    assert any(re.match(r"\[\d/\d\] trial \d: measuring memory", line) for line in lines)
    assert any("epoch 2/2: val accuracy" in line for line in lines)
    at = lines.index("report: runs/tiny/report.html")
    assert lines[at + 1] == "next:"
    assert any(line.startswith("  nas-edge show runs/tiny:") for line in lines[at:])


@pytest.mark.slow
def test_a_terminal_without_a_study_to_train_ends_with_the_tables_alone(copy_of_finished):
    place = copy_of_finished()
    terminal = Terminal(place, "run", "tiny.yaml", "--trials", 5, "--quiet")
    assert terminal.end() == 0
    assert "front so far" not in terminal.written
    assert "next:" not in terminal.written
    assert (place.run_folder / "report.html").exists()


@pytest.mark.slow
def test_an_encoding_without_the_views_signs_ends_nothing(copy_of_finished):
    place = copy_of_finished()
    terminal = Terminal(
        place, "run", "tiny.yaml", "--trials", 5, PYTHONIOENCODING="ascii", NO_COLOR="1"
    )
    assert terminal.end() == 0
    assert "report: runs/tiny/report.html" in terminal.written
    assert re.search(r"candidates: \d finished", terminal.screen.everything)
    terminal.written.encode("ascii")
