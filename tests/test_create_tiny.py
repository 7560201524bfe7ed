"""The command that builds the general set: what it prints, what it refuses, how little memory it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from create_tiny import main
from folder_locations import data_folder, tiny_folder
from invglow.data.registry import load_image_set
from tests.invglow.data.examples import images, save_picture

ROOT = Path(__file__).parents[1]


def test_the_set_is_what_tiny_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "a.npy", images(130))
    assert main([str(tmp_path / "a.npy"), "--overwrite"]) == 0
    printed = capsys.readouterr().out
    assert "array of images, 130 images" in printed
    assert str(tiny_folder()) in printed
    assert "--data tiny" in printed
    train = load_image_set("tiny", "train", folder=data_folder())
    test = load_image_set("tiny", "test", folder=data_folder())
    assert (len(train), len(test)) == (117, 13)


def test_another_folder_is_an_array(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        save_picture(tmp_path / "p" / f"{number}.png")
    (tmp_path / "p" / "cut.png").write_bytes(b"damaged")
    assert main([str(tmp_path / "p"), "--crops", "2", "--size", "16", "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "1 pictures" in printed
    spec = f"array:{tmp_path / 'out' / 'images.npy'}"
    assert spec in printed
    assert load_image_set(spec, "train", folder=tmp_path).images.shape == (8, 16, 16, 3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing"], "does not exist"),
        (["cut.bin"], "not a multiple of 3072"),
        (["a.npy", "--images", "9"], "the sources hold 5"),
        (["a.npy", "--exclude-cifar", "list.txt"], "--exclude-cifar belongs to tiny_images.bin"),
        (["whole.bin", "--exclude-cifar", "nothing.txt"], "nothing.txt"),
        (["a.npy", "--size", "64"], "only pictures"),
        (["whole.bin", "--exclude-cifar", "none.txt"], "error: none.txt: No such file or directory."),
        (["a.npy", "--output", "list.txt/out"], "error: list.txt: File exists."),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", images(5))
    Path("cut.bin").write_bytes(bytes(100))
    Path("whole.bin").write_bytes(bytes(3072))
    Path("list.txt").write_text("1")
    assert main(["--output", "out", *arguments]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not Path("out").exists()


def test_an_interrupt_says_that_nothing_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    np.save(tmp_path / "a.npy", images(5))
    monkeypatch.setattr("invglow.data.general._write_images", interrupted)
    assert main([str(tmp_path / "a.npy"), "--output", str(tmp_path / "out")]) == 130
    assert capsys.readouterr().err.endswith("Interrupted; nothing was written.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_what_a_killed_build_left_is_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "a.npy", images(5))
    (tmp_path / ".out.x.partial").mkdir()
    assert main([str(tmp_path / "a.npy"), "--output", str(tmp_path / "out")]) == 0
    assert f"{tmp_path / '.out.x.partial'}; if none is running, delete it" in capsys.readouterr().out


def test_help_teaches_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    for word in (
        "tiny_images.bin",
        "--exclude-cifar cifar10.txt",
        "ImageNet-32",
        "Withdrawn".lower(),
        "examples",
    ):
        assert word in printed


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read in the units of Linux")
def test_memory_stays_constant(tmp_path: Path) -> None:
    """The set is 154 MB; the whole process that builds it stays below 100 MB."""
    with (tmp_path / "tiny_images.bin").open("wb") as file:
        file.truncate(50_000 * 3072)
    command = [
        sys.executable,
        "create_tiny.py",
        str(tmp_path / "tiny_images.bin"),
        "--output",
        str(tmp_path / "out"),
    ]
    program = "import resource, subprocess, sys\nsubprocess.run(sys.argv[1:], check=True)\n"
    program += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    run = subprocess.run([sys.executable, "-c", program, *command], cwd=ROOT, capture_output=True, check=True)
    assert int(run.stdout.split()[-1]) < 100_000
    assert (tmp_path / "out" / "images.npy").stat().st_size > 50_000 * 3072


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read in the units of Linux")
def test_random_reading_of_a_memory_mapped_set_keeps_memory_constant(tmp_path: Path) -> None:
    """All of 154 MB are read in random order; resident memory grows by less than a third of that."""
    np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (50_000, 32, 32, 3))
    program = """
import resource, sys
import numpy as np
from pathlib import Path
from invglow.data.arrays import gather, open_images
images = open_images(Path(sys.argv[1]))
order = np.random.default_rng(0).permutation(len(images)).reshape(-1, 500)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for indices in order:
    gather(images, indices)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "a.npy")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert int(run.stdout) < 50_000


def test_folders_come_from_the_environment_or_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INVGLOW_DATA", str(tmp_path / "elsewhere"))
    assert data_folder() == tmp_path / "elsewhere"
    assert tiny_folder() == tmp_path / "elsewhere" / "tiny"
    monkeypatch.delenv("INVGLOW_DATA")
    monkeypatch.chdir(tmp_path)
    assert data_folder() == tmp_path / "data"
