"""The page: what a run is, what it found, how it was made and how to make it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any
from xml.etree.ElementTree import Element

from plots.report.content import EvaluationReport, Picture, RunReport
from plots.report.markup import Content, element, page_text
from plots.report.pictures import data_uri
from plots.report.tables import (
    duration,
    evaluation_tables,
    number,
    settings_table,
    statistics_table,
    table,
)
from plots.style import short_name

__all__ = ["page_of"]

# Even if something were to go wrong with escaping: nothing is fetched, and no script runs.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_SETTINGS = {
    "model": "Model",
    "data": "Training images",
    "training": "Training",
    "origin": "Started from",
    "imported": "Imported from",
    "outliers": "Outlier loss",
    "labels": "Label loss",
}
_READING = (
    "Higher scores are more anomalous. AUROC is the probability that an image that does not belong scores "
    "higher than one that does; 0.5, the dashed mark, is chance. The interval is by bootstrap of images, not "
    "over trainings. Bound says what the likelihoods are: exact, or a lower bound (elbo). The highest AUROC "
    "of a table is bold. Methods that fit learn from one half of the images that belong and are tested on "
    "the other."
)


def page_of(report: RunReport) -> str:
    """Return the whole page as text: HTML that needs no other file and no network."""
    sections = {
        "results": ("Results", _results(report)),
        "training": ("Training", _training(report)),
        "samples": ("Samples", _samples(report)),
        "settings": ("Settings", _settings(report.config)),
        "statistics": ("Statistics", _statistics(report)),
        "versions": ("Versions and timings", _versions(report)),
        "repeat": ("To repeat", _commands(report)),
    }
    links = [element("li", element("a", title, href=f"#{name}")) for name, (title, _) in sections.items()]
    top = element(
        "header",
        element("h1", f"Run {report.name}"),
        element("p", _lead(report.config), class_="lead"),
        *_notices(report),
        _facts(report),
        element("nav", element("ul", *links), aria_label="Sections"),
    )
    main = element("main", *(_section(name, *section) for name, section in sections.items()))
    foot = element("footer", "Made by ", element("code", "main.py report"), " from the files of the run.")
    body = element("body", top, main, foot)
    style = files("plots.report").joinpath("look.css").read_text(encoding="utf-8")
    return page_text(element("html", _head(report), body, lang="en"), style)


def _head(report: RunReport) -> Element:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", **{"http-equiv": "Content-Security-Policy"}, content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{report.name} \N{MIDDLE DOT} run report"),
    )


def _section(name: str, title: str, content: Iterable[Content]) -> Element:
    return element(
        "section",
        element("h2", title, id=f"{name}-title"),
        *content,
        id=name,
        aria_labelledby=f"{name}-title",
    )


def _lead(config: Mapping[str, Any]) -> str:
    model, data, origin = (_mapping(config.get(name)) for name in ("model", "data", "origin"))
    family = str(model.get("family", "model of unknown family"))
    if data.get("name") is None:
        return f"{family}; what it was trained on is not recorded."
    text = f"{family} trained on {short_name(str(data['name']))}"
    return f"{text}, from {short_name(str(origin['run']))}." if "run" in origin else f"{text}, from scratch."


def _notices(report: RunReport) -> list[Element]:
    said = []
    if _is_unfinished(report):
        done = f"{number(report.step)} of {number(_steps(report.config))}"
        said.append(
            f"Training is not finished: {done} steps are done. The same train command goes on from there."
        )
    if not report.evaluations:
        said.append("This run has no evaluation yet; Results names the command that adds one.")
    return [element("p", text, class_="notice", role="note") for text in [*said, *report.problems]]


def _steps(config: Mapping[str, Any]) -> int | None:
    steps = _mapping(config.get("training")).get("steps")
    return steps if isinstance(steps, int) else None


def _is_unfinished(report: RunReport) -> bool:
    steps = _steps(report.config)
    return None not in (report.step, steps) and report.step != steps


def _facts(report: RunReport) -> Element:
    config = report.config
    steps, data = _steps(config), _mapping(config.get("data"))
    done = number(report.step) if report.step is not None else "not recorded"
    facts = {
        "Steps": f"{done} of {number(steps)}" if _is_unfinished(report) else done,
        "Training time": duration(report.seconds),
        "Training images": number(data["images"]) if isinstance(data.get("images"), int) else "not recorded",
        "Image size": _shape(data.get("image_shape")),
    }
    for name, value in report.metrics.items():
        facts[name] = f"{value:.3f}"
    pairs = (element("div", element("dt", name), element("dd", value)) for name, value in facts.items())
    return element("dl", *pairs, class_="facts")


def _results(report: RunReport) -> list[Content]:
    if not report.evaluations:
        text = "There is no evaluation of this run. This command computes it and adds the table:"
        return [element("p", text), _code(report.evaluate_command)]
    parts: list[Content] = [element("p", _READING, class_="soft")]
    for evaluation in report.evaluations:
        parts += _evaluation(evaluation, len(report.evaluations) > 1)
    return parts


def _evaluation(evaluation: EvaluationReport, is_one_of_many: bool) -> list[Content]:
    parts: list[Content] = []
    if is_one_of_many:
        first = evaluation.rows[0]
        sets = dict.fromkeys(short_name(row["out_of_distribution"]) for row in evaluation.rows)
        group = first["group_size"]
        size = "single images" if group == 1 else f"groups of {group}"
        inside = short_name(first["in_distribution"])
        parts.append(element("h3", f"{inside} against {', '.join(sets)}, {size}"))
    parts += [
        *evaluation_tables(evaluation.rows),
        element("p", "From ", element("code", evaluation.file), class_="soft"),
    ]
    if evaluation.likelihoods:
        parts += [element("h3", "Likelihoods"), _figures(evaluation.likelihoods)]
    if evaluation.scores:
        parts += [element("h3", "Scores"), _figures(evaluation.scores, "figures small")]
    return parts + [element("p", note, class_="soft") for note in evaluation.notes]


def _training(report: RunReport) -> list[Content]:
    return [_figures(report.curves) if report.curves else element("p", report.missing["curves"])]


def _samples(report: RunReport) -> list[Content]:
    if report.samples:
        return [_figures(report.samples)]
    text = "The folder holds no pictures of samples. This command draws some, for the next report:"
    return [element("p", text), _code(report.sample_command)]


def _settings(config: Mapping[str, Any]) -> list[Content]:
    names = [*_SETTINGS, *(name for name in config if name not in {*_SETTINGS, "versions", "format_version"})]
    tables = [
        settings_table(_SETTINGS.get(name, name), found)
        for name in names
        if (found := _mapping(config.get(name)))
    ]
    loose = {name: config[name] for name in names if name in config and not _mapping(config[name])}
    if loose:
        tables.append(settings_table("Not used, or empty", loose))
    return [element("div", *tables, class_="settings")]


def _statistics(report: RunReport) -> list[Content]:
    if not report.statistics:
        return [element("p", report.missing["statistics"])]
    text = (
        "Dropped are the images at the end of a set that make no whole group. Values that are not finite are "
        "kept, and counted here and in the tables."
    )
    return [element("p", text, class_="soft"), statistics_table(report.statistics)]


def _versions(report: RunReport) -> list[Content]:
    versions = {"training": _mapping(report.config.get("versions"))}
    for item in report.statistics:
        if item.versions not in versions.values():
            versions[f"statistics, {item.file}"] = item.versions
    libraries = list(dict.fromkeys(name for found in versions.values() for name in found))
    rows = [
        [what, *(str(found.get(name, "\N{EN DASH}")) for name in libraries)]
        for what, found in versions.items()
    ]
    times = [item.seconds for item in report.statistics]
    known = [seconds for seconds in times if seconds is not None]
    spent = [
        ["training", duration(report.seconds)],
        [f"statistics, {len(known)} of {len(times)} files", duration(sum(known) if known else None)],
    ]
    return [
        table("Versions", ["made by", *libraries], rows),
        table("Timings", ["what", "time"], spent, numbers=["time"]),
        element("p", "Weights: SHA-256 ", element("code", report.weights or "not recorded"), class_="soft"),
    ]


def _commands(report: RunReport) -> list[Content]:
    parts: list[Content] = [element("h3", "The training")]
    parts.append(
        _code(report.train_command) if report.train_command else element("p", report.missing["train"])
    )
    for evaluation in report.evaluations:
        parts += [element("h3", "The table ", element("code", evaluation.file))]
        if not evaluation.is_certain:
            text = "In outline: its options, beyond these, cannot be told for certain from what is recorded."
            parts.append(element("p", text, class_="soft"))
        parts.append(_code(evaluation.command))
    return parts


def _figures(pictures: Sequence[Picture], kind: str = "figures") -> Element:
    return element("div", *map(_figure, pictures), class_=kind)


def _figure(picture: Picture) -> Element:
    kind = {"class_": "pixels"} if picture.pixelated else {}
    image = element("img", src=data_uri(picture), alt=picture.alternative, **kind)
    caption = [element("figcaption", picture.caption)] if picture.caption else []
    return element("figure", image, *caption, class_="figure")


def _code(command: str) -> Element:
    return element("pre", element("code", command), tabindex="0")


def _shape(shape: Any) -> str:
    if isinstance(shape, list) and all(isinstance(size, int) for size in shape):
        return " \N{MULTIPLICATION SIGN} ".join(map(str, shape))
    return "not recorded"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
