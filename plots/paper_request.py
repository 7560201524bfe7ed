"""What a command line of the second paper's figures asks for, and the statistics that answer it.

request.require()                          # names, or with --compute makes, all that is missing
for model in request.models:
    sets = request.statistics(model, "gradients")      # {set: Statistics}, in-distribution first
    scored = request.sources(model, method.sources)    # {set: ...} as anomaly_methods.evaluation takes it
save_with_numbers(figure, request.output, header, rows)   # plots/output.py
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from anomaly_methods.kinds import statistics_for
from anomaly_methods.methods.sources import Source
from anomaly_methods.statistics import Statistics
from plots.finding import Finder, Need, require_alike

__all__ = ["PaperModel", "PaperRequest"]


@dataclass(frozen=True)
class PaperModel:
    """A run and the set that it was trained on.

    Attributes:
        run: its folder.
        id_dataset: the in-distribution set.
        name: what to call it, which no other run of the figure is called.
        general: folder of the general model that ratios compare with, if there is one.
    """

    run: Path
    id_dataset: str
    name: str
    general: Path | None = None

    @property
    def roles(self) -> dict[str, Path]:
        """{role: run}, as sources of statistics name them."""
        return {"specific": self.run} | ({} if self.general is None else {"general": self.general})


@dataclass(frozen=True)
class PaperRequest:
    """What a command line asks for.

    Attributes:
        models: one at least.
        datasets: all sets of --datasets, each once; in-distribution ones may or may not be among them.
        methods: names of --anomaly_detection.
        finder: how statistics are found.
        output: of the figure, without a suffix.
        seed: of random choices and of halves.
    """

    models: tuple[PaperModel, ...]
    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    finder: Finder
    output: Path
    seed: int = 0
    options: argparse.Namespace = field(default_factory=argparse.Namespace, compare=False)

    def sets_of(self, model: PaperModel) -> list[str]:
        """Return the sets to show under a model, its in-distribution one first."""
        return [model.id_dataset, *(name for name in self.datasets if name != model.id_dataset)]

    def require(self, kinds: Iterable[str] | None = None) -> None:
        """Make sure that statistics of every model and set, of kinds or those of the methods, are there.

        Raises:
            FileNotFoundError: some are missing; the sentence holds the command that makes them.
        """
        wanted = None if kinds is None else list(kinds)
        self.finder.require(
            Need(run, self.sets_of(model), needed)
            for model in self.models
            for role, run in model.roles.items()
            if (needed := self._kinds(role) if wanted is None else wanted if role == "specific" else [])
        )

    def statistics(self, model: PaperModel, kind: str) -> dict[str, Statistics]:
        """Return {set: statistics of a kind}, the in-distribution set first, all computed alike.

        Raises:
            ValueError: they were not, and so cannot stand in one figure.
        """
        found = {name: self.finder.statistics(model.run, name, kind) for name in self.sets_of(model)}
        require_alike(list(found.values()))
        return found

    def sources(
        self, model: PaperModel, sources: Mapping[str, Source]
    ) -> dict[str, dict[Source, Statistics]]:
        """Return {set: statistics by source}, the in-distribution set first, as scoring takes them.

        Raises:
            ValueError: a method compares with a general model and none is known, or with an ensemble.
        """
        lacking = {source.role for source in sources.values()} - set(model.roles)
        if lacking - {"general"}:
            raise ValueError(
                f"This method needs an {lacking.pop()} of runs, which figures do not take: choose another."
            )
        if lacking:
            raise ValueError(
                f"This method also needs the general model, and none is known for {model.run}: name it with "
                "--general, or choose another method."
            )
        names = self.sets_of(model)
        return {name: self.finder.sources(model.roles, name, sources.values()) for name in names}

    def _kinds(self, role: str) -> list[str]:
        """Return the kinds of statistics that the methods need of the model of one role."""
        if role == "specific":
            return statistics_for(self.methods)
        from anomaly_methods.methods.registry import ALIASES, METHODS

        names = (ALIASES.get(name, name) for name in self.methods)
        sources = [source for name in names if name in METHODS for source in METHODS[name].sources.values()]
        return list(dict.fromkeys(source.kind for source in sources if source.role == role))
