"""Outputs that are full, closed, of another encoding, or whose reader went away; real processes."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell's redirections")


def shell(place, redirections, *arguments, **more):
    """Return exit code, output and error text of `nas-edge` with a shell's redirections."""
    command = [sys.executable, "-m", "nas_edge", *map(str, arguments)]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", *command],
        cwd=place.folder,
        env=place.environment(**more),
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def without_reader(place, *arguments, lines=1, is_stderr_too=False):
    """Return exit code and error text of `nas-edge` whose reader goes after so many lines."""
    with subprocess.Popen(
        [sys.executable, "-m", "nas_edge", *map(str, arguments)],
        cwd=place.folder,
        env=place.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if is_stderr_too else subprocess.PIPE,
        text=True,
    ) as process:
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
        err = "" if is_stderr_too else process.stderr.read()
        return process.wait(120), err


@pytest.mark.parametrize("is_stderr_too", [False, True])
def test_a_study_whose_reader_went_away_says_that_it_stopped(copy_of_finished, is_stderr_too):
    place = copy_of_finished()
    code, err = without_reader(
        place, "run", "tiny.yaml", "--trials", 5, is_stderr_too=is_stderr_too
    )

    assert code == 130
    if not is_stderr_too:
        assert err.startswith("nobody reads the output any more\n")
        assert "the same command goes on where it was (runs/tiny)" in err
        assert "Traceback" not in err
        assert "Exception" not in err


def test_what_only_shows_ends_well_when_its_reader_has_enough(finished):
    assert without_reader(finished, "front", "runs/tiny", lines=0) == (0, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        ("front", "runs/tiny"),
        ("front", "runs/tiny", "--csv"),
        ("run", "tiny.yaml", "--trials", 5),
        ("run", "tiny.yaml", "--json"),
    ],
    ids=lambda arguments: " ".join(map(str, arguments)),
)
def test_a_full_output_is_one_line(finished, arguments):
    code, _, err = shell(finished, ">/dev/full", *arguments)

    assert code == 3
    assert err == (
        "nas-edge: error: the output cannot be written (No space left on device); mend that and "
        "run the same command again\n"
    )


@pytest.mark.parametrize(
    "redirections",
    [
        pytest.param(">&-", marks=pytest.mark.slow),
        pytest.param(">&- 2>&-", marks=pytest.mark.slow),
        "<&- >&- 2>&-",
    ],
)
def test_closed_outputs_end_no_study(copy_of_finished, redirections):
    place = copy_of_finished()
    report = place.run_folder / "report.html"
    report.unlink()

    assert shell(place, redirections, "run", "tiny.yaml", "--trials", 4) == (0, "", "")
    assert report.read_text().rstrip().endswith("</html>")
    assert len(place.trials()) >= 4


def test_an_output_that_cannot_say_every_sign_gets_question_marks(finished):
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code, out, err = shell(finished, "", "front", "runs/tiny", **plain)

    assert (code, err) == (0, "")
    assert "?" in out
    assert "3 candidates: 3 finished" in out
