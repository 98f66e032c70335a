"""What a command writes to: stdout and stderr, whatever a shell has made of them."""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import shutil
import sys
from typing import Optional

import click

_OF_WRITING = (
    errno.EPIPE,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EBADF,
)


def prepare_streams() -> None:
    """See that a command can write: what is closed leads nowhere, no sign is refused."""
    _open_closed()
    _replace_what_stdout_cannot_say()


def say(text: str) -> None:
    """Write a line for people on stderr, if anything can be written there."""
    with contextlib.suppress(OSError):
        click.echo(text, err=True)


def output_width() -> Optional[int]:
    """Return how many characters a line of stdout holds; None where it is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def is_of_output(err: OSError) -> bool:
    """Return whether an error came from writing to a stream: those of files name theirs."""
    return err.filename is None and err.errno in _OF_WRITING


def drop_unwritable() -> None:
    """Let what is left for an output that cannot be written go nowhere.

    Else the interpreter would fail at its end, where it writes what is left.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


def _open_closed() -> None:
    """Open the standard streams that are closed (`>&-`), so that no file takes their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free: the stream's own
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode))


def _replace_what_stdout_cannot_say() -> None:
    """See that a sign outside of a terminal's encoding becomes "?" and ends no study.

    In UTF-8 that is a file's name of another encoding.
    """
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is None:
        return
    # The C locale's way keeps the bytes of names, and refuses every sign that is not ASCII.
    is_utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
    if sys.stdout.errors == "strict" or (sys.stdout.errors == "surrogateescape" and not is_utf8):
        reconfigure(errors="replace")
