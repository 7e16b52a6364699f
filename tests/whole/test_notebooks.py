"""The notebooks run from beginning to end on the demo's images, each alone, and are kept without outputs."""

import ast
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

PATHS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@pytest.fixture(scope="module")
def look(tmp_path_factory):
    """`01_prepare_and_look.ipynb`, executed: values of its variables, and ids of the cells with a picture."""
    expressions = {
        "configs": "sorted(path.parent.name for path in WORK.glob('data/ilsvrc2012/*/1.0.0'))",
        "counts": "{split: int(counts.sum()) for split, counts in per_class.items()}",
        "shorter": "{config: rows[:, :2].min(axis=1).tolist() for config, rows in sizes.items()}",
        "problems": "[report.problems for report in sound.values()]",
        "damage": "damaged.problems",
    }
    return _executed(PATHS[0], tmp_path_factory.mktemp("look"), expressions)


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """`02_train_with_keras.ipynb`, executed where nothing is prepared, likewise."""
    expressions = {
        "history": "history.history['val_accuracy']",
        "accuracy": "float(accuracy)",
        "top": "probabilities[row, top].tolist()",
    }
    return _executed(PATHS[1], tmp_path_factory.mktemp("train"), expressions)


def test_notebooks_are_there():
    assert [path.name for path in PATHS] == ["01_prepare_and_look.ipynb", "02_train_with_keras.ipynb"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_notebook_is_kept_without_outputs(path):
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert notebook.metadata == METADATA
    assert not any(cell.metadata for cell in notebook.cells)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and not any(cell.outputs or cell.execution_count for cell in code)


def test_look_prepares_both_configs_and_finds_them_sound(look):
    values, _ = look
    assert values["configs"] == ["classification", "raw256"]
    assert values["counts"] == {"train": 480, "val": 160}
    assert values["problems"] == [(), ()]


def test_look_reads_the_sizes_of_the_images(look):
    shorter = look[0]["shorter"]
    assert len(shorter["raw256"]) == 480 and set(shorter["raw256"]) == {256}
    assert len(set(shorter["classification"])) > 100


def test_look_finds_the_byte_that_it_turned_over(look):
    assert any("train.tfrecord-00001-of-00002: record" in line and "checksum" in line for line in look[0]["damage"])


def test_look_draws_its_figures(look):
    assert look[1] == ["load", "histogram", "sizes", "sheet-train", "sheet-val"]


def test_train_learns_the_drawn_classes(train):
    values, _ = train
    assert len(values["history"]) == 10 and values["history"][-1] >= 0.85  # chance is 0.125
    assert values["accuracy"] == pytest.approx(values["history"][-1])


def test_train_shows_the_five_most_likely_classes(train):
    top = train[0]["top"]
    assert len(top) == 5 and top == sorted(top, reverse=True) and 0 < sum(top) <= 1.000001


def test_train_draws_its_figures(train):
    assert train[1] == ["ops-one", "ops-batch", "seeds", "curves", "predict"]


def _executed(path: Path, folder: Path, expressions: dict[str, str]) -> tuple[dict, list[str]]:
    """Returns what expressions are worth behind a notebook's last cell, and the ids of the cells that drew a picture.

    Args:
      path: of the notebook.
      folder: it runs there, and writes below it.
      expressions: each of a literal.
    """
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    question = nbformat.v4.new_code_cell(
        f"print({{{', '.join(f'{name!r}: {text}' for name, text in expressions.items())}}})"
    )
    notebook.cells.append(question)
    variables = {name: value for name, value in os.environ.items() if name != "ILSVRC2012_DIR"}
    variables |= {"ILSVRC_TFDS_NOTEBOOKS": "work", "IPYTHONDIR": str(folder / "ipython")}
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute(env=variables)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    drawn = [cell.id for cell in code if any("image/png" in output.get("data", ()) for output in cell.outputs)]
    answer = "".join(output.text for output in question.outputs if output.name == "stdout")
    return ast.literal_eval(answer), drawn
