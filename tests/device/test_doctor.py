"""The examination of a machine as a whole: nothing hangs it or brings it down."""

import json
import sys
import time
from pathlib import Path

import pytest
import torch

from nas_edge.device import doctor
from nas_edge.device.check import Check, guarded, of_line
from nas_edge.device.doctor import examine
from nas_edge.device.figures import NO_METER, figures
from nas_edge.device.gpu_checks import allocator_check, gpu_checks, jtop_check
from nas_edge.device.gpu_status import GpuStatus
from nas_edge.device.jtop_client import JtopCheck
from nas_edge.device.machine import Device
from nas_edge.device.meter import Channel
from nas_edge.device.torch_gpu import TorchGpu
from nas_edge.device.torch_import import TorchImport

sys.path.insert(0, str(Path(__file__).parent))
from simulated_jtop import SimulatedJtop, jtop_version, use_socket  # noqa: F401

GIB = 2**30
CPU = Device("cpu", "a chip", 4, 8 * GIB)


def start_well(kind):
    return Check("child process", "ok", f"trained on {kind}")


def by_name(found):
    return {check.name: check for check in found.checks}


@pytest.fixture
def quick(monkeypatch):
    """Take importing torch for done: this process has it already."""
    found = TorchImport(torch.__version__, "", False, torchvision="0.0")
    monkeypatch.setattr(doctor, "import_torch", lambda: found)


@pytest.mark.usefixtures("quick")
def test_this_machine_would_run_a_study(tmp_path):
    found = examine("cpu", tmp_path, start_well)

    assert found.would_run
    assert found.device.kind == "cpu"
    assert all(check.mend for check in found.checks if check.state != "ok")
    assert json.loads(json.dumps(found.to_dict()))["would_run"] is True
    names = set(by_name(found))
    assert {"machine", "Python", "packages", "torch", "memory", "swap", "child process"} <= names


@pytest.mark.usefixtures("quick")
@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
def test_gpu_that_is_asked_for_and_not_there_is_a_problem(tmp_path):
    found = examine("cuda", tmp_path, start_well)

    assert not found.would_run
    assert found.device is None
    assert by_name(found)["device"].state == "problem"
    assert "--device cpu" in by_name(found)["device"].mend


def test_without_torch_nothing_else_imports_it(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "import_torch", lambda: TorchImport(error="ended (SIGILL)"))
    for name in ("find_gpu_checks", "find_device", "find_figures"):
        monkeypatch.setattr(doctor, name, pytest.fail)

    found = examine("auto", tmp_path, pytest.fail)

    assert not found.would_run
    assert by_name(found)["torch"].state == "problem"
    assert "memory" in by_name(found)


@pytest.mark.usefixtures("quick")
def test_look_that_fails_or_finds_a_child_dead_does_not_end_the_others(tmp_path, monkeypatch):
    def fail():
        raise KeyError("of a file that nobody expected")

    monkeypatch.setattr(doctor, "memory_check", fail)

    found = examine("cpu", tmp_path, lambda _: Check("child process", "problem", "died", "mend"))

    assert by_name(found)["memory"].state == "note"
    assert "KeyError" in by_name(found)["memory"].found
    assert by_name(found)["temporary folder"].state == "ok"
    assert not found.would_run


@pytest.mark.usefixtures("quick")
def test_board_in_a_folder_is_told(tmp_path, monkeypatch):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text("# R36 (release), REVISION: 4.3, GCID: 1")

    found = by_name(examine("cpu", tmp_path, start_well, root=tmp_path))

    assert found["JetPack"].found == "JetPack 6, Jetson Linux 36.4.3"
    assert found["jetson-stats"].state == "note"  # no service on this machine
    assert {"power mode", "desktop"} <= set(found)


def test_look_that_hangs_is_a_problem():
    started = time.monotonic()
    (check,) = guarded("disk", lambda: time.sleep(30) or [], 0.1)

    assert time.monotonic() - started < 20
    assert (check.state, check.found) == ("problem", "no answer within 0.1 s")


@pytest.mark.parametrize("arguments", [("x", "fine", "found"), ("x", "problem", "found")])
def test_check_has_a_known_state_and_a_mend(arguments):
    with pytest.raises(ValueError, match=r"state must be one of|must name its mend"):
        Check(*arguments)


@pytest.mark.parametrize(
    ("line", "found", "mend"),
    [
        ("NVML: it is lost; run `sudo reboot`", "NVML: it is lost", "run `sudo reboot`"),
        ("no socket /run/x: sudo start x", "no socket /run/x", "sudo start x"),
    ],
)
def test_line_with_its_mend_is_taken_apart(line, found, mend):
    check = of_line("GPU", "note", line)

    assert (check.found, check.mend) == (found, mend)


def test_line_without_a_mend_gets_one():
    check = of_line("GPU", "note", "NVML: unknown")

    assert check.found == "NVML: unknown"
    assert check.mend


# --- GPUs and the board's monitor ------------------------------------------------------------


def status(gpus=(), problems=()):
    return GpuStatus("", "550.1", (), tuple(gpus), tuple(problems))


def test_machine_without_a_gpu_has_nothing_to_mend():
    assert [check.state for check in gpu_checks("auto", status())] == ["ok"]


def test_gpu_is_named_with_its_driver():
    gpu = TorchGpu(0, "RTX A2000", 12 * GIB, False)

    assert gpu_checks("auto", status([gpu]))[0].found == "RTX A2000, 12.0 GiB, driver 550.1"


@pytest.mark.parametrize(("wanted", "state"), [("auto", "note"), ("cuda", "problem")])
def test_gpu_that_torch_does_not_see(wanted, state):
    checks = gpu_checks(wanted, status(problems=["torch sees no GPU; update the driver"]))

    assert [(c.state, c.found, c.mend) for c in checks] == [
        (state, "torch sees no GPU", "update the driver")
    ]


@pytest.mark.parametrize(
    ("is_integrated", "value", "state"),
    [
        (True, "expandable_segments:True", "problem"),
        (True, "max_split_size_mb:64, Expandable_Segments: True", "problem"),
        (False, "expandable_segments:True", "ok"),
        (True, "expandable_segments:False", "ok"),
        (True, "", "ok"),
    ],
)
def test_expandable_segments_are_a_problem_on_an_integrated_gpu(is_integrated, value, state):
    check = allocator_check(is_integrated, {"PYTORCH_CUDA_ALLOC_CONF": value})

    assert check.state == state
    assert check.mend == ("unset PYTORCH_CUDA_ALLOC_CONF" if state == "problem" else "")


def test_monitor_that_answers_is_told(jtop_version):  # noqa: F811
    with SimulatedJtop():
        check = doctor.find_jtop_check()

    assert check.state == "ok"
    assert check.found == f"jetson-stats {jtop_version}, the service answers and sends data"


def test_monitor_without_its_service_is_noted_with_the_command(jtop_version, tmp_path):  # noqa: F811
    with use_socket(tmp_path / "none.sock"):
        check = doctor.find_jtop_check()

    assert check.state == "note"
    assert "there is no socket" in check.found
    assert "there is no power" in check.found
    assert "sudo systemctl restart jtop.service" in check.mend


def test_missing_monitor_is_noted_with_its_install():
    missing = JtopCheck("jetson-stats", "jetson-stats is not installed", "pip install jetson-stats")

    assert jtop_check([missing]).mend == "pip install jetson-stats"


# --- what is measured with what --------------------------------------------------------------


class FakeMeter:
    def __init__(self, **channels):
        self.channels = channels


POWER = Channel("W", "a rail")


def table(device, *meters, notes=()):
    readings = [dict.fromkeys(meter.channels, 2.5) for meter in meters]
    found = figures(device, "a mark", meters, readings, notes)
    return {figure.name: figure for figure in found}


def test_power_gives_energy_where_nothing_counts_it():
    found = table(CPU, FakeMeter(power=POWER))

    assert (found["power"].source, found["power"].now) == ("a rail", 2.5)
    assert found["energy"].source == "a rail, summed up over time"
    assert (found["energy"].unit, found["energy"].now) == ("J", None)


def test_counter_of_energy_comes_before_power():
    counter = Channel("J", "a counter", is_counter=True)

    found = table(CPU, FakeMeter(power=POWER), FakeMeter(energy=counter))

    assert (found["energy"].source, found["energy"].now) == ("a counter", None)


def test_first_meter_that_has_a_channel_gives_the_figure():
    heat = [FakeMeter(temperature=Channel("celsius", one)) for one in ("first", "second")]

    assert table(CPU, *heat)["temperature"].source == "first"


def test_figure_without_a_meter_says_why():
    assert table(CPU)["power"].why_not == NO_METER
    assert table(CPU, notes=["NVML: gone; reboot"])["power"].why_not == "NVML: gone; reboot"
    assert table(CPU)["power"].source == ""


def test_memory_on_a_gpu_is_its_allocators():
    meter = FakeMeter(
        process_memory=Channel("bytes", "RSS", over_baseline=True),
        cuda_reserved=Channel("bytes", "reserved"),
    )
    gpu = Device("cuda", "a GPU", 4, 8 * GIB)

    assert table(gpu, meter)["memory in training"].source == "reserved"
    assert table(gpu, meter)["peak training memory"].source.startswith("torch.cuda peak_reserved")
    assert table(CPU, meter)["memory in training"].source.startswith("RSS")
    assert table(CPU, meter)["peak training memory"].source.startswith("a mark")


def test_latency_names_the_passes_that_are_timed():
    assert "median of 20 forward passes of one image, after 5" in table(CPU)["latency"].source
