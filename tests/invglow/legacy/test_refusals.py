"""Files that ask for more than a model are refused by name, damaged ones in a sentence; nothing runs."""

from __future__ import annotations

import contextlib
import pickle
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from invglow.legacy import Imported, read_published
from invglow.legacy.archive import open_archive
from tests.invglow.legacy.examples import save
from tests.invglow.legacy.hostile import FORMATS, TRICKS, Trap, called, claimed, zip_file

every_format = pytest.mark.parametrize("form", FORMATS)
FORBIDDEN = [
    "os.system",
    "posix.system",
    "builtins.eval",
    "builtins.exec",
    "builtins.getattr",
    "__builtin__.eval",
    "subprocess.Popen",
    "functools.partial",
    "operator.attrgetter",
    "copyreg._reconstructor",
    "torch.load",
    "torch.hub.load",
    "torch.storage._load_from_bytes",
    "torch._utils._rebuild_wrapper_subclass",
    "torch._tensor._rebuild_from_type_v2",
    "torch.nn.modules.module.Module",
    "torch.jit._script.ScriptModule",
    "torch.nn.modules.container.ModuleDict",
    "numpy.core.multiarray._reconstruct",
    "invglow_evil.models.Thing",
]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Imported]:
    """Return a checkpoint as it was published, and what it was read as before anything else."""
    path = save(tmp_path_factory.mktemp("good"), "one scale")
    return path, read_published(path)


@every_format
@pytest.mark.parametrize("protocol", range(6))
def test_a_call_is_refused_by_name_and_never_made(tmp_path: Path, form: str, protocol: int) -> None:
    marker = tmp_path / "executed"
    content = pickle.dumps({"model": Trap(marker)}, protocol=protocol)
    path = FORMATS[form](tmp_path / "a.th", content)
    with pytest.raises(ValueError, match=r"asks for \w+\.open, .*nothing was executed"):
        read_published(path)
    assert not marker.exists()


@every_format
@pytest.mark.parametrize("name", FORBIDDEN)
def test_no_other_name_is_allowed(tmp_path: Path, form: str, name: str) -> None:
    path = FORMATS[form](tmp_path / "a.th", called(name, f"touch {tmp_path / 'executed'}"))
    with pytest.raises(ValueError, match=rf"a\.th asks for {name}, .*nothing was executed"):
        read_published(path)
    assert not (tmp_path / "executed").exists()


@every_format
@pytest.mark.parametrize("trick", TRICKS)
def test_names_that_are_allowed_do_nothing_else(
    tmp_path: Path, good: tuple[Path, Imported], form: str, trick: str
) -> None:
    """Nor do they change what is read afterwards."""
    path = FORMATS[form](tmp_path / "a.th", TRICKS[trick])
    with pytest.raises(
        ValueError, match=r"a\.th (asks for|is truncated, or not a checkpoint|is no published)"
    ):
        read_published(path)
    source, before = good
    after = read_published(source)
    assert after.config == before.config
    assert all(torch.equal(after.tensors[name], before.tensors[name]) for name in before.tensors)


def test_an_unknown_class_of_the_papers_package_is_inert_and_named(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    path = zip_file(tmp_path / "a.th", called("invglow.files.replacing", str(marker)))
    with pytest.raises(ValueError, match=r"the model, a invglow\.files\.replacing, was expected to be a"):
        read_published(path)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["affine", "folder"])
@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.6, 0.999, 1 - 1e-9])
def test_truncated_files_are_named(tmp_path: Path, name: str, as_zip: bool, part: float) -> None:
    path = save(tmp_path, name, as_zip=as_zip)
    path = path / "glow_checkpoint_10.pt" if path.is_dir() else path
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match=r"is truncated, or not a checkpoint|is no checkpoint"):
        read_published(path)


@pytest.mark.parametrize("name", ["affine", "folder", "classes"])
@pytest.mark.parametrize("as_zip", [True, False])
def test_damaged_bytes_end_in_a_sentence_or_in_a_model(tmp_path: Path, name: str, as_zip: bool) -> None:
    """Wherever bytes are wrong, mostly of the pickle at the front, the worst that comes out is a refusal."""
    path = save(tmp_path, name, as_zip=as_zip)
    path = path / "glow_checkpoint_10.pt" if path.is_dir() else path
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for reach in rng.integers(100, len(content), 25):
        damaged = bytearray(content)
        for position in rng.integers(0, reach, 3):
            damaged[position] = rng.integers(0, 256)
        path.write_bytes(damaged)
        with contextlib.suppress(ValueError):
            read_published(path)


def test_files_of_other_kinds_are_no_checkpoints(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "a.safetensors")
    (tmp_path / "text").write_text("not a model")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    for name in ("a.safetensors", "text", "empty", "png"):
        with pytest.raises(ValueError, match=f"{name} is no checkpoint"):
            read_published(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("pictures/1.png", "")
    with pytest.raises(ValueError, match=r"zip archive, but not one of torch\.save"):
        read_published(tmp_path / "zip")
    (tmp_path / "pickle").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match=r"a pickle, but not one of torch\.save"):
        read_published(tmp_path / "pickle")


def test_compressed_and_big_endian_files_are_refused(tmp_path: Path) -> None:
    zip_file(tmp_path / "a", pickle.dumps({}), zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=r"is compressed, which torch\.save never does"):
        read_published(tmp_path / "a")
    with zipfile.ZipFile(tmp_path / "b", "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps({}))
        archive.writestr("model/byteorder", "big")
    with pytest.raises(ValueError, match="big-endian"):
        read_published(tmp_path / "b")


def test_an_encrypted_file_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, "affine")
    content = bytearray(path.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := content.find(header, place + 1)) >= 0:
            content[place + flags] |= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"th is truncated, or not a checkpoint .* is encrypted"):
        read_published(path)


def test_storages_at_impossible_places_are_named(tmp_path: Path) -> None:
    """The second one would begin where no file system has a byte."""
    numbers = 1 << 60
    storages = claimed(numbers, "0") + claimed(numbers, "1") + b"\x86."
    keys = pickle.dumps(["0", "1"], protocol=2) + numbers.to_bytes(8, "little")
    path = FORMATS["old"](tmp_path / "a.th", storages)
    path.write_bytes(path.read_bytes().removesuffix(pickle.dumps([], protocol=2)) + keys)
    with pytest.raises(ValueError, match=r"a\.th is truncated, or not a checkpoint"):
        read_published(path)


def test_a_tensor_that_is_claimed_reserves_no_memory(tmp_path: Path) -> None:
    path = zip_file(tmp_path / "a.th", b"\x80\x02" + claimed(1 << 26, "0") + b".")
    with open_archive(path) as archive:
        tracemalloc.start()
        with pytest.raises(ValueError, match=r"truncated, .*the file ends before its tensors do"):
            archive.tensor(archive.root)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 1 << 20


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.th is missing"):
        read_published(tmp_path / "nowhere.th")
    with pytest.raises(FileNotFoundError, match=r"holds no hparams\.json"):
        read_published(tmp_path)
    (tmp_path / "hparams.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"holds hparams\.json, but no checkpoint"):
        read_published(tmp_path)
    for name in ("a.pt", "b.pt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=r"several checkpoints \(a\.pt, b\.pt\): name the file to import"):
        read_published(tmp_path)
