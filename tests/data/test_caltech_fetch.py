"""Caltech-101 from an archive, given or served on this machine: whole, checked, or an error."""

from __future__ import annotations

import contextlib
import functools
import http.server
import inspect
import io
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import zipfile

import pytest

from nas_edge.config.study import DataConfig
from nas_edge.data.archive import md5_of
from nas_edge.data.caltech_fetch import MD5, URL, fetch_caltech101
from nas_edge.data.source import load_image_set
from nas_edge.errors import DataError, EnvironmentProblem
from nas_edge.models.torchvision_import import import_torchvision


@pytest.fixture(scope="module")
def archives(caltech_root, tmp_path_factory):
    """Return archives like the published ones, by name."""
    folder = tmp_path_factory.mktemp("archives")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(caltech_root / "101_ObjectCategories", "101_ObjectCategories")
    (folder / "101_ObjectCategories.tar.gz").write_bytes(packed.getvalue())
    with zipfile.ZipFile(folder / "caltech-101.zip", "w") as made:
        made.writestr("caltech-101/101_ObjectCategories.tar.gz", packed.getvalue())
        made.writestr("caltech-101/Annotations.tar", b"x")
        made.writestr("__MACOSX/caltech-101/._101_ObjectCategories.tar.gz", b"x")
    return {path.name: path for path in folder.iterdir()}


def no_network(*_):
    raise OSError("Network is unreachable")


def not_asked(*_):
    raise AssertionError("nothing had to be downloaded")


@contextlib.contextmanager
def served(folder):
    """Serve a folder on this machine and yield its address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", ["caltech-101.zip", "101_ObjectCategories.tar.gz"])
def test_a_given_archive_becomes_a_source(archives, tmp_path, name):
    got = fetch_caltech101(tmp_path, download=not_asked, archive=archives[name], any_hash=True)
    images = load_image_set(
        DataConfig(source="caltech101", path=str(tmp_path), background=True), 16, tmp_path / "c"
    )

    assert got.folder == tmp_path / "caltech101" / "101_ObjectCategories"
    assert got.num_files == sum(images.counts.values()) == 80
    assert [path.name for path in (tmp_path / "caltech101").iterdir()] == ["101_ObjectCategories"]
    assert archives[name].exists()
    # torchvision finds it too, without a download.
    assert len(import_torchvision().datasets.Caltech101(str(tmp_path), download=True)) == 70


def test_an_archive_that_was_put_in_place_is_found(archives, tmp_path):
    place = tmp_path / "caltech101"
    place.mkdir()
    shutil.copy(archives["caltech-101.zip"], place)

    fetch_caltech101(tmp_path, download=not_asked, any_hash=True)

    assert (place / "caltech-101.zip").exists()
    assert fetch_caltech101(tmp_path, download=not_asked).num_files == 0  # it is there


@pytest.mark.parametrize(
    ("place", "out"),
    [
        ("out", "out"),
        ("out", "out/deep/er"),
        ("out/caltech101", "out"),
        ("out/caltech101/101_ObjectCategories", "out"),
    ],
)
def test_a_file_in_the_way_is_named_before_anything_is_downloaded(tmp_path, place, out):
    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")

    with pytest.raises(DataError) as caught:
        fetch_caltech101(tmp_path / out, download=not_asked)

    assert str(caught.value).startswith(f"{file}: must be a folder or new, but is a file; remove")
    assert file.read_text() == "mine"


@pytest.mark.parametrize("images", [(), ("ant",), ("ant", "BACKGROUND_Google")])
def test_a_folder_without_categories_is_not_taken_for_the_set(tmp_path, images):
    place = tmp_path / "caltech101" / "101_ObjectCategories"
    for name in ("ant", "bass", "BACKGROUND_Google"):
        (place / name).mkdir(parents=True)
    for name in images:
        (place / name / "image_0001.jpg").write_bytes(b"x")

    with pytest.raises(DataError) as caught:
        fetch_caltech101(tmp_path, download=not_asked)

    assert str(caught.value) == (
        f"{place}: must hold at least two categories with images to be Caltech-101, but holds "
        f"{len(images[:1])}; remove it and run the same command again"
    )


def read_only(disk):
    command = ["mount", "-o", "remount,ro", str(disk)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("cannot make a disk read-only here")
    return disk


def test_a_disk_that_cannot_be_written_is_named_and_not_the_download(small_disk):
    out = read_only(small_disk) / "out"

    with pytest.raises(EnvironmentProblem) as caught:
        fetch_caltech101(out, download=not_asked)

    assert str(caught.value) == (
        f"{out / 'caltech101'}: cannot be written (Read-only file system); mend that, or use --out "
        "for another folder"
    )


def test_a_disk_that_the_download_fills_is_named_and_not_the_download(small_disk):
    def fill(_, folder, name, __):
        with open(f"{folder}/{name}", "wb") as file:
            file.write(bytes(2 << 20))

    with pytest.raises(EnvironmentProblem, match=r"caltech101: cannot be written \(No space left"):
        fetch_caltech101(small_disk, download=fill)

    assert list((small_disk / "caltech101").iterdir()) == []


def test_another_archive_is_refused_by_its_hash(archives, tmp_path):
    archive = archives["caltech-101.zip"]
    with pytest.raises(DataError) as caught:
        fetch_caltech101(tmp_path, download=not_asked, archive=archive)

    assert str(caught.value) == (
        f"{archive}: must be Caltech-101 as published, MD5 3138e1922a9193bfa496528edbbc45d0 "
        "(caltech-101.zip) or b224c7392d521a49829488ab0f1120d9 (101_ObjectCategories.tar.gz), but "
        f"its MD5 is {md5_of(archive)}; get it again, or take it as it is with --any-hash"
    )
    assert list(tmp_path.iterdir()) == []


def test_hashes_are_those_that_torchvision_checks():
    import_torchvision()
    caltech = sys.modules["torchvision.datasets.caltech"]
    source = inspect.getsource(caltech.Caltech101.download)

    assert any(md5 in source for md5 in MD5.values())
    if MD5["caltech-101.zip"] in source:
        assert URL in source


@pytest.mark.parametrize("any_hash", [True, False])
def test_an_archive_that_is_not_there_is_named(tmp_path, any_hash):
    with pytest.raises(DataError, match=r"none\.zip: must be an archive, but there is no such"):
        fetch_caltech101(
            tmp_path, download=not_asked, archive=tmp_path / "none.zip", any_hash=any_hash
        )


@pytest.mark.parametrize("size", [0.5, 0.99])
def test_a_damaged_archive_leaves_nothing(archives, tmp_path, size):
    whole = archives["101_ObjectCategories.tar.gz"].read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: int(size * len(whole))])

    with pytest.raises(DataError, match=r"cut\.tar\.gz: is damaged or no archive"):
        fetch_caltech101(
            tmp_path, download=not_asked, archive=tmp_path / "cut.tar.gz", any_hash=True
        )

    assert list((tmp_path / "caltech101").iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from nas_edge.data import archive
from nas_edge.data.caltech_fetch import fetch_caltech101

written = []
write = archive._write

def die_in_the_middle(*args):
    if len(written) == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(write(*args))

archive._write = die_in_the_middle
fetch_caltech101(Path(sys.argv[1]), download=None, archive=Path(sys.argv[2]), any_hash=True)
"""


def test_a_kill_while_unpacking_leaves_nothing_that_is_taken_for_whole(
    archives, tmp_path, repository
):
    archive = archives["caltech-101.zip"]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), str(archive)], cwd=str(repository)
    )
    assert done.returncode == -signal.SIGKILL
    place = tmp_path / "caltech101"
    assert [path.name for path in place.iterdir()] == ["101_ObjectCategories.partial"]
    with pytest.raises(DataError):
        load_image_set(DataConfig(source="caltech101", path=str(tmp_path)), 16, tmp_path / "c")

    got = fetch_caltech101(tmp_path, download=not_asked, archive=archive, any_hash=True)

    assert got.num_files == 80
    assert [path.name for path in place.iterdir()] == ["101_ObjectCategories"]


def test_without_a_network_the_error_says_which_file_to_put_where(tmp_path):
    with pytest.raises(EnvironmentProblem) as caught:
        fetch_caltech101(tmp_path, download=no_network)

    assert str(caught.value) == (
        "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip: cannot be downloaded "
        "(Network is unreachable); on a machine with a network get it from there (131 MiB, MD5 "
        f"3138e1922a9193bfa496528edbbc45d0), put it at {tmp_path / 'caltech101/caltech-101.zip'}, "
        "and run the same command again"
    )
    assert caught.value.exit_code == 3
    assert list((tmp_path / "caltech101").iterdir()) == []


def test_torchvisions_download_is_checked_and_unpacked(archives, tmp_path):
    download_url = import_torchvision().datasets.utils.download_url
    archive = archives["caltech-101.zip"]
    with served(archive.parent) as address:

        def download(url, folder, name, md5):
            assert md5 == MD5["caltech-101.zip"]
            local = f"{address}/{url.rpartition('/')[2]}"
            download_url(local, folder, name, md5_of(archive))

        got = fetch_caltech101(tmp_path, download=download, any_hash=True)

    assert got.num_files == 80
    assert [path.name for path in (tmp_path / "caltech101").iterdir()] == ["101_ObjectCategories"]


def test_a_download_of_something_else_is_refused(archives, tmp_path):
    download_url = import_torchvision().datasets.utils.download_url
    with served(archives["caltech-101.zip"].parent) as address:

        def download(url, folder, name, md5):
            download_url(f"{address}/{url.rpartition('/')[2]}", folder, name, md5)

        with pytest.raises(EnvironmentProblem, match=r"cannot be downloaded \(File not found or"):
            fetch_caltech101(tmp_path, download=download)

    assert list((tmp_path / "caltech101").iterdir()) == []
