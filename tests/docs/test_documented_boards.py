"""What the Jetson page says to do is what `nas-edge doctor` says, and what is supported here."""

import re

from nas_edge.device import jtop_client
from nas_edge.device.board import TORCH_FOR, Board, board_checks, find_board
from nas_edge.device.packages import NEWEST_PYTHON, OLDEST_PYTHON
from nas_edge.device.resources import swap_check


def folded(text):
    """Return a text with its lines joined."""
    return " ".join(text.split())


def test_every_jetpack_has_its_torch(pages):
    page = pages["docs/jetson.md"]
    rows = page.tables()["torch for your JetPack"]

    assert [row["JetPack"].split()[0] for row in rows] == list(TORCH_FOR)
    (wheel,) = set(re.findall(r"torch-\S+\.whl", TORCH_FOR["5"]))
    assert f"`{wheel}`" in rows[0]["torch"]
    assert "Installing PyTorch for Jetson Platform" in TORCH_FOR["6"]
    assert "Installing PyTorch for Jetson Platform" in page.text


def test_every_release_of_jetson_linux_is_told_as_its_jetpack(pages, tmp_path):
    text = folded(pages["docs/jetson.md"].text)
    (told,) = re.findall(r"34 or 35 for JetPack 5, 36 for 6, 38 or 39 for 7", text)
    release = tmp_path / "etc" / "nv_tegra_release"
    release.parent.mkdir()
    jetpacks = {}
    for number in map(int, re.findall(r"\b3\d\b", told)):
        release.write_text(f"# R{number} (release), REVISION: 1.0, GCID: 1\n")
        jetpacks[number] = find_board(tmp_path).jetpack

    assert jetpacks == {34: "5", 35: "5", 36: "6", 38: "7", 39: "7"}


def test_what_mends_jtop_is_told(pages):
    text = folded(pages["docs/jetson.md"].text)

    assert jtop_client.RESTART in text
    command, _, then = jtop_client.JOIN_GROUP.partition(", ")
    assert f"`{command}`, {then}" in text
    assert "Versions from {}.{} on".format(*jtop_client.OLDEST) in text


def test_what_mends_desktop_swap_and_container_is_told(pages, tmp_path):
    text = folded(pages["docs/jetson.md"].text)
    units = tmp_path / "etc" / "systemd" / "system"
    units.mkdir(parents=True)
    (units / "default.target").symlink_to("/lib/systemd/system/graphical.target")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "swaps").write_text("Filename Type Size Used Priority\n")
    mends = {check.name: check.mend for check in board_checks(Board("Jetson"), tmp_path)}

    assert mends["desktop"].partition(" (")[0] in text
    assert swap_check(tmp_path, is_board=True).mend in text
    assert mends["JetPack"].partition(" with ")[2] in text


def test_the_pythons_are_told(pages):
    told = "Python {}.{} to {}.{}".format(*OLDEST_PYTHON, *NEWEST_PYTHON)

    assert told in folded(pages["docs/start.md"].text)
