"""Models of the two papers' published checkpoints, read without executing anything that a file asks for."""

from invglow.legacy.imported import Imported
from invglow.legacy.reader import read_published

__all__ = ["Imported", "read_published"]
