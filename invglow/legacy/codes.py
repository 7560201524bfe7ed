"""What an unpickler does for each code of a pickle, with a look before at what takes long."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from invglow.legacy.limits import require_key

__all__ = ["CODES"]

Load = Callable[[Any], Any]

# Byte arrays and buffers, registered extensions, numbers of more than 255 bytes, and calls with arguments by
# name: they reserve memory by a number in the file, or look elsewhere. Models do not need them.
_LEFT_OUT = (
    *(pickle.BYTEARRAY8, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER),
    *(pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.LONG4, pickle.NEWOBJ_EX),
)


def _call(unpickler: Any) -> None:
    unpickler.calls.require(unpickler.stack[-1])


def _call_with_all(unpickler: Any) -> None:
    unpickler.calls.require(tuple(unpickler.stack))


def _item(unpickler: Any) -> None:
    require_key(unpickler.stack[-2])


def _items(unpickler: Any) -> None:
    for key in unpickler.stack[::2]:
        require_key(key)


def _members(unpickler: Any) -> None:
    for key in unpickler.stack:
        require_key(key)


def _frame(unpickler: Any) -> None:
    unpickler.read(8)  # its length, which is of use for reading ahead alone


_LOOKS: dict[bytes, Load] = {
    **dict.fromkeys((pickle.REDUCE, pickle.NEWOBJ), _call),
    **dict.fromkeys((pickle.OBJ, pickle.INST), _call_with_all),
    pickle.SETITEM: _item,
    **dict.fromkeys((pickle.SETITEMS, pickle.DICT), _items),
    **dict.fromkeys((pickle.ADDITEMS, pickle.FROZENSET), _members),
}


def _after(look: Load, load: Load) -> Load:
    def both(unpickler: Any) -> None:
        look(unpickler)
        load(unpickler)

    return both


_KNOWN: dict[int, Load] = dict(pickle._Unpickler.dispatch)
CODES: dict[int, Load] = {
    **{code: load for code, load in _KNOWN.items() if bytes([code]) not in _LEFT_OUT},
    **{code[0]: _after(look, _KNOWN[code[0]]) for code, look in _LOOKS.items()},
    pickle.FRAME[0]: _frame,
}
