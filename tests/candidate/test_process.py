"""Every way a candidate's process may end, with real processes."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from nas_edge.candidate import process
from nas_edge.candidate.measurement import CRASHED, DIVERGED, HUNG, KILLED, OUT_OF_MEMORY
from nas_edge.candidate.process import ChildLimits
from nas_edge.errors import EnvironmentProblem

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux")


def test_a_result_and_messages_come_back(run_task):
    messages = []
    end = run_task("echo", messages.append, number=3, text="ä")
    assert end.result["job"] == {"number": 3, "text": "ä"}
    assert messages == [{"event": "step", "epoch": 1, "step": 1, "steps": 2}]
    assert 0 < end.start_s < 60


def test_each_child_is_a_process_of_its_own(run_task):
    pids = {run_task("echo").result["pid"] for _ in range(3)}
    assert len(pids) == 3
    assert os.getpid() not in pids


def test_an_exception_is_a_crash_with_one_line_and_the_log_has_the_rest(run_task, tmp_path):
    end = run_task("raise_value_error")
    assert (end.result, end.kind) == (None, CRASHED)
    assert end.reason == f"ValueError: first line; see {tmp_path / 'log.txt'}"
    log = (tmp_path / "log.txt").read_text()
    assert "Traceback" in log
    assert "second line" in log


def test_divergence_is_its_own_kind(run_task):
    end = run_task("diverge")
    assert (end.kind, end.reason) == (DIVERGED, "the training loss became nan by epoch 2, step 25")


def test_sigkill_from_outside_is_killed(run_task):
    end = run_task("say_pid_and_hang", lambda message: os.kill(message["pid"], signal.SIGKILL))
    assert (end.kind, end.reason) == (KILLED, "the candidate's process was killed by SIGKILL")


def test_sigterm_from_outside_is_killed(run_task):
    end = run_task("say_pid_and_hang", lambda message: os.kill(message["pid"], signal.SIGTERM))
    assert (end.kind, end.reason) == (KILLED, "the candidate's process was killed by SIGTERM")


def test_sigint_alone_does_not_end_a_child(run_task):
    # Ctrl-C reaches the whole process group; what it means is the parent's to decide.
    end = run_task(
        "say_pid_and_hang",
        lambda message: os.kill(message["pid"], signal.SIGINT),
        limits=ChildLimits(total_s=2.0),
    )
    assert end.kind == HUNG


def test_a_segmentation_fault_is_a_crash(run_task):
    end = run_task("segfault")
    assert end.kind == CRASHED
    assert "SIGSEGV" in end.reason


def test_an_exit_without_a_word_is_a_crash_with_its_code(run_task):
    end = run_task("exit_7")
    assert end.kind == CRASHED
    assert "exit code 7" in end.reason


def test_silence_past_its_limit_is_a_hang(run_task):
    started = time.monotonic()
    end = run_task("hang", limits=ChildLimits(silence_s=1.0))
    assert (end.kind, end.reason) == (HUNG, "gave no sign for 1 s (limits.silence)")
    assert time.monotonic() - started < 30


def test_signs_of_life_do_not_help_past_the_total_limit(run_task):
    end = run_task("hang_with_signs", limits=ChildLimits(total_s=1.5, silence_s=1.0))
    assert (end.kind, end.reason) == (HUNG, "was not done after 2 s (limits.candidate_time)")


@linux
def test_a_pause_of_the_whole_study_is_no_silence(run_task, monkeypatch):
    monkeypatch.setattr(process, "LISTENS_S", 0.5)

    def pause(message):
        os.kill(message["pid"], signal.SIGSTOP)
        time.sleep(4.5)
        os.kill(message["pid"], signal.SIGCONT)

    limits = ChildLimits(total_s=4.0, silence_s=4.0)
    end = run_task("say_pid_and_go_on_for_a_second", pause, limits)
    assert end.result == {"done": True}


def test_a_hanging_child_is_gone_afterwards(run_task):
    pids = []
    run_task("say_pid_and_hang", lambda m: pids.append(m["pid"]), ChildLimits(total_s=1.5))
    assert not psutil.pid_exists(pids[0])


def test_a_child_that_lingers_after_its_result_is_not_waited_for(run_task):
    run_task("echo")
    started = time.monotonic()
    assert run_task("finish_and_linger").result == {"done": True}
    assert time.monotonic() - started < 4.0


def test_a_failed_allocation_is_out_of_memory(run_task):
    end = run_task("allocate_too_much")
    assert end.kind == OUT_OF_MEMORY
    assert "allocate" in end.reason


@linux
def test_memory_that_the_system_refuses_is_out_of_memory(run_task):
    assert run_task("allocate_under_a_limit").kind == OUT_OF_MEMORY


def test_a_native_message_before_an_abort_decides_the_kind(run_task):
    text = "terminate called after throwing an instance of 'std::bad_alloc'\n"
    end = run_task("print_and_abort", text=text)
    assert end.kind == OUT_OF_MEMORY
    assert "std::bad_alloc" in end.reason


def test_another_sessions_message_in_the_log_does_not(run_task, tmp_path):
    (tmp_path / "log.txt").write_text("CUDA driver error: out of memory\n")
    end = run_task("print_and_kill_self", text="nothing special\n")
    assert end.kind == KILLED


@pytest.mark.parametrize("name", ["ENOSPC", "EROFS"])
def test_a_machine_at_fault_ends_the_study_and_not_the_candidate(run_task, name):
    with pytest.raises(EnvironmentProblem, match=r"No space|Read-only") as err:
        run_task("raise_errno", errno=name)
    assert err.value.exit_code == 3


@linux
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to mount")
@pytest.mark.parametrize("num_bytes", [300_000, 6_000_000])
def test_a_really_full_disk_is_the_environments_fault(run_task, tmp_path, num_bytes):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("mount is not permitted here")
    try:
        with pytest.raises(EnvironmentProblem):
            run_task("fill_disk", log=disk / "log.txt", path=str(disk / "w.pt"), bytes=num_bytes)
        assert sorted(os.listdir(disk)) == ["log.txt"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@linux
def test_a_log_that_cannot_be_written_for_a_full_disk_is_the_environments_fault(run_task):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    with pytest.raises(EnvironmentProblem):
        run_task("raise_errno", log=Path("/dev/full"), errno="ENOSPC")


def test_what_a_child_and_its_programs_print_is_in_the_log(run_task, tmp_path, capfd):
    assert run_task("print_much").result == {}
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert lines == ["from python", "from a program", "to stderr"]
    assert capfd.readouterr() == ("", "")


@linux
def test_a_child_starts_with_torch_there_and_with_no_threads_of_the_servers(run_task):
    run_task("echo")
    found = run_task("where_am_i").result
    assert found["preloaded"]
    assert found["main"] is None
    assert found["wait_policy"] is not None
    assert found["threads"] == 2  # the child's own and the one that waits for the parent's end


def test_another_default_start_method_does_not_matter(run_task):
    before = multiprocessing.get_start_method(allow_none=True)
    try:
        multiprocessing.set_start_method("fork", force=True)
        assert run_task("echo").result["pid"] != os.getpid()
    finally:
        multiprocessing.set_start_method(before, force=True)


def test_the_environment_is_as_it_was_afterwards(monkeypatch, run_task):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    run_task("echo")
    assert "GOMP_SPINCOUNT" not in os.environ
    main = sys.modules["__main__"]
    assert hasattr(main, "__spec__")


def test_a_user_may_set_the_wait_policy(monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    with process._environment(GOMP_SPINCOUNT="10000"):
        assert os.environ["GOMP_SPINCOUNT"] == "7"
    assert os.environ["GOMP_SPINCOUNT"] == "7"


@linux
def test_descriptors_processes_and_threads_do_not_pile_up(run_task):
    def count():
        own = psutil.Process()
        return own.num_fds(), len(own.children(recursive=True)), threading.active_count()

    for task in ("echo", "raise_value_error", "exit_7"):
        run_task(task)
    before = count()
    for number in range(20):
        run_task(("echo", "raise_value_error", "exit_7")[number % 3])
    deadline = time.monotonic() + 10.0
    # The server reaps a moment after the end, those of earlier tests too.
    while any(now > then for now, then in zip(count(), before)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert all(now <= then for now, then in zip(count(), before)), (count(), before)


PARENT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from nas_edge.candidate.process import ChildLimits, run_in_child
def show(message):
    print(message["pid"], flush=True)
run_in_child("bad_children:say_pid_and_hang", {}, Path(sys.argv[2]), ChildLimits(), show)
"""


def gone_within(pid, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    "how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_child_does_not_outlive_its_parent(how, tmp_path):
    tasks = Path(__file__).parent / "tasks"
    command = [sys.executable, "-c", PARENT, str(tasks), str(tmp_path / "log.txt")]
    # A session of its own, so that the signal can go to all of it, as Ctrl-C does.
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as parent:
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        if how == signal.SIGKILL:
            parent.kill()
        else:
            os.killpg(parent.pid, signal.SIGINT)
        assert parent.wait(timeout=20) != 0
        assert gone_within(pid, 5.0)
    shutil.rmtree(tmp_path)


CALLS = """
import sys
from pathlib import Path
sys.path.insert(0, {tasks!r})
from nas_edge.candidate.process import ChildLimits, run_in_child
print("once")
log = Path({log!r})
for _ in range(2):
    end = run_in_child("bad_children:echo", {{}}, log, ChildLimits(), lambda m: None)
    assert end.result is not None, end.reason
print("done", sys.modules["__main__"].__name__)
"""


@pytest.mark.parametrize(
    "kind",
    ["script", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("-c", "-m", "stdin"))],
)
def test_works_from_a_program_without_a_main_guard(kind, tmp_path):
    code = CALLS.format(tasks=str(Path(__file__).parent / "tasks"), log=str(tmp_path / "log.txt"))
    (tmp_path / "user_program.py").write_text(code)
    command = {
        "script": ["user_program.py"],
        "-c": ["-c", code],
        "-m": ["-m", "user_program"],
        "stdin": ["-"],
    }[kind]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        input=code,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.stdout.splitlines() == ["once", "done __main__"], done.stderr
    assert done.returncode == 0
