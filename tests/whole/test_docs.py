"""The README and the pages of docs/: each block of code runs on a miniature, and what they say of the package is complete."""

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import drawing
import pytest
from pages import BLOCKS, PAGES, ROOT, block_with, with_small

import ilsvrc_tfds
from ilsvrc_tfds import cli, pipeline, preprocess, synsets, training
from ilsvrc_tfds.cli.parser import COMMANDS, parse
from ilsvrc_tfds.sources import demo

SHELL = [block for block in BLOCKS if block.language == "sh"]
PYTHON = [block for block in BLOCKS if block.language == "python"]
OTHER_PROGRAMS = {
    ". .venv/bin/activate",
    "python -m pip",
    "python -m pytest",
    "python -m venv",
    "dask ",
    "export KERAS_",
    "hf download",
    "kaggle competitions",
    "mkdocs",
}
# Commands that are only parsed, and why.
PARSED = {
    "demo": "test_cli.py runs it",
    "train": "test_train.py runs it: this would be 90 epochs",
    "evaluate": "it needs the model of `train`",
    "bench": "test_bench.py runs it: 12 images are too few for its batches",
}
# Words of commands that are only parsed, and why.
PARSED_WITH = {
    "--runner": "test_engines.py runs such commands: these need a cluster",
    "//BUCKET/": "test_buckets.py runs such commands: these need a bucket",
}
KERAS = {
    "batch_size=128": "batch_size=4",
    "epochs=90": "epochs=2, verbose=0",
    "steps_per_epoch=10_009": "steps_per_epoch=1",
    "ResNet50": "MobileNetV2",  # which computes in a tenth of the time
}
# What is made small in a block that has the text.
SMALL = {
    "model.fit": KERAS,
    "ops=ops": {"batch_size=256": "batch_size=4"},
    "optax": {"batch_size=256": "batch_size=4", "epochs=90": "epochs=1"},
    "DataLoader": {"batch_size=128": "batch_size=4", "num_workers=8": "num_workers=2"},
}
# Blocks with the text that another test runs.
ELSEWHERE = {
    "MultiWorkerMirroredStrategy": "test_distributed.py",
    "DispatchServer": "test_tf_data_service_makes_batches",
    "WorkerServer": "test_tf_data_service_makes_batches",
    "DataLoader": "test_pytorch_reads_with_workers",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder like `/data`: a miniature as archives, prepared, as array_record, and its metadata."""
    folder = tmp_path_factory.mktemp("data")
    source = drawing.official_archives(folder / "imagenet", drawing.miniature())
    options = {"workers": 1, "allow_incomplete": True}
    for config in "classification", "raw256":
        ilsvrc_tfds.prepare(source, folder / "tfds", config=config, **options)
    ilsvrc_tfds.alias(folder / "tfds", config="raw256")
    shutil.copy(folder / "tfds/ilsvrc2012/raw256/1.0.0/metadata.h5", folder)
    if importlib.util.find_spec("array_record"):
        ilsvrc_tfds.prepare(source, folder / "arrays", config="raw256", file_format="array_record", **options)
    return folder


@pytest.fixture
def here(data, tmp_path, monkeypatch) -> Path:
    """A copy of that folder as the current directory, where incomplete sources are allowed, with the lists of the pages."""
    shutil.copytree(data, tmp_path / "data")
    for name, lines in {"imagenet100.txt": drawing.WNIDS[:2], "1percent.txt": ["n01440764_10.JPEG"]}.items():
        (tmp_path / name).write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ILSVRC2012_ALLOW_INCOMPLETE", "1")
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    return tmp_path


def run_python(code: str, here: Path) -> dict:
    """Runs a block, and returns its names."""
    names = {"__name__": "block"}
    exec(code.replace("/data/", f"{here}/data/"), names)
    return names


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_block_is_narrow_and_of_a_known_language(block):
    assert block.language in ("sh", "python", "json", "text")
    assert max(map(len, block.code.splitlines())) < 80


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_are_those_of_the_package(block):
    for words in block.commands():
        if words[0] == "ilsvrc-tfds":
            parse(words[1:])
        else:
            assert any(" ".join(words).startswith(program) for program in OTHER_PROGRAMS), words


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({block.page for block in SHELL}))
def test_commands_of_a_page_run_in_their_order(page, here, capfd):
    for block in SHELL:
        for words in block.commands() if block.page == page else ():
            if words[0] != "ilsvrc-tfds" or words[1] in PARSED:
                continue
            if any(text in word for text in PARSED_WITH for word in words):
                continue
            status = cli.main([word.replace("/data/", f"{here}/data/") for word in words[1:]])
            # The miniature is not complete, and `doctor` says so.
            assert status == (1 if words[1] == "doctor" else 0), (words, capfd.readouterr().err)


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in PYTHON if not any(text in b.code for text in ELSEWHERE)], ids=str)
def test_python_runs(block, here):
    for text, package in {
        "flax": "flax",
        "optax": "optax",
        "import grain": "grain",
        "/data/arrays": "array_record",
    }.items():
        if text in block.code:
            pytest.importorskip(package)
    code = block.code
    for text, replacements in SMALL.items():
        code = with_small(code, replacements) if text in code else code
    names = run_python(code, here)
    if "model.fit" in code:
        history = names["model"].history
        assert history.epoch == [0, 1]
        assert history.history["val_loss"][-1] == pytest.approx(6.9, abs=2)  # ln 1000: it has learnt nothing
    if "optax" in code:
        assert 0 < float(names["loss"]) < 20


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "pytorch-jax.md"])
def test_pytorch_reads_with_workers(page, here):
    pytest.importorskip("array_record")
    if not importlib.util.find_spec("torchvision"):
        pytest.skip("PyTorch and torchvision are not installed")
    code = with_small(block_with(page, "DataLoader").code, {**SMALL["DataLoader"], "/data/": f"{here}/data/"})
    code = with_small(code, {"        ...": "        print(tuple(images.shape), images.dtype, len(labels))"})
    (here / "script.py").write_text(code)
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines() == ["(4, 3, 224, 224) torch.uint8 4"] * 3, done.stderr


@pytest.mark.slow
def test_tf_data_service_makes_batches(here):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    ports = {"host:5050": f"localhost:{port}", "THIS:5051": "localhost:%port%", "port=5051": "port=0"}
    dispatcher = with_small(block_with("hosts.md", "DispatchServer").code, {"5050": port})
    worker = with_small(block_with("hosts.md", "WorkerServer").code, ports)
    keep = {"service.DispatchServer": "server = service.DispatchServer", ".join()": ""}
    servers = [run_python(with_small(dispatcher, keep), here)]
    keep = {"service.WorkerServer": "server = service.WorkerServer", ".join()": ""}
    servers.append(run_python(with_small(worker, keep), here))
    folder = here / "data/tfds/ilsvrc2012/raw256/1.0.0"
    batches = ilsvrc_tfds.for_training(folder, batch_size=4, epochs=1, service=f"grpc://localhost:{port}")
    assert sum(len(labels) for _, labels in batches) == 12
    del servers


def test_metadata_gives_the_images_of_a_class_and_no_padding(here):
    code, images = block_with("files.md", "per_class[0]").code, "train.image_filenames[rows[rows >= 0]]"
    assert images in code
    names = run_python(code, here)
    assert [Path(name).name[:9] for name in eval(images, names)] == ["n01440764"] * 4
    names = run_python(code.replace("per_class[0]", "per_class[2]"), here)  # of which the miniature has no image
    assert not len(eval(images, names))


@pytest.mark.slow
def test_output_is_as_the_page_shows_it(tmp_path, capsys):
    """But for numbers, which depend on the versions of Pillow and NumPy, and on the machine."""
    demo.draw(tmp_path / "source")
    ilsvrc_tfds.prepare(tmp_path / "source", tmp_path, config="raw256", workers=1, allow_incomplete=True)
    assert cli.main(["doctor", f"{tmp_path}/source", "--data-dir", str(tmp_path)]) == 1
    assert cli.main(["verify", f"{tmp_path}/ilsvrc2012/raw256/1.0.0"]) == 0
    printed = set(_without_numbers(capsys.readouterr().out))
    shown = [block.code for block in BLOCKS if (block.page, block.language) == ("checks.md", "text")]
    assert len(shown) == 2 and set(_without_numbers("".join(shown))) <= printed


def _without_numbers(text: str) -> list[str]:
    return [" ".join(re.sub(r"[\d.,]+( [kMG]?B)?", "N", line).split()) for line in text.splitlines()]


def test_class_names_are_those_of_the_pages():
    assert (
        ilsvrc_tfds.class_names()[0] == "tench, Tinca tinca" and ilsvrc_tfds.class_names()[134] == "crane (n02012849)"
    )
    assert synsets.index_of("n01491361") == 3 and synsets.synsets()[0].ilsvrc2012_id == 449
    assert "'tench, Tinca tinca'" in (ROOT / "README.md").read_text()


def test_links_of_the_readme_lead_somewhere():
    links = re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", (ROOT / "README.md").read_text())
    assert len(links) > 30
    assert [link for link in links if not link.startswith("https://") and not (ROOT / link).is_file()] == []


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().split()) < 1600


def test_table_of_commands_is_complete():
    named = re.findall(r"^\| `(\w+)(?= [A-Z\[]).*", (ROOT / "docs/commands.md").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(command.name for command in COMMANDS)


@pytest.mark.parametrize("module", [ilsvrc_tfds, pipeline, preprocess, training])
def test_api_page_names_all_that_is_public(module):
    named = set(re.findall(r"^::: .*\.(\w+)$", (ROOT / "docs/api.md").read_text(), re.MULTILINE))
    constants = {name for name in module.__all__ if name.isupper()}
    modules = {"errors", "metadata", "pipeline", "preprocess", "synsets", "training"}
    assert set(module.__all__) - constants - modules - {"IlsvrcError"} - named == set()


@pytest.mark.slow
def test_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("material", reason="the extra `docs` is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", ROOT / "docs/site/mkdocs.yml", "-d", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "api.html").read_text()
    assert "for_training" in page and "<blockquote>" not in page  # examples are code
    foreign = re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=\"https?://[^\"]+", page)
    assert foreign == []  # nothing is loaded from elsewhere


def test_pictures_are_small():
    pictures = [path for path in (ROOT / "docs/images").iterdir() if path.suffix == ".png"]
    assert pictures and all(path.stat().st_size < 600_000 for path in pictures)


def test_all_pages_are_looked_at():
    assert len(PAGES) > 15 and len(PYTHON) > 15 and len(SHELL) > 15
    assert all(any(text in block.code for block in PYTHON) for text in (*ELSEWHERE, *SMALL))
