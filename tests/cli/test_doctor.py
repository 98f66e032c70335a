"""`nas-edge doctor` as a process: on this machine as it is, and on it made worse."""

import json
import subprocess
import sys

import pytest

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux")


@pytest.mark.slow
def test_this_machine_in_words(workplace):
    code, out, err = workplace.call("doctor", "--device", "cpu")

    assert code == 0, err + out
    assert out.rstrip().endswith("a study would run here, on cpu")
    assert "\x1b" not in out  # no colours where nobody sees them
    for text in ("child process", "peak training memory", "temperature"):
        assert text in out
    assert list(workplace.folder.glob("runs*")) == []


def test_this_machine_as_data(workplace):
    code, out, err = workplace.call("doctor", "--json", "--device", "cpu", "--out", "results")

    data = json.loads(out)
    assert code == 0, err + out
    assert data["would_run"] is True
    assert data["device"]["kind"] == "cpu"
    assert all(check["mend"] for check in data["checks"] if check["state"] != "ok")
    assert {check["state"] for check in data["checks"]} <= {"ok", "note"}
    assert "disk at results" in [check["name"] for check in data["checks"]]
    assert all(bool(one["source"]) != bool(one["why_not"]) for one in data["figures"])


@pytest.mark.slow
@LINUX
def test_unwritable_out_is_a_problem_and_exits_1(workplace):
    code, out, _ = workplace.call("doctor", "--device", "cpu", "--out", "/proc/runs")

    assert code == 1
    assert out.rstrip().endswith("a study would not run here: 1 problem to mend first")
    problem = out[out.index("\nproblem: disk at /proc/runs") :].splitlines()
    assert "use --out DIR" in problem[2]


@pytest.mark.slow
def test_missing_package_exits_1_and_names_its_install(workplace):
    code = "import sys; from importlib import util; old = util.find_spec\n"
    code += "util.find_spec = lambda name, *a: None if name == 'optuna' else old(name, *a)\n"

    exit_code, out, _ = workplace.call("doctor", "--json", "--device", "cpu", code=code)

    found = {check["name"]: check for check in json.loads(out)["checks"]}
    assert exit_code == 1
    assert found["optuna"]["state"] == "problem"
    assert found["optuna"]["mend"] == "pip install 'optuna>=4.5'"


@pytest.mark.slow
def test_without_rich_it_is_told_in_plain_lines(workplace):
    code = "import sys; sys.modules['rich'] = None"

    exit_code, out, err = workplace.call("doctor", "--device", "cpu", code=code)

    assert exit_code == 1, err + out
    assert "problem: rich: is not installed\n    pip install 'rich>=13.0'\n" in out
    assert "  ok       child process" in out


@pytest.mark.slow
@LINUX
def test_memory_limit_of_the_shell_is_noted_and_nothing_crashes(workplace):
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))"

    _, out, err = workplace.call("doctor", "--json", "--device", "cpu", code=code)

    notes = [one["found"] for one in json.loads(out)["checks"] if one["name"] == "process limits"]
    assert notes == ["address space: at most 12.0 GiB"], err


@LINUX
def test_too_little_memory_for_torch_is_a_problem_and_no_traceback(workplace):
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))"

    exit_code, out, err = workplace.call("doctor", "--json", "--device", "cpu", code=code)

    found = {check["name"]: check for check in json.loads(out)["checks"]}
    assert exit_code == 1
    assert found["torch"]["state"] == "problem"
    assert "Traceback" not in err


def test_looking_at_the_help_imports_nothing_heavy(repository):
    program = (
        "import sys\nfrom nas_edge.cli.main import main\n"
        "try: main(['doctor', '--help'])\nexcept SystemExit as end: assert not end.code\n"
        "print(*[name for name in ('torch', 'optuna', 'pandas', 'rich') if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=repository, check=True
    )

    assert done.stdout.splitlines()[-1] == ""
