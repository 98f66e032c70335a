"""What is read of a Jetson's own files, from a folder that holds the like of them."""

import os

import pytest

from nas_edge.device.board import Board, board_checks, find_board, power_mode

MODEL = "NVIDIA Jetson Xavier NX Developer Kit\x00"
RELEASE = (
    "# R35 (release), REVISION: 4.1, GCID: 33958178, BOARD: t186ref, EABI: aarch64, "
    "DATE: Tue Aug  1 19:57:35 UTC 2023\n"
)
DPKG = """Package: nvidia-jetpack-dev
Status: install ok installed
Version: 9.9

Package: nvidia-jetpack
Status: install ok installed
Architecture: arm64
Version: 5.1.2-b104
"""
MODES = """< PARAM TYPE=FILE NAME=CPU_ONLINE >
< POWER_MODEL ID=0 NAME=MODE_15W_2CORE >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=2 NAME=MODE_15W_6CORE >
< PM_CONFIG DEFAULT=0 >
"""


def put(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return root


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A machine's root folder, with no nvpmodel on the path."""
    monkeypatch.setenv("PATH", str(tmp_path / "usr/bin"))
    return tmp_path


def states(checks):
    return {check.name: check.state for check in checks}


def found(checks, name):
    return next(check.found for check in checks if check.name == name)


def test_machine_without_a_jetsons_files_is_none(root):
    assert find_board(root) is None
    assert find_board(put(root, "proc/device-tree/model", "Raspberry Pi 5 Model B\x00")) is None


def test_jetson_tells_model_release_and_jetpack(root):
    put(root, "proc/device-tree/model", MODEL)
    put(root, "etc/nv_tegra_release", RELEASE)
    put(root, "var/lib/dpkg/status", DPKG)

    board = find_board(root)

    assert board == Board("NVIDIA Jetson Xavier NX Developer Kit", "35.4.1", "5.1.2-b104")
    assert "JetPack 5.1.2-b104, Jetson Linux 35.4.1" in found(board_checks(board, root), "JetPack")


def test_removed_jetpack_package_is_not_believed(root):
    put(root, "etc/nv_tegra_release", RELEASE)
    put(root, "var/lib/dpkg/status", DPKG.replace("install ok installed\nA", "deinstall ok x\nA"))

    assert find_board(root).jetpack == "5"


@pytest.mark.parametrize(
    ("first", "jetpack", "command"),
    [
        ("R35", "5", "pip install --force-reinstall --no-deps torch-2.1.0a0+41361538.nv23.06-cp38"),
        ("R36", "6", "NVIDIA gives for JetPack 6"),
        ("R38", "7", "PyTorch gives for CUDA 13.0"),
        ("R99", "", "page"),
    ],
)
def test_release_decides_where_torch_comes_from(root, first, jetpack, command):
    put(root, "etc/nv_tegra_release", RELEASE.replace("R35", first))

    board = find_board(root)

    assert board.jetpack == jetpack
    assert command in board.torch_command


def test_container_on_a_jetson_names_what_it_lacks(root):
    put(root, "proc/device-tree/model", MODEL)

    checks = board_checks(find_board(root), root)

    assert states(checks)["JetPack"] == "note"
    assert states(checks)["power mode"] == "note"
    assert all(check.mend for check in checks if check.state != "ok")


def test_garbled_release_file_is_still_a_jetson(root):
    assert find_board(put(root, "etc/nv_tegra_release", "\x00??\n")) == Board("Jetson")


def test_power_mode_from_the_files_that_nvpmodel_keeps(root):
    put(root, "var/lib/nvpmodel/status", "pmode:0002 fmode:quiet\n")
    assert power_mode(root) == "mode 2"

    put(root, "etc/nvpmodel.conf", MODES)
    assert power_mode(root) == "MODE_15W_6CORE"


def program(root, text):
    put(root, "usr/bin/nvpmodel", f"#!/bin/sh\n{text}\n").joinpath("usr/bin/nvpmodel").chmod(0o755)


def test_power_mode_from_nvpmodel_itself(root):
    program(root, "echo 'NV Power Mode: MODE_10W_DESKTOP'; echo 3")

    assert power_mode(root) == "MODE_10W_DESKTOP"


@pytest.mark.parametrize("text", ["exit 1", "printf '\\377\\376'", "cat"])
def test_nvpmodel_that_fails_says_nothing_or_asks_for_input_costs_only_the_mode(root, text):
    program(root, text)

    assert power_mode(root) == ""


def test_nvpmodel_that_hangs_is_given_up(root, monkeypatch):
    monkeypatch.setattr("nas_edge.device.board.NVPMODEL_TIMEOUT_S", 0.2)
    program(root, "exec /bin/sleep 60")

    assert power_mode(root) == ""


@pytest.mark.parametrize(
    ("target", "state"), [("graphical.target", "note"), ("multi-user.target", "ok")]
)
def test_desktop_is_noted_with_the_command_that_turns_it_off(root, target, state):
    (root / "lib/systemd/system").mkdir(parents=True)
    os.symlink(target, str(root / "lib/systemd/system/default.target"))

    check = board_checks(Board("Jetson"), root)[-1]

    assert (check.name, check.state) == ("desktop", state)
    assert ("systemctl set-default multi-user.target" in check.mend) == (state == "note")


def test_administrators_choice_of_the_desktop_comes_before_the_systems(root):
    for folder, target in (("etc", "multi-user.target"), ("lib", "graphical.target")):
        (root / folder / "systemd/system").mkdir(parents=True)
        os.symlink(target, str(root / folder / "systemd/system/default.target"))

    assert states(board_checks(Board("Jetson"), root))["desktop"] == "ok"
