"""A tar file, alone or in a zip file, in; its regular files below one folder out.

No member is trusted: absolute names, `..`, links, devices, and archives that unpack to more than a
limit are refused. Contents alone are written; owners, modes and times in the archive are ignored.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import shutil
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Iterator, Tuple

from nas_edge.errors import DataError, EnvironmentProblem

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    UnicodeError,
    RuntimeError,  # zipfile's for a file with a password
    NotImplementedError,  # and for a compression that it does not know
)


@dataclass(frozen=True)
class UnpackLimits:
    """What an archive may unpack to."""

    max_bytes: int = 1 << 30
    max_files: int = 50_000


def md5_of(path: Path) -> str:
    """Return a file's MD5, which is what its publishers give.

    Raises:
        DataError: If there is no such file.
        EnvironmentProblem: If it cannot be read.
    """
    digest = hashlib.new("md5")
    try:
        with open(path, "rb") as file:
            for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""):
                digest.update(chunk)
    except (FileNotFoundError, NotADirectoryError) as err:
        raise DataError(f"{path}: must be an archive, but there is no such file") from err
    except IsADirectoryError as err:
        raise DataError(f"{path}: must be an archive, but is a folder") from err
    except OSError as err:
        raise EnvironmentProblem(f"{path}: cannot be read ({err.strerror or err})") from err
    return digest.hexdigest()


def unpack(archive: Path, member: str, top: str, folder: Path, limits: UnpackLimits) -> int:
    """Write the files below `top/` of a tar file into a folder, and return how many.

    Args:
        archive: A tar file, or a zip file that holds one.
        member: The tar file's name in a zip file, in whatever folder there.
        top: The folder in the tar file whose contents are wanted.
        folder: Where they go; it is empty.
        limits: What is refused as too much.
    Raises:
        DataError: If the archive is damaged, or a member could do harm.
        OSError: If a file cannot be written.
    """
    try:
        with _tar_stream(archive, member, limits) as stream:
            return _unpack_stream(stream, top, folder, limits, str(archive))
    except _BROKEN as err:
        raise DataError(
            f"{archive}: is damaged or no archive ({type(err).__name__}: {err}); get it again"
        ) from err


class _Bounded:
    """A stream that refuses to yield more than a limit."""

    def __init__(self, stream: Any, max_bytes: int, where: str) -> None:
        self._stream, self._max_bytes, self._where = stream, max_bytes, where
        self._left = 2 * max_bytes  # headers and padding come to less than the contents

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes, none at the end."""
        data: bytes = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise _too_much(self._where, self._max_bytes)
        return data


@contextlib.contextmanager
def _tar_stream(archive: Path, member: str, limits: UnpackLimits) -> Iterator[_Bounded]:
    """Yield the uncompressed tar file, wherever it is packed."""
    with contextlib.ExitStack() as stack:
        packed: Any  # a file on the disk or in the zip file
        if zipfile.is_zipfile(archive):
            opened = stack.enter_context(zipfile.ZipFile(archive))
            packed = stack.enter_context(opened.open(_find_member(opened, member, limits, archive)))
        else:
            packed = stack.enter_context(open(archive, "rb"))
        raw = io.BufferedReader(packed)
        is_gzip = raw.peek(2)[:2] == _GZIP_MAGIC
        plain: Any = stack.enter_context(gzip.GzipFile(fileobj=raw)) if is_gzip else raw
        yield _Bounded(plain, limits.max_bytes, str(archive))


def _find_member(
    opened: zipfile.ZipFile, member: str, limits: UnpackLimits, archive: Path
) -> zipfile.ZipInfo:
    found = [
        info
        for info in opened.infolist()
        if PurePosixPath(info.filename).name == member and "__MACOSX" not in info.filename
    ]
    if len(found) != 1:
        raise DataError(f"{archive}: must hold one {member}, but holds {len(found)}")
    if found[0].file_size > limits.max_bytes:
        raise _too_much(str(archive), limits.max_bytes)
    return found[0]


def _unpack_stream(
    stream: _Bounded, top: str, folder: Path, limits: UnpackLimits, where: str
) -> int:
    num_files, num_bytes, num_members = 0, 0, 0
    source: Any = stream  # all that a stream's reader asks for is read()
    with tarfile.open(fileobj=source, mode="r|") as tar:
        for member in tar:
            parts = _checked_parts(member, folder, where)
            num_members += 1
            num_bytes += member.size
            if num_bytes > limits.max_bytes:
                raise _too_much(where, limits.max_bytes)
            if num_members > 2 * limits.max_files:
                raise DataError(f"{where}: must have at most {limits.max_files:,} files")
            if member.isfile() and len(parts) > 1 and parts[0] == top:
                _write(tar, member, folder.joinpath(*parts[1:]), where)
                num_files += 1
    _check_end(stream)
    if num_files == 0:
        raise DataError(f"{where}: must hold the folder {top} with files in it, but does not")
    return num_files


def _checked_parts(member: tarfile.TarInfo, folder: Path, where: str) -> Tuple[str, ...]:
    """Return the parts of a member's name, once it is known to do no harm."""
    name = member.name
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise DataError(f"{where}: must stay in its folder, but has a member {name!r}")
    if not (member.isfile() or member.isdir()) or member.issparse():
        raise DataError(
            f"{where}: must hold files and folders only, but {name!r} is a link, a device or the "
            "like"
        )
    check = getattr(tarfile, "data_filter", None)  # newer Pythons look at more than we do
    if check is not None:
        check(member, str(folder))
    return path.parts


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path, where: str) -> None:
    contents = tar.extractfile(member)
    assert contents is not None  # it is a regular file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as err:
        raise DataError(
            f"{where}: must hold each name once, but {member.name!r} lies in what is a file there"
        ) from err
    if path.exists():
        raise DataError(f"{where}: must hold each file once, but {member.name!r} stands twice")
    with open(path, "xb") as out:
        shutil.copyfileobj(contents, out)
    if path.stat().st_size != member.size:
        raise tarfile.ReadError(f"{member.name} is cut short")


def _check_end(stream: _Bounded) -> None:
    """Read to the end, where the checksums of gzip and zip are; only padding may be there."""
    for chunk in iter(lambda: stream.read(_CHUNK_BYTES), b""):
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("a header in the middle is broken")


def _too_much(where: str, max_bytes: int) -> DataError:
    return DataError(f"{where}: must unpack to at most {max_bytes >> 20} MiB, but is larger")
