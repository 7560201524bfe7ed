"""Random shapes drawn as masks: ellipses, polygons and lines, thin or wide, with hard or soft outlines."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["ShapeSettings", "random_mask"]

# OpenCV takes coordinates as whole numbers with this many binary digits after the point.
_SHIFT = 4


@dataclass(frozen=True)
class ShapeSettings:
    """How shapes are drawn; lengths are fractions of the image side.

    Attributes:
        size: height and width in pixels of the mask.
        radius: distance of an outline from the shape's centre, from and to.
        centre: how far the centre may lie from the middle of the image, along each axis.
        corners: fewest and most corners of a polygon.
        points: fewest and most points of a line.
        line_width: from and to; drawn log-uniformly, since thin lines are as telling as thick ones.
        soft: share of the shapes whose outline is antialiased.
    """

    size: int = 32
    radius: tuple[float, float] = (0.1, 0.5)
    centre: float = 0.25
    corners: tuple[int, int] = (3, 8)
    points: tuple[int, int] = (2, 4)
    line_width: tuple[float, float] = (0.03, 0.4)
    soft: float = 0.5


def random_mask(settings: ShapeSettings, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a mask (size, size): 255 inside a random shape, 0 outside, in between on soft outlines."""
    mask = np.zeros((settings.size, settings.size), dtype=np.uint8)
    line_type = cv2.LINE_AA if rng.random() < settings.soft else cv2.LINE_8
    _KINDS[rng.integers(len(_KINDS))](mask, settings, rng, line_type)
    return mask


def _ellipse(mask: NDArray[np.uint8], settings: ShapeSettings, rng: np.random.Generator, line: int) -> None:
    centre = _fixed(_centre(settings, rng))
    axes = _fixed(rng.uniform(*settings.radius, size=2) * settings.size)
    cv2.ellipse(mask, centre.tolist(), axes.tolist(), rng.uniform(0, 180), 0, 360, 255, -1, line, _SHIFT)


def _polygon(mask: NDArray[np.uint8], settings: ShapeSettings, rng: np.random.Generator, line: int) -> None:
    """Draw corners around the centre in the order of their angles, so that the outline never crosses."""
    corners = int(rng.integers(settings.corners[0], settings.corners[1] + 1))
    angles = np.sort(rng.uniform(0, 2 * math.pi, corners))
    radii = rng.uniform(*settings.radius, size=(corners, 1)) * settings.size
    outline = _centre(settings, rng) + radii * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    cv2.fillPoly(mask, [_fixed(outline)], 255, line, _SHIFT)


def _line(mask: NDArray[np.uint8], settings: ShapeSettings, rng: np.random.Generator, line: int) -> None:
    count = int(rng.integers(settings.points[0], settings.points[1] + 1))
    points = rng.uniform(0.1, 0.9, size=(count, 2)) * settings.size
    lowest, highest = (math.log(width) for width in settings.line_width)
    width = max(1, round(math.exp(rng.uniform(lowest, highest)) * settings.size))
    cv2.polylines(
        mask, [_fixed(points)], isClosed=False, color=255, thickness=width, lineType=line, shift=_SHIFT
    )


def _centre(settings: ShapeSettings, rng: np.random.Generator) -> NDArray[np.float64]:
    return (0.5 + rng.uniform(-settings.centre, settings.centre, size=2)) * settings.size


def _fixed(coordinates: NDArray[np.float64]) -> NDArray[np.int32]:
    fixed: NDArray[np.int32] = np.rint(coordinates * 2**_SHIFT).astype(np.int32)
    return fixed


_KINDS: tuple[Callable[[NDArray[np.uint8], ShapeSettings, np.random.Generator, int], None], ...] = (
    _ellipse,
    _polygon,
    _line,
)
