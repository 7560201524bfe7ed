"""Execute notebooks: the tests do it at a small scale; as a program it keeps the outputs in the files."""

from __future__ import annotations

import argparse
import base64
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

__all__ = ["execute", "main", "tidy"]

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = "parameters"  # tag of the cell after which other values are set, as papermill does it
_COLOURS = 64
_QUIET = ["--IPKernelApp.log_level=ERROR"]  # it would warn of sockets between processes of one machine
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(
    path: Path, folder: Path, parameters: Mapping[str, Any] | None = None, after: str = ""
) -> NotebookNode:
    """Execute a notebook by this Python and return it with what it printed and drew.

    Args:
        path: of the notebook, which is not changed.
        folder: to work in; data sets and runs go there unless environment variables name other folders.
        parameters: {name: value} set after the cell tagged "parameters"; their cell is not in the result.
        after: a program to run after the last cell; its cell is the last one of the result.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raises; the message holds the traceback.
    """
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    if parameters:
        place = _place_of_parameters(notebook) + 1
        source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
        notebook.cells.insert(place, nbformat.v4.new_code_cell(source))
    if after:
        notebook.cells.append(nbformat.v4.new_code_cell(after))
    # Only this Python's kernel, whatever others are installed for the user.
    kernels = KernelSpecManager(kernel_dirs=[], ensure_native_kernel=True)
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=kernels)
    client = NotebookClient(notebook, km=manager, timeout=None, record_timing=False, extra_arguments=_QUIET)
    client.execute(cwd=str(folder), env=_environment(), cleanup_kc=True)
    if parameters:
        del notebook.cells[place]
    return notebook


def tidy(notebook: NotebookNode) -> None:
    """Leave out what would differ from one execution to the next though the results are the same.

    Raises:
        ValueError: an output holds a path of this machine, or a warning.
    """
    notebook.metadata = nbformat.from_dict(_METADATA)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = _tidy_outputs(cell.outputs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Execute notebooks of this folder and keep their outputs."""
    parser = argparse.ArgumentParser(prog="python docs/notebooks/execute.py", description=main.__doc__)
    parser.add_argument("notebooks", type=Path, nargs="+", help="files to execute and to write")
    for path in parser.parse_args(arguments).notebooks:
        with TemporaryDirectory() as folder:
            notebook = execute(path, Path(folder))
        tidy(notebook)
        nbformat.write(notebook, path)


def _place_of_parameters(notebook: NotebookNode) -> int:
    for place, cell in enumerate(notebook.cells):
        if PARAMETERS in cell.metadata.get("tags", ()):
            return place
    raise ValueError(f"The notebook has no cell with the tag {PARAMETERS!r} to set values after.")


def _environment() -> dict[str, str]:
    """Return the environment of the kernel, to which this clone's packages come first."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def _tidy_outputs(outputs: Sequence[NotebookNode]) -> list[NotebookNode]:
    """Return what was printed as one text, then the rest."""
    texts = {name: _text(outputs, name) for name in ("stdout", "stderr")}
    if warning := _without_bars(texts["stderr"]):
        raise ValueError(f"A notebook to keep must not warn, but says: {warning}")
    kept = [output for output in outputs if output.output_type != "stream"]
    if texts["stdout"]:
        kept.insert(0, nbformat.v4.new_output("stream", name="stdout", text=texts["stdout"]))
    for output in kept:
        _require_no_folders(output)
        if "execution_count" in output:
            output.execution_count = None
        if "image/png" in output.get("data", {}):
            output.data["image/png"] = _small_png(output.data["image/png"])
            output.data.pop("image/jpeg", None)
    return kept


def _text(outputs: Sequence[NotebookNode], name: str) -> str:
    return "".join(output.text for output in outputs if output.get("name") == name)


def _without_bars(text: str) -> str:
    """Return the lines that are no bars of progress, which draw themselves anew again and again."""
    return "\n".join(line for line in text.split("\n") if line.strip() and "\r" not in line)


def _require_no_folders(output: NotebookNode) -> None:
    if any(str(folder) in str(output) for folder in (ROOT, Path.home(), sys.prefix)):
        raise ValueError(f"A notebook to keep must name no folder of this machine, but shows: {output}")


def _small_png(encoded: str) -> str:
    """Return the same picture in few colours and without the names of programs."""
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        if picture.mode == "P":
            return encoded
        reduced = picture.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    written = io.BytesIO()
    reduced.save(written, format="PNG", optimize=True)
    return base64.b64encode(written.getvalue()).decode()


if __name__ == "__main__":
    main()
