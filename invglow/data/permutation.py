"""A random order of N things that is computed, not stored: any place of it, in constant memory."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["permuted"]

_ROUNDS = 6


def permuted(places: ArrayLike, count: int, seed: tuple[int, ...]) -> NDArray[np.int64]:
    """Return which of `count` things stand at `places` of the random order that `seed` names.

    Over all places 0..count-1 each thing comes exactly once. 79 million images need no array of 600 MB, and
    any step of any epoch is found without going through those before it.

    The order is a Feistel network on pairs (left, right) of an almost square grid of at least `count` cells;
    places that fall outside the count walk on along their cycle until they are inside.

    References:
        Ciphers with arbitrary finite domains (Black and Rogaway, 2002).
    """
    found = np.array(places, dtype=np.uint64, ndmin=1)
    if found.size and int(found.max()) >= count:
        raise ValueError(f"Places must be below the count {count}, got {int(found.max())}.")
    width = math.isqrt(max(count - 1, 0)) + 1
    height = -(-count // width)
    keys = np.random.SeedSequence(seed).generate_state(_ROUNDS, np.uint64).astype(np.uint64)
    found = _feistel(found, width, height, keys)
    while (outside := found >= count).any():
        found[outside] = _feistel(found[outside], width, height, keys)
    return found.astype(np.int64)


Words = NDArray[np.uint64]


def _feistel(cells: Words, width: int, height: int, keys: Words) -> Words:
    columns, rows = np.uint64(width), np.uint64(height)
    left, right = cells // columns, cells % columns
    for index, key in enumerate(keys):
        if index % 2:
            left = (left + _mixed(right + key) % rows) % rows
        else:
            right = (right + _mixed(left + key) % columns) % columns
    return left * columns + right


def _mixed(x: Words) -> Words:
    """Scramble 64-bit words (the finaliser of SplitMix64; arrays of words wrap around silently)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
