"""Files of a run: whole, whoever else writes them and wherever the disk ends."""

import os

import pytest

from nas_edge.study import run_folder
from nas_edge.study.run_folder import write_whole


@pytest.mark.parametrize("contents", ["a page", b"\x89PNG"])
def test_a_file_is_written_whole_and_alone(tmp_path, contents):
    write_whole(tmp_path / "file", contents)

    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    found = (tmp_path / "file").read_bytes()
    assert found == (contents if isinstance(contents, bytes) else contents.encode())


def test_two_that_write_one_file_at_once_both_succeed(tmp_path, monkeypatch):
    fsync = os.fsync

    def beside_another(number):
        monkeypatch.setattr(run_folder.os, "fsync", fsync)
        write_whole(tmp_path / "page", "the other's")  # between the first one's bytes and its name
        fsync(number)

    monkeypatch.setattr(run_folder.os, "fsync", beside_another)
    write_whole(tmp_path / "page", "the first's")

    assert (tmp_path / "page").read_text() == "the first's"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("contents", ["x" * 2**21, b"x" * 2**21], ids=["text", "bytes"])
def test_a_full_disk_leaves_the_former_file_and_nothing_else(mount_disk, contents):
    from nas_edge.errors import EnvironmentProblem
    from nas_edge.report.html import write_out

    disk = mount_disk(1)
    write_out(disk / "report", "former")
    with pytest.raises(EnvironmentProblem, match=r"report: cannot be written \(the disk is full\)"):
        write_out(disk / "report", contents)

    assert [path.name for path in disk.iterdir()] == ["report"]
    assert (disk / "report").read_text() == "former"
