"""Connecting to jetson-stats' service: every failure is one line, nothing stays behind."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from nas_edge.device import jtop_client
from nas_edge.device.jetson_meter import open_jetson_meter
from nas_edge.device.jtop_client import JtopCheck, JtopProblem, connect, jtop_status
from nas_edge.device.meter import MeterProblem

sys.path.insert(0, str(Path(__file__).parent))
from jtop_service import OTHER_VERSION
from simulated_jtop import (
    OLD_JTOP,
    SimulatedJtop,
    forget_jtop,
    jtop_version,  # noqa: F401
    use_socket,
)

pytestmark = pytest.mark.usefixtures("jtop_version")

RESTART = "sudo systemctl restart jtop.service"
TIMEOUT_S = 1.5
GIVE_UP_S = 30  # far more than anything takes, so that a hang fails


def problem_of(function):
    """Return the line of the problem that a function raises; fail where it hangs."""
    found = []

    def run():
        try:
            function()
        except MeterProblem as problem:
            found.append(str(problem))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(GIVE_UP_S)
    assert not thread.is_alive(), "hangs"
    assert len(found) == 1, "raises nothing"
    assert "\n" not in found[0]
    return found[0]


def version():
    return jtop_client.import_jtop().__version__


def open_in_time():
    open_jetson_meter(timeout_s=TIMEOUT_S).close()


@pytest.fixture
def quick_tick(monkeypatch):
    """Let the client wait 3 x 0.2 s for its first data."""
    monkeypatch.setattr(jtop_client, "TICK_S", 0.2)


@pytest.fixture
def as_nobody():
    """Return a function that gives up root's rights, which no permission stops, for the test."""
    if os.geteuid() != 0:
        yield lambda: None
        return
    yield lambda: os.seteuid(65534)
    os.seteuid(0)


@pytest.mark.skipif(
    not OLD_JTOP, reason="no jetson-stats 4.3.2: `make test-floor`, or NAS_EDGE_OLD_JTOP=FOLDER"
)
def test_old_client_is_tested_too(request):
    wanted = "4.3.2" if "4.3.2" in request.node.name else "7."

    assert version().startswith(wanted)


@pytest.mark.parametrize("mode", ["mute", "no_handshake"])
def test_service_that_never_answers_is_given_up(mode):
    with SimulatedJtop(mode) as service:
        problem = problem_of(open_in_time)

    accepted = f"jtop's service accepted a connection to {service.socket} but did not answer"
    assert problem == f"{accepted} within 1.5 s: {RESTART}"


def test_service_without_data_is_named(quick_tick):
    with SimulatedJtop("no_data"):
        problem = problem_of(lambda: open_jetson_meter(timeout_s=GIVE_UP_S))

    assert problem == f"jtop's service is running but sends no data: {RESTART}"


def test_service_of_another_version_is_named_with_the_one_to_install():
    with SimulatedJtop("wrong_version"):
        problem = problem_of(open_in_time)

    assert problem == (
        f"jetson-stats is {version()} here but its service is {OTHER_VERSION}: "
        f"pip install 'jetson-stats=={OTHER_VERSION}'"
    )


def test_missing_socket_means_that_the_service_does_not_run(tmp_path):
    path = tmp_path / "jtop.sock"
    with use_socket(path):
        problem = problem_of(open_in_time)

    assert problem.startswith(
        f"jtop's service is not running, there is no socket {path}: {RESTART}"
    )


def test_socket_that_a_dead_service_left_is_not_a_service(tmp_path):
    path = tmp_path / "jtop.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with use_socket(path):
        problem = problem_of(open_in_time)

    assert problem == (
        f"jtop's service is not running, though its socket {path} is there: {RESTART}"
    )


def test_socket_without_permission_names_the_group(as_nobody):
    with SimulatedJtop() as service:
        service.forbid()
        as_nobody()
        problem = problem_of(open_in_time)

        if os.getuid() == 0:
            os.seteuid(0)
    assert problem == (
        f"no permission for jtop's socket {service.socket}: "
        "sudo usermod -aG jtop $USER, then log out and in"
    )


def test_missing_package_names_the_extra(monkeypatch):
    monkeypatch.setattr(jtop_client, "find_spec", lambda name: None)

    assert problem_of(open_in_time) == (
        "jetson-stats is not installed: pip install 'nas-edge[jetson]'"
    )


def test_broken_package_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "jtop").mkdir()
    (tmp_path / "jtop" / "__init__.py").write_text("import smbus_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    forget_jtop()

    problem = problem_of(open_in_time)

    assert problem.startswith("jetson-stats cannot be imported (ModuleNotFoundError: No module")
    assert "smbus_that_is_not_there" in problem


def test_version_whose_figures_mean_something_else_is_refused(monkeypatch):
    monkeypatch.setattr(jtop_client.import_jtop(), "__version__", "4.1.5")

    assert problem_of(open_in_time) == (
        "jetson-stats must be at least 4.2, but is 4.1.5: sudo pip3 install -U jetson-stats"
    )


@pytest.mark.parametrize("before", ["spawn", "forkserver", None])
def test_start_method_stays_as_it_was(before):
    set_it = f"multiprocessing.set_start_method({before!r})" if before else ""
    tell = "print(multiprocessing.get_start_method(allow_none=True))"
    ours = "from nas_edge.device.jtop_client import import_jtop; import_jtop()"

    def method_after(code):
        program = "\n".join(["import multiprocessing", set_it, code, tell])
        command = [sys.executable, "-c", program]
        return subprocess.check_output(command, universal_newlines=True).strip()

    assert method_after(ours) == str(before)
    if not version().startswith("4."):  # without the care there is something to see
        assert method_after("import jtop") == "fork"


def test_other_programs_and_libraries_are_not_asked_for_their_versions(monkeypatch):
    jtop_client.import_jtop()
    asked = []
    for name in ("get_libraries", "get_cuda", "get_opencv"):
        monkeypatch.setattr(sys.modules["jtop.jtop"], name, lambda: asked.append(1) or ("", ""))
    with SimulatedJtop():
        client = connect(timeout_s=GIVE_UP_S)
        assert client.board["hardware"]["L4T"] == "35.4.1"
        jtop_client.close(client)

    assert asked == []


def test_answer_that_comes_too_late_leaves_no_thread_behind(monkeypatch):
    with SimulatedJtop() as service:
        service.freeze()
        problem_of(open_in_time)
        service.thaw()
        give_up = time.monotonic() + GIVE_UP_S
        while any(t.name == "jtop-open" or "Client" in type(t).__name__ for t in live_threads()):
            assert time.monotonic() < give_up, live_threads()
            time.sleep(0.02)


def live_threads():
    return [thread for thread in threading.enumerate() if thread.is_alive()]


OPEN = """
import sys
from nas_edge.device.jetson_meter import open_jetson_meter
from nas_edge.device.meter import MeterProblem
sys.path.insert(0, {tests!r})
from simulated_jtop import use_socket
with use_socket({socket!r}):
    try:
        meter = open_jetson_meter(timeout_s=1.5)
        print("open", flush=True)
        sys.stdin.readline()
        meter.read()
    except MeterProblem as problem:
        print(problem, flush=True)
"""
FORK = """
import multiprocessing
child = multiprocessing.get_context("fork").Process(target=int)
child.start()
child.join(20)
print("child ended", child.exitcode, flush=True)
child.kill()
"""


def start_program(service, code):
    """Start an interpreter that opens a meter, waits for a line and goes on."""
    code = code.format(tests=str(Path(__file__).parent), socket=str(service.socket))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "universal_newlines": True}
    return subprocess.Popen([sys.executable, "-c", code], **pipes)


@pytest.mark.parametrize("mode", ["mute", "no_handshake"])
def test_interpreter_ends_after_a_service_that_never_answered(mode):
    with SimulatedJtop(mode) as service:
        out, _ = start_program(service, OPEN).communicate("", timeout=GIVE_UP_S)

    assert "did not answer within 1.5 s" in out


@pytest.mark.parametrize("breaks", ["freeze", "kill", "hold_ticks"])
def test_interpreter_ends_with_an_open_meter_whose_service_broke(breaks):
    with SimulatedJtop() as service:
        program = start_program(service, OPEN)
        assert program.stdout.readline() == "open\n"
        getattr(service, breaks)()
        try:
            program.communicate("\n", timeout=GIVE_UP_S)
        finally:
            program.kill()

    assert program.returncode == 0


def test_forked_child_does_not_wait_for_a_frozen_service():
    with SimulatedJtop() as service:
        program = start_program(service, OPEN + FORK)
        assert program.stdout.readline() == "open\n"
        service.freeze()
        try:
            out, _ = program.communicate("\n", timeout=2 * GIVE_UP_S)
        finally:
            program.kill()

    assert out == "child ended 0\n"


def test_status_of_a_working_service_has_every_step_and_nothing_to_mend():
    with SimulatedJtop() as service:
        checks = jtop_status()

    assert checks == [
        JtopCheck("jetson-stats", f"jetson-stats {version()}"),
        JtopCheck("socket", f"{service.socket} is there"),
        JtopCheck("permission", "the socket may be read and written"),
        JtopCheck("service", "the service answers and sends data"),
    ]


def test_status_ends_at_the_step_that_fails_with_its_command(tmp_path, monkeypatch):
    with use_socket(tmp_path / "jtop.sock"):
        checks = jtop_status()
    assert [check.step for check in checks] == ["jetson-stats", "socket"]
    assert [bool(check.mend) for check in checks] == [False, True]
    assert checks[-1].mend.startswith(RESTART)

    with SimulatedJtop("mute"):
        checks = jtop_status(timeout_s=TIMEOUT_S)
    assert [check.step for check in checks] == ["jetson-stats", "socket", "permission", "service"]
    assert [check.mend for check in checks] == ["", "", "", RESTART]

    monkeypatch.setattr(jtop_client, "find_spec", lambda name: None)
    assert jtop_status() == [
        JtopCheck("jetson-stats", "jetson-stats is not installed", "pip install 'nas-edge[jetson]'")
    ]


def test_problem_is_a_fault_of_the_machine():
    problem = JtopProblem("socket", "no socket", "start it")

    assert isinstance(problem, MeterProblem)
    assert str(problem) == "no socket: start it"
    assert problem.exit_code == 3
