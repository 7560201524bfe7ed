"""Which block of the Fisher information each parameter tensor gets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from anomaly_methods.extractors.fisher.blocks import Block, DiagonalBlock, KroneckerBlock

__all__ = ["LARGEST_SIDE", "LARGEST_WHOLE", "LONGEST_UNSPLIT", "STRUCTURES", "blocks_of", "kronecker_block"]

LARGEST_WHOLE = 512
"""Parameters of a tensor up to which its block is kept whole: half of the images that F is estimated from by
default, so that they can fill it."""

LONGEST_UNSPLIT = 1024
"""Length of a convolution's longer side (input channels times kernel) beyond which it is taken apart into
channels and kernel. Eigenvectors of 1,024 x 1,024 take a second, of 4,608 x 4,608 more than a minute."""

LARGEST_SIDE = 4096
"""Length of a side beyond which only the diagonal of the block is kept; also for vectors of more than
`LARGEST_WHOLE` entries."""


def kronecker_block(shape: Sequence[int]) -> Block:
    """Return the block of a tensor: whole if it is small, else a Kronecker product, else its diagonal.

    A weight (N, C, *kernel) has the sides N x (C kernel), output by input as in KFAC and KFC, or
    N x C x kernel where the second is too long.
    """
    numel = math.prod(shape)
    if numel <= LARGEST_WHOLE:
        return KroneckerBlock(shape, (numel,))
    if len(shape) < 2:
        return DiagonalBlock(shape)
    first, channels, kernel = shape[0], shape[1], math.prod(shape[2:])
    sides: tuple[int, ...] = (first, channels * kernel)
    if max(sides) > LONGEST_UNSPLIT and kernel > 1:
        sides = (first, channels, kernel)
    if max(sides) > LARGEST_SIDE:
        return DiagonalBlock(shape)
    return KroneckerBlock(shape, [side for side in sides if side > 1])


STRUCTURES: Mapping[str, Callable[[Sequence[int]], Block]] = {
    "diagonal": DiagonalBlock,
    "kronecker": kronecker_block,
}
"""From the shape of a tensor to its block, by name. Blocks between tensors are taken as zero in all."""


def blocks_of(structure: str, parameters: Mapping[str, Tensor]) -> dict[str, Block]:
    """Return the block of every parameter tensor.

    Raises:
        ValueError: there is no structure of this name.
    """
    if structure not in STRUCTURES:
        raise ValueError(f"There is no structure {structure!r}; known are {', '.join(STRUCTURES)}.")
    return {name: STRUCTURES[structure](parameter.shape) for name, parameter in parameters.items()}
