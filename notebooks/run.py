"""Runs the notebooks on the demo's images and keeps their outputs, without what would differ on another machine.

    python -m pip install -e ".[notebooks]"
    python notebooks/run.py            runs all of them, and writes them
    python notebooks/run.py 02         only those whose names begin so
    python notebooks/run.py --check    writes nothing, and lists the cells whose output has changed

Each notebook runs in an empty temporary folder and a process of its own, on the CPU. It must not write to standard
error. Cells with the tag `measured` show numbers that depend on the machine or on versions of libraries, such as losses
and bytes of JPEGs, and only their words are compared. Cells with the tag `pytorch` need PyTorch.
"""

import argparse
import base64
import difflib
import hashlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

HERE = Path(__file__).parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
MEASURED, PYTORCH = "measured", "pytorch"
SECONDS = 600  # of a cell

# GitHub shows a notebook in a column of about 1,000 pixels.
_WIDTH = 1040
_QUALITY = 85
_OTHERS = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu", "KERAS_BACKEND": "tensorflow"}
_OWN = {"ILSVRC2012_DIR", "ILSVRC2012_ALLOW_INCOMPLETE", "ILSVRC_TFDS_NOTEBOOKS"}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NUMBER = re.compile(r"\b[0-9a-f]{12,}\b|[-+]?\d[\d,.]*(e[-+]\d+)?")


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Runs all cells, with an empty folder as the working folder; returns the notebook. Errors are nbclient's."""
    variables = {name: value for name, value in os.environ.items() if name not in _OWN}
    variables |= {**_OTHERS, "IPYTHONDIR": str(folder / ".ipython"), "MPLCONFIGDIR": str(folder / ".matplotlib")}
    for name in (".ipython", ".matplotlib"):
        (folder / name).mkdir()
    NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(folder)}}).execute(env=variables)
    return notebook


def clean(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Removes what depends on the machine or the moment, and records the digest of the sources; returns the notebook.

    Raises ValueError if a cell has written to standard error, or shows a path of this machine.
    """
    notebook.metadata = nbformat.from_dict({**METADATA, "ilsvrc_tfds": {"sources": digest_of(notebook)}})
    for count, cell in enumerate(code_cells(notebook), start=1):
        cell.metadata = nbformat.from_dict({"tags": tags} if (tags := cell.metadata.get("tags")) else {})
        cell.execution_count = count
        cell.outputs = _joined(_cleaned(output, cell.id, folder) for output in cell.outputs)
    return notebook


def digest_of(notebook: NotebookNode) -> str:
    """Returns the digest of the cells without their outputs."""
    content = [
        f"{cell.cell_type}\0{cell.id}\0{cell.source}\0{cell.metadata.get('tags', [])}" for cell in notebook.cells
    ]
    return hashlib.sha256("\0".join(content).encode()).hexdigest()


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Returns the cells of Python, in their order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def without(notebook: NotebookNode, tag: str) -> NotebookNode:
    """Removes the cells with a tag; returns the notebook."""
    notebook.cells = [cell for cell in notebook.cells if tag not in cell.metadata.get("tags", [])]
    return notebook


def pictures(cell: NotebookNode) -> list[str]:
    """Returns the pictures of a cell's outputs, in base64."""
    found = (data for output in cell.outputs for kind, data in output.get("data", {}).items() if "image/" in kind)
    return list(found)


def text_of(cell: NotebookNode) -> str:
    """Returns the text of a cell's outputs; without its numbers, and what depends on their width, if it is measured."""
    text = "".join(output.get("text", output.get("data", {}).get("text/plain", "")) for output in cell.outputs)
    return re.sub(r"\s+", " ", _NUMBER.sub("#", text)) if MEASURED in cell.metadata.get("tags", []) else text


def differences(kept: NotebookNode, run: NotebookNode) -> Iterator[str]:
    """Yields lines about the cells that are in both notebooks and whose text, or number of pictures, differs."""
    before = {cell.id: cell for cell in code_cells(kept)}
    for now in code_cells(run):
        if (cell := before.get(now.id)) is None:
            continue
        if len(pictures(cell)) != len(pictures(now)):
            yield f"{now.id}: {len(pictures(now))} pictures instead of {len(pictures(cell))}"
        lines = difflib.unified_diff(*(text_of(one).splitlines() for one in (cell, now)), lineterm="", n=0)
        yield from (f"{now.id}: {line}" for line in lines if not line.startswith(("---", "+++", "@@")))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="beginnings of names; all notebooks if there is none")
    parser.add_argument("--check", action="store_true", help="write nothing, and list what has changed")
    options = parser.parse_args()
    changed = 0
    for path in sorted(HERE.glob("*.ipynb")):
        if not path.name.startswith(tuple(options.names) or ""):
            continue
        kept, notebook = nbformat.read(path, nbformat.NO_CONVERT), nbformat.read(path, nbformat.NO_CONVERT)
        with tempfile.TemporaryDirectory(prefix="ilsvrc-tfds-notebook-") as folder:
            clean(execute(notebook, Path(folder)), Path(folder))
        changes = list(differences(kept, notebook))
        changed += len(changes)
        print(f"{path.name}: {f'{len(changes)} lines differ' if changes else 'no text differs'}")
        if options.check:
            print(*(f"  {line}" for line in changes), sep="\n", end="")
        else:
            nbformat.write(notebook, path)
            print(f"  written, {path.stat().st_size / 1000:.0f} kB")
    return int(options.check and changed > 0)


def _joined(outputs: Iterable[NotebookNode]) -> list[NotebookNode]:
    """Returns the outputs, with texts that follow each other as one: how they were cut depends on the moment."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output.output_type == joined[-1].output_type == "stream":
            joined[-1].text += output.text
        elif output.get("text") != "":
            joined.append(output)
    return joined


def _cleaned(output: NotebookNode, cell: str, folder: Path) -> NotebookNode:
    if output.output_type == "stream":
        if output.name != "stdout":
            raise ValueError(f"{cell} has written to standard error: {output.text}")
        return nbformat.v4.new_output("stream", name="stdout", text=_portable(output.text, cell, folder))
    data = {}
    for kind, content in output.data.items():
        if kind == "image/png":
            data |= _picture(content)
        elif kind.startswith("text/") and not any(other.startswith("image/") for other in output.data):
            data[kind] = _portable(content, cell, folder)
    return nbformat.v4.new_output("display_data", data=data)


def _portable(text: str, cell: str, folder: Path) -> str:
    """Returns a text without colours, and with paths relative to the working folder."""
    text = _COLOUR.sub("", text)
    for root in {str(folder), str(folder.resolve())}:
        text = text.replace(f"{root}/", "").replace(root, ".")
    for foreign in (tempfile.gettempdir(), str(Path.home()), sys.prefix, str(HERE.parent)):
        if len(foreign) > 1 and foreign in text:
            raise ValueError(f"{cell} shows a path of this machine: {text}")
    return text


def _picture(content: str) -> dict[str, str]:
    """Returns a picture of moderate size: a chart as a PNG with a palette, and any other picture as a JPEG."""
    image = Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB")
    if image.width > _WIDTH:
        image = image.resize((_WIDTH, round(image.height * _WIDTH / image.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if _is_chart(image):
        image.quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    else:
        image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    kind = "image/png" if _is_chart(image) else "image/jpeg"
    return {kind: base64.b64encode(buffer.getvalue()).decode()}


def _is_chart(image: Image.Image) -> bool:
    """Returns whether few colours cover most of an image."""
    counts = sorted((count for count, _ in image.getcolors(image.width * image.height)), reverse=True)
    return sum(counts[:64]) > 0.85 * sum(counts)


if __name__ == "__main__":
    raise SystemExit(main())
