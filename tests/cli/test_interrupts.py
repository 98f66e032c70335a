"""Ctrl-C, SIGTERM and SIGHUP, whatever was at work when they came."""

import os
import signal

import pytest
from pydantic import BaseModel, model_serializer

from nas_edge.cli.audience import People, told_to
from nas_edge.cli.interrupts import heard_interrupts


def stop(number):
    os.kill(os.getpid(), number)
    for _ in range(10):  # the handler runs between two steps of the interpreter
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_all_signals_interrupt_and_are_heard(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), heard_interrupts() as was_interrupted:
        stop(number)
    assert was_interrupted()
    assert signal.getsignal(number) is before


def test_an_interrupt_that_a_library_made_an_error_of_is_one_again(tmp_path, capsys):
    class Model(BaseModel):
        @model_serializer
        def written(self):
            stop(signal.SIGINT)
            return {}

    audience = People(quiet=False)
    with pytest.raises(KeyboardInterrupt), told_to(audience), audience.watching(tmp_path):
        Model().model_dump()
    assert f"goes on where it was ({tmp_path})" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])  # in the background; nohup
def test_a_signal_stays_ignored_where_it_was(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with heard_interrupts() as was_interrupted:
            stop(number)
        assert not was_interrupted()
    finally:
        signal.signal(number, before)
