"""Every kind of statistics by its name, and which of them methods need."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from anomaly_methods.fisher_options import FISHER_KINDS
from anomaly_methods.meta import COMPLEXITY_KINDS

__all__ = ["KINDS", "PAPER_NAMES", "statistics_for"]

KINDS = ("likelihood", "gradients", *FISHER_KINDS, "classes", *COMPLEXITY_KINDS)
"""log p(x) in total and per scale, its squared gradient norms per parameter tensor, the same by the Fisher
information, log p(x|y) of every class, and code lengths by image codecs without a model."""

PAPER_NAMES: Mapping[str, str] = {"gradients_L2_norms": "gradients"}
"""{name: kind}: what the second paper calls statistics that several methods share."""


def statistics_for(names: Sequence[str]) -> list[str]:
    """Return the kinds of statistics that methods need, or that go by these names, each once.

    Raises:
        ValueError: there is no such name; the sentence lists the known ones.
    """
    from anomaly_methods.methods.registry import ALIASES, METHODS  # takes a second: scikit-learn

    known = {**{kind: [kind] for kind in KINDS}, **{name: [kind] for name, kind in PAPER_NAMES.items()}}
    for name, method in METHODS.items():
        known[name] = [source.kind for source in method.sources.values()]
    known |= {alias: known[name] for alias, name in ALIASES.items()}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            guess = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"There is no anomaly detection {name!r}: {guess}Known are {', '.join(known)}.")
    return list(dict.fromkeys(kind for name in names for kind in known[name]))
