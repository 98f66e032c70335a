"""Archives that nobody should trust: nothing leaves its folder, nothing fills the disk."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile

import pytest

from nas_edge.data.archive import UnpackLimits, md5_of, unpack
from nas_edge.errors import DataError

LIMITS = UnpackLimits(max_bytes=1 << 20, max_files=20)
NAME, TOP = "set.tar.gz", "set"


def tar_bytes(*members, compress=True, padding=b""):
    """Return a tar file of (name, contents or a change to its header)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, contents in members:
            info = tarfile.TarInfo(name)
            if isinstance(contents, bytes):
                info.size = len(contents)
                tar.addfile(info, io.BytesIO(contents))
            else:
                contents(info)
                tar.addfile(info)
    plain = buffer.getvalue() + padding
    return gzip.compress(plain) if compress else plain


def zip_bytes(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, contents in members:
            made.writestr(name, contents)
    return buffer.getvalue()


def unpacked(tmp_path, contents, limits=LIMITS):
    (tmp_path / "archive").write_bytes(contents)
    (tmp_path / "out").mkdir(exist_ok=True)
    return unpack(tmp_path / "archive", NAME, TOP, tmp_path / "out", limits)


def refusal(tmp_path, contents, limits=LIMITS):
    with pytest.raises(DataError) as caught:
        unpacked(tmp_path, contents, limits)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'archive'}: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "out"]
    return message


def files_in(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


GOOD = (("set/a/1.jpg", b"one"), ("set/b/2.jpg", b"two"), ("other/3.jpg", b"three"))


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("is_zipped", [True, False])
def test_files_below_the_folder_are_written_and_nothing_else(tmp_path, compress, is_zipped):
    contents = tar_bytes(*GOOD, compress=compress)
    if is_zipped:
        contents = zip_bytes(
            ("deep/readme.txt", "x"),
            ("__MACOSX/deep/set.tar.gz", "x"),
            ("deep/set.tar.gz", contents),
        )

    assert unpacked(tmp_path, contents) == 2

    assert files_in(tmp_path / "out") == {"a/1.jpg": b"one", "b/2.jpg": b"two"}


def test_names_may_begin_with_a_dot(tmp_path):
    assert unpacked(tmp_path, tar_bytes(("./set/a/1.jpg", b"one"))) == 1
    assert files_in(tmp_path / "out") == {"a/1.jpg": b"one"}


def test_rights_in_the_archive_are_ignored(tmp_path):
    def open_to_all(info):
        info.mode, info.uid, info.size = 0o6777, 0, 0

    unpacked(tmp_path, tar_bytes(("set/a/1.jpg", open_to_all)))

    umask = os.umask(0)
    os.umask(umask)
    assert (tmp_path / "out" / "a" / "1.jpg").stat().st_mode & 0o7777 == 0o666 & ~umask


def link_to(target, kind):
    def change(info):
        info.type, info.linkname = kind, target

    return change


def of_type(kind):
    def change(info):
        info.type = kind

    return change


EVIL = [
    ("/etc/evil", b"x", "must stay in its folder"),
    ("../evil", b"x", "must stay in its folder"),
    ("set/../../evil", b"x", "must stay in its folder"),
    ("set/a/..", b"x", "must stay in its folder"),
    ("set\\..\\..\\evil", b"x", "must stay in its folder"),
    ("set/a/link", link_to("/etc/passwd", tarfile.SYMTYPE), "must hold files and folders only"),
    ("set/a/link", link_to("1.jpg", tarfile.SYMTYPE), "must hold files and folders only"),
    ("set/a/link", link_to("../../../evil", tarfile.LNKTYPE), "must hold files and folders only"),
    ("set/a/device", of_type(tarfile.CHRTYPE), "must hold files and folders only"),
    ("set/a/device", of_type(tarfile.BLKTYPE), "must hold files and folders only"),
    ("set/a/pipe", of_type(tarfile.FIFOTYPE), "must hold files and folders only"),
    ("set/a/1.jpg", b"again", "must hold each file once, but 'set/a/1.jpg' stands twice"),
    ("set/a", b"a folder too", "must hold each file once, but 'set/a' stands twice"),
    ("set/a/1.jpg/2.jpg", b"x", "'set/a/1.jpg/2.jpg' lies in what is a file there"),
    ("set/a/1.jpg/b/2.jpg", b"x", "'set/a/1.jpg/b/2.jpg' lies in what is a file there"),
]


@pytest.mark.parametrize(("name", "contents", "says"), EVIL, ids=[f"{e[0]} {e[2]}" for e in EVIL])
def test_a_member_that_could_do_harm_is_refused(tmp_path, name, contents, says):
    assert says in refusal(tmp_path, tar_bytes(*GOOD, (name, contents)))


@pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="this Python has no such filter")
def test_what_python_itself_refuses_is_refused_too(tmp_path, monkeypatch):
    def refuse(member, path):
        raise tarfile.FilterError(member.name)

    monkeypatch.setattr(tarfile, "data_filter", refuse)

    assert "FilterError" in refusal(tmp_path, tar_bytes(*GOOD))


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path):
    large = ("set/a/large.jpg", bytes(2 << 20))
    contents = tar_bytes(large)
    assert len(contents) < 10_000
    assert "must unpack to at most 1 MiB" in refusal(tmp_path, contents)
    assert "must unpack to at most 1 MiB" in refusal(
        tmp_path, zip_bytes(("x/set.tar.gz", contents))
    )
    plain = tar_bytes(large, compress=False)  # the zip file itself is the bomb
    assert "must unpack to at most 1 MiB" in refusal(tmp_path, zip_bytes(("x/set.tar.gz", plain)))
    assert files_in(tmp_path / "out") == {}


def test_many_files_that_are_small_are_too_much_as_well(tmp_path):
    parts = [(f"set/a/{i}.jpg", bytes(100 << 10)) for i in range(12)]
    assert "must unpack to at most 1 MiB" in refusal(tmp_path, tar_bytes(*parts))
    empty = [(f"set/b/{i}.jpg", b"") for i in range(50)]
    assert "must have at most 20 files" in refusal(tmp_path, tar_bytes(*empty))


def test_a_header_that_unpacks_to_too_much_is_refused(tmp_path):
    def with_a_long_comment(info):
        info.pax_headers = {"comment": "x" * (4 << 20)}

    assert "must unpack to at most 1 MiB" in refusal(
        tmp_path, tar_bytes(("set/a/1.jpg", with_a_long_comment))
    )


def test_a_sparse_file_is_refused(tmp_path):
    def sparse(info):
        info.pax_headers = {
            "GNU.sparse.major": "0",
            "GNU.sparse.minor": "1",
            "GNU.sparse.size": str(1 << 50),
            "GNU.sparse.map": f"{(1 << 50) - 1},1",
        }

    assert refusal(tmp_path, tar_bytes(("set/a/1.jpg", sparse)))
    assert files_in(tmp_path / "out") == {}


def broken_in_the_middle():
    contents = bytearray(
        tar_bytes(*((f"set/a/{i}.jpg", bytes(5000)) for i in range(9)), compress=False)
    )
    second = contents.index(b"set/a/1.jpg")
    contents[second] ^= 1  # its checksum no longer fits
    return bytes(contents)


WHOLE = tar_bytes(*GOOD)


@pytest.mark.parametrize(
    "contents",
    [
        b"",
        b"no archive at all" * 100,
        WHOLE[:-30],
        WHOLE[:60],
        WHOLE[:-8] + b"\0" * 8,  # gzip's checksum
        tar_bytes(*GOOD, compress=False)[:1000],
        broken_in_the_middle(),
        zip_bytes(("x/set.tar.gz", WHOLE))[:-60],
        zip_bytes(("x/set.tar.gz", WHOLE[:-30])),
        zip_bytes(("x/set.tar.gz", b"")),
    ],
    ids=range(10),
)
def test_a_damaged_archive_is_named(tmp_path, contents):
    message = refusal(tmp_path, contents)
    assert "is damaged or no archive (" in message
    assert "get it again" in message


def test_a_zip_file_must_hold_the_tar_file_once(tmp_path):
    assert "must hold one set.tar.gz, but holds 0" in refusal(tmp_path, zip_bytes(("a.txt", "x")))
    double = zip_bytes(("a/set.tar.gz", WHOLE), ("b/set.tar.gz", WHOLE))
    assert "must hold one set.tar.gz, but holds 2" in refusal(tmp_path, double)


def test_an_archive_without_the_folder_is_refused(tmp_path):
    message = refusal(tmp_path, tar_bytes(("other/1.jpg", b"x"), ("set", b"a file")))
    assert "must hold the folder set with files in it" in message


def test_a_hash_is_that_of_the_whole_file(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert md5_of(tmp_path / "a") == "900150983cd24fb0d6963f7d28e17f72"  # RFC 1321, A.5
    for name in ("none", "a/none"):
        with pytest.raises(DataError, match="there is no such file"):
            md5_of(tmp_path / name)
    with pytest.raises(DataError, match="must be an archive, but is a folder"):
        md5_of(tmp_path)
