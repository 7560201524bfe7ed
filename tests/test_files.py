"""Files are replaced whole or not at all, and their hashes are those of any other tool."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from invglow.files import replacing, require_replaceable, sha256_of_file


def test_new_content_replaces_the_old(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "result.txt"
    with replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_a_write_that_fails_keeps_the_old_content_and_leaves_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    path.write_text("old")
    with _file_size_limited_to(10), pytest.raises(OSError, match="too large"):
        _write_safely(path, "n" * 1000)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_result_is_readable_as_the_umask_allows(tmp_path: Path) -> None:
    previous = os.umask(0o022)
    try:
        with replacing(tmp_path / "result.txt") as temporary:
            temporary.write_text("new")
    finally:
        os.umask(previous)
    assert (tmp_path / "result.txt").stat().st_mode & 0o777 == 0o644


def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250)  # a name that the temporary one makes too long
    with pytest.raises(OSError, match="File name too long") as error:
        _write_safely(path, "new")
    assert error.value.filename == str(path)


def test_an_error_of_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as error, replacing(tmp_path / "result.txt"):
        (tmp_path / "other.txt").read_text()
    assert error.value.filename == str(tmp_path / "other.txt")


def test_a_file_that_can_be_written_is_passed_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "result.txt"
    require_replaceable(path, "--output")
    assert list(path.parent.iterdir()) == []
    path.write_text("old")
    require_replaceable(path, "--output")
    assert [path.read_text()] == [file.read_text() for file in path.parent.iterdir()]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("file/result.txt", "Not a directory|File exists"), ("x" * 240, "File name too long")],
)
def test_a_file_that_cannot_be_written_is_refused_and_named(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / name
    with pytest.raises(OSError, match=rf"^--output cannot be written into {path.parent} \(({reason})\): "):
        require_replaceable(path, "--output")
    with pytest.raises(OSError, match=reason):
        _write_safely(path, "new")


def test_a_folder_that_is_read_only_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which a test run by root has to pretend."""

    def read_only(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.NamedTemporaryFile", read_only)
    with pytest.raises(OSError, match=r"--sheet cannot be written into .* \(Permission denied\)"):
        require_replaceable(tmp_path / "result.txt", "--sheet")


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_sha256_reads_the_whole_file(tmp_path: Path, size: int) -> None:
    content = bytes(size - 1) + b"x" if size else b""
    (tmp_path / "file").write_bytes(content)
    assert sha256_of_file(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def _write_safely(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text)


@contextmanager
def _file_size_limited_to(size: int) -> Iterator[None]:
    """Let writes beyond `size` bytes fail, in the middle of a file as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
