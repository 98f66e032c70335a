"""Who follows a study's command, from its first event to its end: people, or a machine."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Optional, Union

import click

from nas_edge.cli.interrupts import heard_interrupts
from nas_edge.cli.json_lines import JsonLines, front_dicts
from nas_edge.cli.next_steps import (
    FINALISTS,
    INTERRUPTED,
    SEARCH,
    Ending,
    how_sure,
    next_steps,
    step_lines,
    summary_lines,
    what_came,
)
from nas_edge.cli.progress import progress_for
from nas_edge.cli.standing import Standing, updated
from nas_edge.cli.streams import drop_unwritable, output_width, say
from nas_edge.errors import NasEdgeError
from nas_edge.report.rows import outcome_counts
from nas_edge.study.pruning import summarise_pruning

Event = Dict[str, Any]
Listener = Callable[[Event], None]
ERROR = "error"
STOPPED = "stopped; the same command goes on where it was"
INTERRUPTED_CODE = 130  # as a shell has it for Ctrl-C


class _Follower:
    """Knows how the study stands, so that an end of any kind can be told."""

    def __init__(self, *, kind: str = SEARCH) -> None:
        self._kind = kind
        self._folder: Optional[Path] = None
        self._standing = Standing()

    @property
    def has_ended(self) -> bool:
        """Whether the study came to its end by itself."""
        return bool(self._standing.why)

    def _hear(self, event: Event) -> None:
        self._standing = updated(self._standing, event, 0.0)

    def _ending(self, why: str, run: Optional[Any] = None) -> Ending:
        from nas_edge.report.finalists import finalists_of
        from nas_edge.report.verdict import verdict_of

        standing = self._standing
        verdict = None if run is None else verdict_of(run)
        finalists = None if run is None else finalists_of(run)
        if run is not None and self._kind == FINALISTS:
            run = run.finalists
        return Ending(
            why=why,
            folder=self._folder or Path(),
            records=standing.records if run is None else run.records,
            objectives=(
                standing.objectives if run is None or self._kind == FINALISTS else run.objectives
            ),
            memory_limit_bytes=standing.memory_limit_bytes,
            named=None if verdict is None else verdict.number,
            sentence=None if verdict is None else verdict.sentence,
            certainty="" if verdict is None else verdict.certainty,
            finalists=finalists,
            kind=self._kind,
        )


class People(_Follower):
    """They see progress, tables, and what to do next; with ``quiet`` the tables alone."""

    def __init__(self, *, quiet: bool, kind: str = SEARCH) -> None:
        super().__init__(kind=kind)
        self._quiet = quiet

    @contextlib.contextmanager
    def watching(self, folder: Path) -> Iterator[Listener]:
        """Yield the listener of a study in a folder."""
        self._folder = folder
        with progress_for(self._quiet) as show:

            def listen(event: Event) -> None:
                self._hear(event)
                show(event)

            yield listen

    def finish(
        self, run: Any, report: Path, print_tables: Callable[[], None], exit_code: int = 0
    ) -> None:
        """Tell what came of a study that ended by itself."""
        del exit_code  # the shell's
        print_tables()
        if not self._quiet:
            click.echo(f"report: {report}")
            for line in summary_lines(self._ending(self._standing.why, run), output_width()):
                click.echo(line)

    def interrupted(self) -> None:
        """Tell how to go on."""
        if self._folder is None:
            return
        click.echo(f"\n{STOPPED} ({self._folder})", err=True)
        if not self._quiet:
            for line in step_lines(next_steps(self._ending(INTERRUPTED))[1:], None):
                click.echo(line, err=True)

    def failed(self, text: str, exit_code: int) -> None:
        """Nothing: the command line tells errors itself."""


class Machine(_Follower):
    """It reads one JSON object a line; with ``quiet`` the last one alone."""

    def __init__(self, *, quiet: bool, kind: str = SEARCH) -> None:
        super().__init__(kind=kind)
        self._quiet = quiet
        self._lines = JsonLines(click.echo)

    @contextlib.contextmanager
    def watching(self, folder: Path) -> Iterator[Listener]:
        """Yield the listener of a study in a folder."""
        self._folder = folder

        def listen(event: Event) -> None:
            self._hear(event)
            if not self._quiet:
                self._lines(event)

        yield listen

    def finish(
        self, run: Any, report: Path, print_tables: Callable[[], None], exit_code: int = 0
    ) -> None:
        """Send the end of a study that ended by itself."""
        del print_tables  # people's
        ending = self._ending(self._standing.why, run)
        self._send_end(ending, self._standing.text or what_came(ending), exit_code, report)

    def interrupted(self) -> None:
        """Send the end that Ctrl-C or a signal made."""
        self._send_end(self._ending(INTERRUPTED), STOPPED, INTERRUPTED_CODE)

    def failed(self, text: str, exit_code: int) -> None:
        """Send the end that an error made; the command line tells it on stderr, too."""
        self._send_end(self._ending(ERROR), text, exit_code)

    def _send_end(
        self, ending: Ending, text: str, exit_code: int, report: Optional[Path] = None
    ) -> None:
        steps = [] if ending.why == ERROR else next_steps(ending)
        end = {
            "event": "end",
            "why": ending.why,
            "text": text,
            "certainty": how_sure(ending) if text == ending.sentence else "",
            "exit_code": exit_code,
            "study": self._standing.study or None,
            "run": None if self._folder is None else str(self._folder),
            "report": None if report is None else str(report),
            "objectives": list(ending.objectives),
            "candidates": len(ending.records),
            "outcomes": outcome_counts(ending.records),
            "pruning": asdict(summarise_pruning(ending.records)),
            "front": front_dicts(ending.records, ending.objectives),
            "finalists": None if ending.finalists is None else ending.finalists.to_dict(),
            "next": [step.to_dict() for step in steps],
        }
        try:
            self._lines.send(end)
        except BrokenPipeError:  # Ctrl-C ended the reader, too
            drop_unwritable()


Audience = Union[People, Machine]


def audience_for(quiet: bool, as_json: bool, *, kind: str = SEARCH) -> Audience:
    """Return who follows a command with these options; ``kind`` is what it trains."""
    return (Machine if as_json else People)(quiet=quiet, kind=kind)


@contextlib.contextmanager
def told_to(audience: Audience) -> Iterator[None]:
    """Have every end that a study did not come to by itself told, and pass it on.

    Raises:
        KeyboardInterrupt: If a signal came, whatever a library made of it, or if the reader of the
            output went away before the study's end.
    """
    with heard_interrupts() as was_interrupted:
        try:
            yield
        except KeyboardInterrupt:
            _tell_interrupt(audience)
            raise
        except Exception as err:
            is_left_alone = isinstance(err, BrokenPipeError) and not audience.has_ended
            if is_left_alone:
                say("nobody reads the output any more")
            if is_left_alone or was_interrupted():
                _tell_interrupt(audience)
                raise KeyboardInterrupt from err
            if not isinstance(err, BrokenPipeError):  # else the tables had a reader who has enough
                _tell_error(audience, err)
            raise


def _tell_interrupt(audience: Audience) -> None:
    with contextlib.suppress(OSError):  # the terminal may have gone
        audience.interrupted()


def _tell_error(audience: Audience, err: Exception) -> None:
    if isinstance(err, NasEdgeError):
        audience.failed(str(err), err.exit_code)
    else:
        audience.failed(f"{type(err).__name__}: {err}", 1)
