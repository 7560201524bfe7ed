"""Files that would do something if they were executed, in both of torch's formats."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

__all__ = ["FORMATS", "TRICKS", "Trap", "called", "claimed", "old_file", "zip_file"]

# Magic number, version and system with which torch's older format begins.
PREFIX = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}})


class Trap:
    """Pickles to a call that would create a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return open, (str(self.marker), "w")


def called(name: str, *arguments: str) -> bytes:
    """Return a pickle that calls a function with texts."""
    module, _, function = name.rpartition(".")
    texts = b"".join(b"V" + text.encode() + b"\n" for text in arguments)
    return b"c" + module.encode() + b"\n" + function.encode() + b"\n(" + texts + b"tR."


def claimed(numbers: int, key: str) -> bytes:
    """Return what pickles to a tensor of all numbers of a storage, however many there are."""
    long = b"L%dL\n" % numbers
    storage = b"(Vstorage\nctorch\nFloatStorage\nV" + key.encode() + b"\nVcpu\n" + long + b"tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"I0\n(" + long + b"t(I1\ntI00\n)tR"


def zip_file(path: Path, content: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    """Write a pickle as the object of a file in torch's format of today."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("model/data.pkl", content)
        archive.writestr("model/byteorder", "little")
        archive.writestr("model/data/0", bytes(64))
    return path


def old_file(path: Path, content: bytes) -> Path:
    """Write a pickle as the object of a file in torch's format of 2020."""
    buffer = io.BytesIO()
    for part in PREFIX:
        pickle.dump(part, buffer, protocol=2)
    path.write_bytes(buffer.getvalue() + content + pickle.dumps([], protocol=2))
    return path


def bare_file(path: Path, content: bytes) -> Path:
    """Write a pickle where torch's format of 2020 has its magic number."""
    path.write_bytes(content if content.startswith(b"\x80") else b"\x80\x02" + content)
    return path


FORMATS: dict[str, Callable[[Path, bytes], Path]] = {
    "zip": zip_file,
    "old": old_file,
    "at the front": bare_file,
}

LAYER = b"cinvglow.invertible.graph\nNode\n"
STORAGE = b"(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI4\nttQ"
# Pickles that misuse names which are allowed.
TRICKS: dict[str, bytes] = {
    "state of a class": LAYER + b"}Vqualified_name\nVos.system\nsb.",
    "attributes of a class": LAYER + b"(N}V__new__\nVx\nstb.",
    "attributes of an object": LAYER + b")\x81(N}V__class__\nVx\nstb.",
    "state that is no dictionary": LAYER + b")\x81Vx\nb.",
    "state of a function": b"ctorch._utils\n_rebuild_tensor_v2\n(N}V__code__\nVx\nstb.",
    "state of a container's class": b"ccollections\nOrderedDict\n(N}Vget\nVx\nstb.",
    "state of a type of storage": b"ctorch\nFloatStorage\n(N}Vdtype\nVx\nstb.",
    "a type of storage that is called": b"ctorch\nFloatStorage\n)R.",
    "a tensor of something else": b"ctorch._utils\n_rebuild_tensor_v2\n(VX\nI0\n(I1\nt(I1\ntI00\n)tR.",
    "a parameter of something else": b"ctorch._utils\n_rebuild_parameter\n(VX\nI00\n)tR.",
    "a layer that is given to torch": b"ctorch._utils\n_rebuild_parameter\n(" + LAYER + b"I00\n)tR.",
    "an unknown outside object": b"(Vfile\nV/etc/passwd\ntQ.",
    "a class of a layer that is none": b"(Vmodule\ncollections\nOrderedDict\nNNtQ.",
    "an extension": b"\x82\x01.",
    "items of a layer": LAYER + b")\x81Vx\nVy\ns.",
    "more items of a layer": LAYER + b")\x81(Vx\ne.",
    "a tensor beyond its storage": b"ctorch._utils\n_rebuild_tensor_v2\n("
    + STORAGE.replace(b"ttQ", b"tQ")
    + b"I0\n(I5\nt(I1\ntI00\n)tR.",
    "a tensor before its storage": b"ctorch._utils\n_rebuild_tensor_v2\n("
    + STORAGE.replace(b"ttQ", b"tQ")
    + b"I-1\n(I2\nt(I1\ntI00\n)tR.",
    "a tensor that repeats one number": b"ctorch._utils\n_rebuild_tensor_v2\n("
    + STORAGE.replace(b"ttQ", b"tQ")
    + b"I0\n(I1000000\nt(I0\ntI00\n)tR.",
}
