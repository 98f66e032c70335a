"""The live view on a terminal: what is on the screen while a study goes on, and after it."""

import io
import sys
import time

import pytest
from rich.console import Console
from screen import Screen

from nas_edge.cli.live import LiveView

IDLE_S = 3600.0  # the thread never draws: the tests do


class Terminal:
    """A console whose output ends on a screen."""

    def __init__(self, width, height):
        self.file = io.StringIO()
        self.screen = Screen(width, height)
        self.console = Console(
            file=self.file,
            force_terminal=True,
            width=width,
            height=height,
            highlight=False,
            _environ={},
        )

    def look(self):
        self.screen.feed(self.file.getvalue())
        self.file.seek(0)
        self.file.truncate()
        return self.screen

    def resize(self, width, height):
        self.console.size = (width, height)
        self.look().resize(width, height)


def feed(view, terminal, events):
    for event in events:
        view(event)
        view.draw()
        yield event, terminal.look()


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (160, 50), (30, 5)], ids=str)
def test_the_view_stays_below_the_lines_and_is_gone_at_the_end(real_events, size):
    terminal = Terminal(*size)
    with LiveView(terminal.console, every_s=IDLE_S) as view:
        for event, screen in feed(view, terminal, real_events):
            assert not screen.has_cursor
            if event["event"] == "epoch":
                assert screen.everything.count("val accuracy ") <= 4
                assert screen.text.count("epoch ") <= 1
    screen = terminal.look()
    assert screen.has_cursor
    written = screen.everything.replace("\n", " ")
    for name in ("[4/5]", "[5/5]"):
        assert written.count(name) == 1
    assert "front so far" not in written
    assert "━" not in written
    assert screen.rows[screen.row] == ""
    assert screen.column == 0


def test_a_frame_that_did_not_change_is_not_drawn_again(real_events):
    terminal = Terminal(80, 24)
    with LiveView(terminal.console, clock=lambda: 0.0, every_s=IDLE_S) as view:
        for event in real_events[:6]:
            view(event)
        view.draw()
        terminal.look()
        view.draw()
        assert terminal.file.getvalue() == ""


@pytest.mark.parametrize("smaller", [(50, 24), (80, 10), (40, 8)], ids=str)
def test_a_terminal_that_becomes_smaller_shows_one_view_and_the_last_lines(real_events, smaller):
    terminal = Terminal(80, 24)
    half = next(i for i, e in enumerate(real_events) if e["event"] == "measured") + 6
    with LiveView(terminal.console, every_s=IDLE_S) as view:
        for _ in feed(view, terminal, real_events[:half]):
            pass
        terminal.resize(*smaller)
        view.draw()
        screen = terminal.look()
        assert screen.text.count("4 measured") == 1
        assert screen.text.count("epoch ") <= 1
        if smaller[1] == 24:
            assert screen.text.replace("\n", " ").count("[4/5]") == 1
        for _ in feed(view, terminal, real_events[half:]):
            assert terminal.screen.text.count(" measured") <= 1
    screen = terminal.look()
    assert "front so far" not in screen.text
    assert "measured:" not in screen.text


def test_a_terminal_that_becomes_larger_needs_no_clearing(real_events):
    terminal = Terminal(40, 10)
    with LiveView(terminal.console, every_s=IDLE_S) as view:
        for _ in feed(view, terminal, real_events[:10]):
            pass
        terminal.resize(100, 30)
        for _ in feed(view, terminal, real_events[10:]):
            pass
    written = terminal.look().everything
    assert "front so far" not in written
    assert "━" not in written


def test_the_thread_draws_at_most_once_an_interval_whatever_events_come(real_events):
    class Counted(io.StringIO):
        num_writes = 0

        def write(self, text):
            self.num_writes += 1
            return super().write(text)

    terminal = Terminal(80, 24)
    terminal.file = terminal.console.file = Counted()
    step = {"event": "step", "number": 0, "epoch": 1, "steps": 500}
    begun = [e for e in real_events if e["event"] != "measured"][:8]
    with LiveView(terminal.console, every_s=0.1) as view:
        for event in begun:
            view(event)
        time.sleep(0.15)
        before, until = terminal.file.num_writes, time.monotonic() + 0.5
        num_events = 0
        while time.monotonic() < until:
            num_events += 1
            view({**step, "step": num_events % 500})
            time.sleep(0.0005)
        drawn = terminal.file.num_writes - before
    assert num_events > 100
    assert 1 <= drawn <= 6


def test_a_terminal_that_was_closed_does_not_end_the_study(real_events):
    class Closed(io.StringIO):
        is_closed = False

        def write(self, text):
            if self.is_closed:
                raise OSError(5, "Input/output error")
            return super().write(text)

    terminal = Terminal(80, 24)
    terminal.console.file = Closed()
    with LiveView(terminal.console, every_s=0.01) as view:
        terminal.console.file.is_closed = True
        for event in real_events:
            view(event)
            time.sleep(0.002)


def test_ctrl_c_is_passed_on_and_leaves_a_clean_screen(real_events):
    terminal = Terminal(60, 20)

    def interrupted():
        with LiveView(terminal.console, every_s=IDLE_S) as view:
            for _ in feed(view, terminal, real_events[:8]):
                pass
            terminal.file.write("^C")  # what the terminal echoes
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    screen = terminal.look()
    assert "^C" not in screen.text
    assert "━" not in screen.text
    assert screen.has_cursor


def test_errors_that_go_to_a_file_are_not_drawn_on_the_terminal(real_events, monkeypatch):
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    terminal = Terminal(60, 20)
    with LiveView(terminal.console, every_s=IDLE_S):
        print("a warning", file=sys.stderr)
    assert errors.getvalue() == "a warning\n"
    assert "warning" not in terminal.look().everything
