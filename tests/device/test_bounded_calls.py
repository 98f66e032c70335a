import threading
import time

import pytest

from nas_edge.device.bounded_calls import BoundedCalls, CallHung


def test_a_result_and_an_error_reach_the_caller():
    calls = BoundedCalls("test")
    assert calls.call(lambda: 3, timeout_s=5) == 3
    with pytest.raises(ZeroDivisionError):
        calls.call(lambda: 1 // 0, timeout_s=5)
    assert calls.call(lambda: 4, timeout_s=5) == 4
    calls.close()


def test_calls_run_in_one_thread_that_is_not_the_callers_and_ends():
    calls = BoundedCalls("test")
    first, second = (calls.call(threading.current_thread, timeout_s=5) for _ in range(2))
    calls.close()
    calls.close()
    first.join(timeout=5)
    assert first is second is not threading.current_thread()
    assert not first.is_alive()


def test_a_call_that_hangs_is_left_behind_and_so_is_every_later_one():
    calls, release, later = BoundedCalls("test"), threading.Event(), []
    with pytest.raises(CallHung):
        calls.call(release.wait, timeout_s=0.05)
    with pytest.raises(CallHung):
        calls.call(lambda: later.append(1), timeout_s=3600)
    release.set()
    calls.close()
    assert later == []


def test_the_cost_is_processor_time_and_not_waiting():
    calls = BoundedCalls("test")

    def work():
        started = time.thread_time()
        while time.thread_time() - started < 0.02:
            pass

    calls.call(work, timeout_s=30)
    worked_s = calls.cost_s
    calls.call(lambda: time.sleep(0.05), timeout_s=30)
    calls.close()
    assert worked_s >= 0.02
    assert calls.cost_s < 0.02
