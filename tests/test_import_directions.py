"""Which part of the project may import which: read off the source with `ast`, so that no import runs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("invglow", "anomaly_methods", "models", "plots")
OWN = (*PACKAGES, "commands", "benchmarks", "tests", "main", "create_tiny", "folder_locations")
TORCH = ("torch", "torchvision", "ignite", "safetensors.torch")

# Importer -> what it may import of this project. The longest matching importer decides.
ALLOWED: dict[str, tuple[str, ...]] = {
    "invglow": ("invglow",),
    "invglow.exit_code": (),
    "invglow.files": (),
    "invglow.transforms": ("invglow.transforms", "invglow.files"),
    "invglow.flows": ("invglow.flows", "invglow.transforms", "invglow.files"),
    "invglow.reading": (),
    "invglow.run_config": ("invglow.files",),
    "invglow.sections": ("invglow.run_config",),
    "invglow.checkpoints": ("invglow.reading", "invglow.run_config", "invglow.files"),
    "invglow.legacy": (
        "invglow.legacy",
        "invglow.checkpoints",
        "invglow.reading",
        "invglow.flows",
        "invglow.transforms",
        "invglow.files",
    ),
    "invglow.data": ("invglow.data", "invglow.files"),
    "models": ("models", "invglow"),
    "anomaly_methods": ("anomaly_methods", "invglow.files"),
    "anomaly_methods.extractors": ("anomaly_methods", "models.base", "invglow.data", "invglow.files"),
    "anomaly_methods.cache_statistics": ("commands", "invglow.exit_code"),  # a command by another name
    "anomaly_methods.fisher_matrix": (  # another
        "commands",
        "anomaly_methods.matrix_options",
        "invglow.exit_code",
    ),
    "plots": (
        "plots",
        "anomaly_methods",
        "invglow.exit_code",
        "invglow.files",
        "invglow.run_config",
        "invglow.sections",
    ),
}
# Importer -> what it may not import, though the table above or another library would let it.
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "invglow.exit_code": ("numpy", *TORCH),
    "invglow.files": ("numpy", *TORCH),
    "anomaly_methods": (*TORCH, "anomaly_methods.extractors"),
    "anomaly_methods.extractors": (),
    "invglow.run_config": TORCH,
    "invglow.sections": TORCH,
    "plots": (
        *TORCH,
        "anomaly_methods.extractors",
        "anomaly_methods.cache_statistics",
        "matplotlib.pyplot",  # keeps global state and opens windows
    ),
}
# Command lines that figures share stand for the modules that are run.
COMMANDS = {
    "plots.hierarchy_command",
    "plots.paper_command",
    "plots.FIM_approximation.command",
    "plots.model_samples.command",
}
# The package alone holds the version and nothing heavy.
FOR_EVERYBODY = {"invglow", "invglow.__version__"}


def test_project_keeps_its_import_directions() -> None:
    assert list(violations(ROOT)) == []


def test_numeric_parts_do_not_load_torch() -> None:
    """Nor through a library in between, which the source of one file cannot show."""
    modules = [
        name for name, _ in source_files(ROOT) if _rule(FORBIDDEN, name) and "torch" in _rule(FORBIDDEN, name)
    ]
    program = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    program += "sys.exit('torch was imported' if 'torch' in sys.modules else 0)"
    run = subprocess.run(
        [sys.executable, "-c", program, "invglow", *modules], cwd=ROOT, capture_output=True, check=False
    )
    assert run.returncode == 0, run.stderr.decode()


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("invglow/__init__.py", "import numpy"),
        ("invglow/files.py", "import numpy as np"),
        ("invglow/transforms/a.py", "from invglow.flows import glow"),
        ("invglow/transforms/a.py", "from ..flows.glow import build_glow"),
        ("invglow/transforms/__init__.py", "from ..data import registry"),
        ("invglow/data/a.py", "def f():\n    import invglow.training.losses"),
        ("invglow/training/a.py", "from models.base import GenerativeModel"),
        ("invglow/training/a.py", "import folder_locations"),
        ("models/base.py", "from anomaly_methods import statistics"),
        ("anomaly_methods/metrics.py", "import torch"),
        ("anomaly_methods/metrics.py", "from anomaly_methods.extractors import run"),
        ("anomaly_methods/metrics.py", "from invglow import data"),
        ("anomaly_methods/metrics.py", "from commands.computing import Computation"),
        ("anomaly_methods/cache_statistics.py", "from models.registry import load_model"),
        ("anomaly_methods/extractors/a.py", "from models.registry import load_model"),
        ("plots/a.py", "from torch import nn"),
        ("plots/a.py", "import matplotlib.pyplot as plt"),
        ("plots/a.py", "from anomaly_methods.extractors.base import Extractor"),
        ("plots/a.py", "import models"),
        ("plots/a.py", "from folder_locations import data_folder"),
    ],
)
def test_checker_finds(tmp_path: Path, path: str, source: str) -> None:
    _write(tmp_path / path, source)
    assert len(list(violations(tmp_path))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "invglow/training/a.py",
            "from ..flows import glow\nfrom invglow.data.batches import x\nimport torch",
        ),
        ("invglow/training/a.py", "from invglow import __version__"),
        ("invglow/data/a.py", "import invglow"),
        ("models/glow/model.py", "from invglow.flows import build_glow\nfrom ..base import GenerativeModel"),
        ("anomaly_methods/extractors/a.py", "import torch\nfrom models.base import GenerativeModel"),
        ("anomaly_methods/methods/a.py", "import numpy as np\nfrom ..statistics import Statistics"),
        ("plots/a.py", "from matplotlib.figure import Figure\nfrom invglow import files"),
        ("plots/a.py", "import folder_locations\nif __name__ == '__main__':\n    pass"),
    ],
)
def test_checker_accepts(tmp_path: Path, path: str, source: str) -> None:
    _write(tmp_path / path, source)
    assert list(violations(tmp_path)) == []


def violations(root: Path) -> Iterator[str]:
    """Yield one sentence for each import that the rules above do not allow."""
    for name, path in source_files(root):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for target in sorted(imports(tree, name, path.name == "__init__.py")):
            if not _is_allowed(name, target, is_command=name in COMMANDS or _is_command(tree)):
                yield f"{path.relative_to(root)} must not import {target}"


def source_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield every module of the packages: its dotted name and its file."""
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports(tree: ast.Module, name: str, is_package: bool) -> set[str]:
    """Return the absolute dotted name of all that a module imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{_origin(node, name, is_package)}.{alias.name}" for alias in node.names}
    return found


def _origin(node: ast.ImportFrom, name: str, is_package: bool) -> str:
    """Return the absolute module that a `from ... import` names, relative or not."""
    if node.level == 0:
        return str(node.module)
    parents = name.split(".") if is_package else name.split(".")[:-1]
    base = parents[: len(parents) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def _is_allowed(importer: str, target: str, *, is_command: bool) -> bool:
    if target in FOR_EVERYBODY:
        return True
    if importer == "invglow":
        return target.split(".", maxsplit=1)[0] in sys.stdlib_module_names
    if _is_under(target, ("folder_locations",)):
        return is_command
    if _is_under(target, _rule(FORBIDDEN, importer)):
        return False
    return not _is_under(target, OWN) or _is_under(target, _rule(ALLOWED, importer))


def _is_command(tree: ast.Module) -> bool:
    """Whether a module can be run with `python -m`: it ends in `if __name__ == "__main__":`."""
    return any(isinstance(node, ast.If) and "__name__" in ast.dump(node.test) for node in tree.body)


def _rule(table: dict[str, tuple[str, ...]], importer: str) -> tuple[str, ...]:
    matching = [prefix for prefix in table if _is_under(importer, (prefix,))]
    return table[max(matching, key=len)] if matching else ()


def _is_under(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def _write(path: Path, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
