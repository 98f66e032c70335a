"""The Jetson meter, read through the real jtop client from a simulated service."""

import math
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from nas_edge.device import jetson_meter, jtop_client
from nas_edge.device.jetson_meter import open_jetson_meter
from nas_edge.device.meter import UNITS
from nas_edge.device.sampling import Sampler

sys.path.insert(0, str(Path(__file__).parent))
from simulated_jtop import (
    SimulatedJtop,
    jetson_meter_under_test,
    jtop_version,  # noqa: F401
    process_row,
)

pytestmark = pytest.mark.usefixtures("jtop_version")

GIVE_UP_S = 30  # far more than anything takes, so that a hang fails


@pytest.fixture
def service(monkeypatch):
    """Return a running service that numbers processes as this one does."""
    monkeypatch.setattr(jetson_meter, "shares_host_pids", lambda: True)
    with SimulatedJtop() as running:
        yield running


@pytest.fixture
def meter(service):
    meter = open_jetson_meter(timeout_s=GIVE_UP_S)
    yield meter
    meter.close()


def read_until(meter, is_wanted):
    """Return the first reading that is as wanted; the service's ticks bring it."""
    give_up = time.monotonic() + GIVE_UP_S
    while time.monotonic() < give_up:
        values = meter.read()
        if is_wanted(values):
            return values
        time.sleep(0.02)
    raise AssertionError(f"still {dict(values)}, problem {meter.problem!r}")


def in_time(function):
    """Return what a function returns, and fail instead of hanging with it."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()), daemon=True)
    thread.start()
    thread.join(GIVE_UP_S)
    assert not thread.is_alive(), "hangs"
    return results[0]


def test_board_figures_are_those_of_the_service_in_the_contracts_units(meter):
    values = meter.read()

    assert values["board_memory"] == 3_000_000 * 1024
    assert values["board_ram_fraction"] == 3 / 8
    assert values["power"] == 5.21
    assert values["temperature"] == 47.25
    assert values["gpu_utilisation"] == 0.625
    units = {name: channel.unit for name, channel in meter.channels.items()}
    assert set(units.values()) <= set(UNITS)
    assert units == {
        "gpu_memory": "bytes",
        "board_memory": "bytes",
        "board_ram_fraction": "share",
        "power": "W",
        "temperature": "celsius",
        "gpu_utilisation": "share",
    }


def test_sources_name_the_installed_version(meter):
    import jtop

    assert all(c.source.startswith(f"jtop {jtop.__version__} ") for c in meter.channels.values())
    assert meter.channels["power"].source.endswith("VDD_IN")


def test_gpu_memory_is_of_this_process_alone_and_of_all_its_rows(service, meter):
    own = os.getpid()
    rows = [process_row(own, 250_000), process_row(own + 1, 999), process_row(own, 1_024)]

    service.send(processes=rows)

    assert read_until(meter, lambda v: "gpu_memory" in v)["gpu_memory"] == (250_000 + 1_024) * 1024


def test_gpu_memory_of_another_process_is_read_when_asked_for(service):
    service.send(processes=[process_row(os.getpid(), 5), process_row(4242, 7)])
    meter = open_jetson_meter(4242)

    assert read_until(meter, lambda v: "gpu_memory" in v)["gpu_memory"] == 7 * 1024
    meter.close()


def test_gpu_memory_is_left_out_and_not_zero_while_the_service_lists_none(service, meter):
    service.send(processes=[process_row(os.getpid() + 1, 999)], power={"tot": {"power": 1}})
    read_until(meter, lambda v: "power" not in v)

    assert "gpu_memory" not in meter.read()


def test_gpu_memory_is_no_channel_where_process_numbers_are_not_the_hosts(service, monkeypatch):
    monkeypatch.setattr(jetson_meter, "shares_host_pids", lambda: False)
    service.send(processes=[process_row(os.getpid(), 250_000)])
    meter = open_jetson_meter()

    assert "gpu_memory" not in meter.channels
    assert "gpu_memory" not in meter.read()
    assert "--pid=host" in meter.facts["gpu_memory"]
    meter.close()


@pytest.mark.parametrize(
    ("link", "is_host"), [("pid:[4026531836]", True), ("pid:[4026532561]", False), (None, False)]
)
def test_host_is_told_by_the_kernels_first_pid_namespace(monkeypatch, link, is_host):
    def readlink(path):
        assert path == "/proc/self/ns/pid"
        if link is None:
            raise FileNotFoundError(path)
        return link

    monkeypatch.setattr(os, "readlink", readlink)

    assert jetson_meter.shares_host_pids() is is_host


def test_fraction_is_the_figure_that_the_clients_own_stats_have(service):
    client = jtop_client.connect(timeout_s=GIVE_UP_S)

    assert client.stats["RAM"] == jetson_meter.board_ram_fraction(client) == 0.375
    jtop_client.close(client)


def test_used_ram_leaves_out_buffers_and_cache_but_not_slabs(monkeypatch):
    import jtop.core.memory as memory

    kb = {"MemTotal": 8000, "MemFree": 1000, "Buffers": 200, "Cached": 3000, "SReclaimable": 500}
    monkeypatch.setattr(memory, "meminfo", lambda: {**kb, "Shmem": 700, "MemAvailable": 4000})
    for name in ("buddyinfo", "read_swapon", "read_fstab"):
        monkeypatch.setattr(memory, name, lambda *_: {})

    ram = memory.MemoryService({}).get_status(0)["RAM"]

    assert (ram["tot"], ram["used"]) == (8000, 8000 - 1000 - 200 - 3000)


def test_later_ticks_are_read(service, meter):
    service.send(power={"rail": {}, "tot": {"power": 7300, "name": "VDD_IN"}})

    read_until(meter, lambda v: v.get("power") == 7.3)


def test_board_without_power_sensors_has_no_power_channel(service):
    service.send(power={})
    client = jtop_client.connect(timeout_s=GIVE_UP_S)
    give_up = time.monotonic() + GIVE_UP_S
    while client.power and time.monotonic() < give_up:
        time.sleep(0.02)
    meter = open_jetson_meter()

    assert "power" not in meter.channels
    assert "power_rail" not in meter.facts
    assert meter.read()["board_memory"] == 3_000_000 * 1024
    meter.close()
    jtop_client.close(client)


def test_power_is_left_out_while_jtop_replaces_the_rail_by_a_sum_of_others(service, meter):
    service.send(power={"rail": {}, "tot": {"power": 2100, "avg": 2000}})
    read_until(meter, lambda v: "power" not in v)

    service.send(power={"rail": {}, "tot": {"power": 6000, "name": "VDD_IN"}})
    assert read_until(meter, lambda v: "power" in v)["power"] == 6.0


def test_sensors_that_are_offline_are_not_the_hottest(service, meter):
    service.send(
        temperature={
            "CV": {"temp": 99.0, "online": False},
            "CPU": {"temp": 51.5, "online": True},
            "NVMe": {"temp": -256, "online": True},
        }
    )
    read_until(meter, lambda v: v.get("temperature") == 51.5)

    service.send(temperature={"CV": {"temp": -256, "online": False}})
    read_until(meter, lambda v: "temperature" not in v and "power" in v)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("gpu_utilisation", "gpu", {"gv11b": {"type": "integrated", "status": {}}}),
        ("gpu_utilisation", "gpu", {}),
        ("temperature", "temperature", {"CPU": {"temp": "hot", "online": True}}),
        ("power", "power", None),
        ("board_ram_fraction", "mem", {"RAM": {"used": 5, "tot": 0}}),
    ],
)
def test_field_that_makes_no_sense_takes_only_its_own_channel(service, meter, name, field, value):
    service.send(**{field: value})

    values = read_until(meter, lambda v: name not in v)

    assert len(values) >= 4
    assert all(math.isfinite(value) for value in values.values())
    assert meter.problem == ""


def test_facts_are_the_boards(meter):
    import jtop

    assert meter.facts == {
        "jtop": jtop.__version__,
        "board": "NVIDIA Jetson Xavier NX Developer Kit",
        "module": "NVIDIA Jetson Xavier NX",
        "jetpack": "5.1.2",
        "l4t": "35.4.1",
        "nvpmodel": "MODE_15W_6CORE",
        "power_rail": "VDD_IN",
    }


def test_sampler_integrates_the_power(meter):
    sampler = Sampler([meter])
    sampler.start()
    time.sleep(0.2)
    lap = sampler.stop()

    assert lap.levels["board_ram_fraction"].peak == 0.375
    assert lap.energy_j == pytest.approx(5.21 * lap.seconds)


def test_killed_service_ends_the_figures_with_one_line():
    with jetson_meter_under_test() as (meter, break_service):
        read_until(meter, lambda v: set(v) == set(meter.channels))
        break_service()

        assert in_time(meter.read) == {}
        assert meter.problem.startswith("jtop's service was lost")
        assert meter.problem.endswith(": sudo systemctl restart jtop.service")
        assert "\n" not in meter.problem
        in_time(meter.close)


def test_service_whose_data_no_longer_changes_is_not_believed_until_it_does(service, monkeypatch):
    monkeypatch.setattr(jtop_client, "TICK_S", 0.2)
    meter = open_jetson_meter(timeout_s=GIVE_UP_S)
    service.hold_ticks()

    read_until(meter, lambda v: v == {})
    assert meter.problem.startswith("jtop's service has sent nothing new for ")

    service.resume_ticks()
    read_until(meter, lambda v: "power" in v)
    assert meter.problem == ""
    meter.close()


def test_frozen_service_neither_hangs_a_reading_nor_the_close(service, monkeypatch):
    monkeypatch.setattr(jtop_client, "TICK_S", 0.2)
    meter = open_jetson_meter(timeout_s=GIVE_UP_S)
    service.freeze()

    in_time(lambda: read_until(meter, lambda v: v == {}))
    assert meter.problem.startswith("jtop's service has sent nothing new for ")
    in_time(meter.close)


def test_closed_meter_reads_nothing_and_may_be_closed_again(meter):
    meter.close()
    meter.close()

    assert meter.read() == {}
    assert meter.exact_peaks() == {}
