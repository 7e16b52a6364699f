"""The notebooks run on the demo's images, each alone, and the outputs that are kept are those of their cells."""

import ast
import functools
import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

from ilsvrc_tfds import synsets

HERE = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(HERE.glob("*.ipynb"))
LOOK, TRAIN, HUB = PATHS
MOST_BYTES = 1_000_000
HAS_TORCH = importlib.util.find_spec("torch") is not None

slow = pytest.mark.slow
each = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)


@functools.cache
def run():
    """`notebooks/run.py`, as a module."""
    spec = importlib.util.spec_from_file_location("notebooks_run", HERE / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def kept(path):
    return nbformat.read(path, nbformat.NO_CONVERT)


def executed(path: Path, folder: Path, expressions: dict[str, str], without: str | None = None) -> tuple[dict, list]:
    """Returns what expressions are worth after a notebook's last cell, and what differs from its kept outputs.

    Args:
      path: of the notebook.
      folder: it runs there, and writes below it.
      expressions: each of a literal.
      without: tag of the cells that are left out.
    """
    notebook = run().without(kept(path), without) if without else kept(path)
    question = f"print({{{', '.join(f'{name!r}: {text}' for name, text in expressions.items())}}})"
    notebook.cells.append(nbformat.v4.new_code_cell(question))
    run().clean(run().execute(notebook, folder), folder)
    answer = "".join(output.text for output in notebook.cells.pop().outputs)
    return ast.literal_eval(answer), list(run().differences(kept(path), notebook))


def test_notebooks_are_there():
    names = ["01_prepare_and_look", "02_train_with_keras", "03_from_hugging_face_to_jax_and_pytorch"]
    assert [path.stem for path in PATHS] == names


@each
def test_notebook_is_kept_with_the_outputs_of_its_cells(path):
    notebook = kept(path)
    nbformat.validate(notebook)
    digest = notebook.metadata.pop("ilsvrc_tfds")["sources"]
    assert digest == run().digest_of(notebook), f"cells were changed: python notebooks/run.py {path.name[:2]}"
    assert notebook.metadata == run().METADATA
    code = run().code_cells(notebook)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


@each
def test_notebook_keeps_nothing_of_the_machine(path):
    outputs = [output for cell in run().code_cells(kept(path)) for output in cell.outputs]
    texts = [output.get("text", output.get("data", {}).get("text/plain", "")) for output in outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data"}
    assert {output.name for output in outputs if output.output_type == "stream"} == {"stdout"}
    assert not any(
        re.search(r"(?<![\w.])/(tmp|home|root|usr|work|var|Users)\b| at 0x|\x1b|\d\d:\d\d", text) for text in texts
    )
    assert all(set(cell.metadata) <= {"tags"} for cell in kept(path).cells)
    assert path.stat().st_size < MOST_BYTES


@each
def test_notebook_says_what_one_sees_and_where_to_go_on(path):
    cells = [cell.source for cell in kept(path).cells if cell.cell_type == "markdown"]
    headings = [line[3:] for text in cells for line in text.splitlines() if line.startswith("## ")]
    linked = re.findall(r"\]\(#([^)]*)\)", cells[0])
    assert "**You will see**" in cells[0] and linked == [heading.replace(" ", "-") for heading in headings]
    assert headings[-1] == "What to read next"
    assert all((HERE / name).exists() for text in cells for name in re.findall(r"\]\((\w+\.ipynb)\)", text))


def test_clean_refuses_noise_and_paths(tmp_path):
    for output, match in (
        (
            nbformat.v4.new_output("stream", name="stderr", text="I0000 oneDNN"),
            "a has written to standard error: I0000",
        ),
        (
            nbformat.v4.new_output("stream", name="stdout", text=str(Path.home() / "x")),
            "a shows a path of this machine",
        ),
    ):
        cell = nbformat.v4.new_code_cell("f()", id="a", outputs=[output])
        with pytest.raises(ValueError, match=match):
            run().clean(nbformat.v4.new_notebook(cells=[cell]), tmp_path)


def test_clean_makes_paths_relative_and_joins_texts(tmp_path):
    texts = [f"{tmp_path}/data\n", "\x1b[31mred\x1b[0m\n"]
    outputs = [nbformat.v4.new_output("stream", name="stdout", text=text) for text in texts]
    cell = nbformat.v4.new_code_cell("f()", id="a", outputs=outputs)
    run().clean(nbformat.v4.new_notebook(cells=[cell]), tmp_path)
    assert [output.text for output in cell.outputs] == ["data\nred\n"]


def test_differences_ignore_only_the_numbers_of_measured_cells():
    def notebook(text, *tags):
        output = nbformat.v4.new_output("stream", name="stdout", text=text)
        cell = nbformat.v4.new_code_cell("f()", id="a", outputs=[output], metadata={"tags": tags} if tags else {})
        return nbformat.v4.new_notebook(cells=[cell])

    assert list(run().differences(notebook("loss 0.5"), notebook("loss 0.51"))) == ["a: -loss 0.5", "a: +loss 0.51"]
    assert not list(run().differences(notebook("loss 0.5", "measured"), notebook("loss 10.51e-3", "measured")))
    assert list(run().differences(notebook("loss 0.5", "measured"), notebook("lost 0.5", "measured")))


@slow
def test_look_runs_and_gives_the_outputs_that_are_kept(tmp_path):
    expressions = {
        "configs": "sorted(path.parent.name for path in DATA_DIR.glob('ilsvrc2012/*/1.0.0'))",
        "counts": "{split: int(counts.sum()) for split, counts in per_class.items()}",
        "shorter": "{config: rows[:, :2].min(axis=1).tolist() for config, rows in sizes.items()}",
        "problems": "[report.problems for report in sound.values()]",
        "damage": "damaged.problems",
    }
    values, differences = executed(LOOK, tmp_path, expressions)
    assert differences == []
    assert values["configs"] == ["classification", "raw256"]
    assert values["counts"] == {"train": 480, "val": 160}
    assert len(values["shorter"]["raw256"]) == 480 and set(values["shorter"]["raw256"]) == {256}
    assert len(set(values["shorter"]["classification"])) > 100
    assert values["problems"] == [(), ()]
    assert any("train.tfrecord-00001-of-00002: record" in line and "checksum" in line for line in values["damage"])


@slow
def test_train_runs_and_gives_the_outputs_that_are_kept(tmp_path):
    expressions = {
        "history": "history.history['val_accuracy']",
        "accuracy": "float(accuracy)",
        "rows": "[shares.sum(axis=1).round(6).tolist() for shares in matrices.values()]",
        "diagonal": "float(np.diag(matrices['In colour']).mean())",
        "top": "probabilities[row, top].tolist()",
    }
    values, differences = executed(TRAIN, tmp_path, expressions)
    assert differences == []
    assert len(values["history"]) == 10 and values["history"][-1] >= 0.85  # chance is 0.125
    assert values["accuracy"] == pytest.approx(values["history"][-1])
    assert values["rows"] == [[1.0] * 8] * 2
    assert values["diagonal"] == pytest.approx(values["accuracy"])  # each class has 20 images
    top = values["top"]
    assert len(top) == 5 and top == sorted(top, reverse=True) and 0 < sum(top) <= 1.000001


@slow
def test_hub_runs_without_pytorch_and_gives_the_outputs_that_are_kept(tmp_path):
    pytest.importorskip("flax", reason="flax is not installed; it needs Python 3.11")
    expressions = {
        "classes": "len(CLASSES)",
        "files": "sorted(path.name for path in folder.glob('*array_record*'))",
        "learned": "([float(loss) for loss in jax_losses], float(jax_accuracy))",
        "parquet": "str(paths[0])",
    }
    values, differences = executed(HUB, tmp_path, expressions, without=run().PYTORCH)
    assert differences == []
    assert values["classes"] == 8
    assert values["files"] == [f"ilsvrc2012-{split}.array_record-00000-of-00001" for split in ("train", "val")]
    assert_learned(*values["learned"])
    assert_datasets_reads(tmp_path / values["parquet"], tmp_path / "cache")


@slow
@pytest.mark.skipif(not HAS_TORCH, reason="torch is not installed; the kept outputs were made with it")
def test_hub_runs_with_pytorch(tmp_path):
    values, differences = executed(HUB, tmp_path, {"learned": "(torch_losses, float(torch_accuracy))"})
    assert differences == []
    assert_learned(*values["learned"])


def assert_learned(losses, accuracy):
    assert len(losses) == 60 and sum(losses[-10:]) < 0.5 * sum(losses[:10])
    assert accuracy >= 0.85  # chance is 0.125


def assert_datasets_reads(path, cache):
    """The parquet files are like those that the library `datasets` writes: it finds image and class in them."""
    import datasets

    data = datasets.Dataset.from_parquet(str(path), cache_dir=str(cache))
    assert isinstance(data.features["image"], datasets.Image) and data.features["label"].num_classes == 1000
    example = data[0]
    wnid = synsets.wnids()[example["label"]]
    assert example["image"].width >= 180 and data.with_format("arrow")[0]["image"][0]["path"].as_py().endswith(
        f"_{wnid}.JPEG"
    )
