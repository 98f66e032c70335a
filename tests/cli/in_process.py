"""The command line in the tests' own process: what it printed, and errors of one line."""

import inspect

from click.testing import CliRunner

from nas_edge.cli.main import main


def call(*arguments):
    """Click 8.1 mixes the two streams unless told not to; later ones cannot."""
    options = inspect.signature(CliRunner).parameters
    runner = CliRunner(mix_stderr=False) if "mix_stderr" in options else CliRunner()
    return runner.invoke(main, [str(one) for one in arguments], prog_name="nas-edge")


def error_of(result, code=2):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("nas-edge: error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr
