"""A study's events as one view on a terminal, with a line above it for each candidate.

All drawing is done by one thread, at most once a second: events cost a study nothing, however many
there are, and Ctrl-C, which the main thread hears, never cuts a frame in two.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections import deque
from types import TracebackType
from typing import Any, Callable, Deque, Dict, List, Optional, Type

from rich.cells import cell_len
from rich.console import Console, ConsoleDimensions
from rich.live import Live

from nas_edge.cli.lines import Lines
from nas_edge.cli.standing import Standing, updated
from nas_edge.cli.view import Frame, View

Event = Dict[str, Any]
EVERY_S = 1.0
KEPT_LINES = 200  # more than any terminal shows


class LiveView:
    """Listens to a study and shows how it stands; gone from the screen at its end.

    Args:
        console: A terminal that can move its cursor.
        clock: Seconds that only grow.
        every_s: Between two frames.
    """

    def __init__(
        self,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        every_s: float = EVERY_S,
    ) -> None:
        self._console = console
        self._clock = clock
        self._every_s = every_s
        self._lock = threading.Lock()  # of what the events change
        self._standing = Standing()
        self._waiting: List[str] = []
        self._lines = Lines(self._waiting.append, is_brief=True)
        self._kept: Deque[str] = deque(maxlen=KEPT_LINES)
        self._view = View(console)
        self._frame: Optional[Frame] = None
        self._size = console.size
        self._live = self._new_live()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._draw_on, name="live view", daemon=True)

    def __call__(self, event: Event) -> None:
        """Take in an event; it is drawn later."""
        with self._lock:
            self._standing = updated(self._standing, event, self._clock())
            self._lines(event)

    def __enter__(self) -> LiveView:
        self._live.start()
        self.draw()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._done.set()
        try:
            self._thread.join()
            with contextlib.suppress(Exception):  # it would hide how the study ended
                self.draw()  # the last lines
        finally:
            with contextlib.suppress(OSError):
                self._live.stop()

    def draw(self) -> None:
        """Write the lines that wait, and the view if it changed."""
        with self._lock:
            standing, lines = self._standing, list(self._waiting)
            self._waiting.clear()
        self._fit()
        for line in lines:
            self._kept.append(line)
            self._console.print(line, markup=False)
        frame = self._view.frame(standing, self._clock())
        if frame != self._frame:
            self._frame = frame
            self._live.update(frame, refresh=True)

    def _draw_on(self) -> None:
        # A terminal that was closed does not end a study.
        with contextlib.suppress(OSError):
            while not self._done.wait(self._every_s):
                self.draw()

    def _fit(self) -> None:
        """Begin anew on a terminal that became smaller: what was drawn has moved, who knows where.

        A larger one needs nothing: each line that was drawn is still one line.
        """
        size, before = self._console.size, self._size
        self._size = size
        if size.width >= before.width and size.height >= before.height:
            return
        self._live.stop()
        self._console.clear()
        for line in self._last_lines(size):
            self._console.print(line, markup=False)
        self._frame = None
        self._live = self._new_live()
        self._live.start()

    def _last_lines(self, size: ConsoleDimensions) -> List[str]:
        """Return the last lines that fit above the view."""
        drawn = 0 if self._frame is None else len(self._frame.head) + len(self._frame.front)
        room = size.height - drawn - 1
        lines: List[str] = []
        for line in reversed(self._kept):
            room -= 1 + cell_len(line) // size.width + 1  # words wrap earlier than cells
            if room < 0:
                break
            lines.insert(0, line)
        return lines

    def _new_live(self) -> Live:
        return Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            # Errors that go to a file stay there.
            redirect_stderr=sys.stderr.isatty(),
        )
