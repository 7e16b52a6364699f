"""`--json`: one document on standard output, as docs/json.md describes it; and `--quiet`."""

import errno
import functools
import json
import re
import signal
from pathlib import Path

import pytest

from ilsvrc_tfds.cli import _last_words_of_all, main
from ilsvrc_tfds.cli.commands import trying
from ilsvrc_tfds.cli.parser import COMMANDS, parse
from ilsvrc_tfds.cli.signals import Terminated
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.terminal.console import console

PAGE = (Path(__file__).parents[2] / "docs/json.md").read_text()
REPORTING = [command.name for command in COMMANDS if command.reports]


@pytest.fixture(autouse=True)
def one_core(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")


@pytest.fixture
def run(capsys):
    """Runs a command with `--json` and returns its document."""

    def run_command(*words, status: int = 0) -> dict:
        assert main([*map(str, words), "--json"]) == status
        return json.loads(capsys.readouterr().out)

    return run_command


def described(command: str) -> set[str]:
    """The keys that the page lists for a command; those of a list's elements as `splits[].split`."""
    _, _, section = PAGE.partition(f"\n## `{command}`\n")
    rows = re.findall(r"^\| `([^`]+)` \|", section.partition("\n## ")[0], re.M)
    assert rows, command
    return set(rows)


def keys(values: dict) -> set[str]:
    found = set(values) - {"schema", "command", "ok", "next"}
    for key, value in values.items():
        if key != "next" and isinstance(value, list) and value and isinstance(value[0], dict):
            found |= {f"{key}[].{inner}" for inner in keys(value[0])}
    return found


def test_documents_are_as_the_page_describes_them(archives, tmp_path, run):
    data, out = tmp_path / "data", tmp_path / "out"
    folder = data / "ilsvrc2012/classification/1.0.0"
    documents = [
        run("doctor", archives, "--data-dir", data, status=1),
        run("prepare", archives, "--data-dir", data, "--allow-incomplete"),
        run("verify", folder),
        run("show", folder, "--num", "2", "--out", tmp_path / "sheet.png"),
        run("export", folder, "--out", out, "--allow-incomplete"),
        run("index", out),
        run("unpack", folder, "--out", tmp_path / "files"),
        run("metadata", archives, "--out", tmp_path / "m.h5"),
        run("alias", data),
    ]
    assert {document["command"] for document in documents} == set(REPORTING) - {"demo", "train"}
    for document in documents:
        assert keys(document) == described(document["command"])
        assert document["schema"] == 1 and document["ok"] == (document["command"] != "doctor")
        assert all(step.keys() == {"purpose", "line"} for step in document["next"])
    doctor, prepared, verified, shown = documents[:4]
    assert doctor["splits"][0]["images"] == 12 and len(doctor["splits"][0]["missing_classes"]) == 997
    assert doctor["splits"][2] == {**doctor["splits"][2], "images": None, "state": "not needed"}
    assert prepared["data_sets"][0]["splits"][1]["examples"] == 6
    assert verified["splits"][0] == {**verified["splits"][0], "split": "train", "records": 12}
    assert verified["problems"] == [] and verified["digests_compared"]
    assert [record["split"] for record in [shown]] == ["train"] and len(shown["records"]) == 2


def test_error_is_a_document_too(tmp_path, capsys):
    assert main(["verify", str(tmp_path / "nowhere"), "--json"]) == 1
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert (found["command"], found["ok"]) == ("verify", False)
    assert said.err == f"ilsvrc-tfds: {found['error']}\n"


def test_interrupt_and_bug_are_documents_too(tmp_path, capsys, monkeypatch):
    for error, status in ((KeyboardInterrupt(), 130), (Terminated(), 143), (OSError(errno.EMFILE, "Too many"), 1)):
        monkeypatch.setattr("ilsvrc_tfds.verify", raising(error))
        assert main(["verify", str(tmp_path), "--json"]) == status
        said = capsys.readouterr()
        assert said.err == f"ilsvrc-tfds: {json.loads(said.out)['error']}\n" and not json.loads(said.out)["ok"]
    monkeypatch.setattr("ilsvrc_tfds.verify", raising(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        main(["verify", str(tmp_path), "--json"])
    assert json.loads(capsys.readouterr().out)["error"] == "ZeroDivisionError: a bug"


def test_interrupt_after_the_document_does_not_add_another(prepare, capsys, monkeypatch):
    monkeypatch.setattr("ilsvrc_tfds.cli.results.say_next", raising(KeyboardInterrupt()))
    assert main(["verify", str(prepare().data_path), "--json", "--workers", "1"]) == 130
    assert json.loads(capsys.readouterr().out)["ok"]


def test_document_is_there_if_the_main_thread_never_comes_back(capsys):
    options = parse(["train", "ilsvrc2012/raw256", "--json"])
    assert _last_words_of_all(options, signal.SIGTERM).startswith("Terminated.")
    assert json.loads(capsys.readouterr().out)["error"].startswith("Terminated.")


def raising(error: BaseException):
    """Returns a function that raises an error."""

    def function(*args, **options):
        raise error

    return function


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    from ilsvrc_tfds import training

    path = tmp_path_factory.mktemp("model") / "model.keras"
    training.build_model("small", image_size=32).save(path)
    return path


@pytest.mark.slow
def test_documents_of_bench_evaluate_and_report(prepare, model, tmp_path, run, capsys):
    data = prepare(config="raw256").data_dir
    bench = run("bench", data, "--seconds", "0.01", "--batch-size", "2")
    assert keys(bench) >= {"stages", "bound", "steady"} and bench["command"] == "bench" and bench["next"]
    page = tmp_path / "report.html"
    report = run("report", data, "--out", page)
    assert report["page"] == str(page) and report["images"] == 18 and [step["line"] for step in report["next"]]
    words = ["evaluate", data, "--model", model]
    scores = run(*words)
    assert scores["sets"][0]["images"] == 6 and scores["ok"] and scores["next"]
    with_page = run(*words, "--report", tmp_path / "evaluation.html")
    assert with_page["page"] == str(tmp_path / "evaluation.html") and "calibration" in with_page["sets"][0]
    capsys.readouterr()
    assert main([*map(str, words), "--json", str(tmp_path / "scores.json")]) == 0
    written = json.loads((tmp_path / "scores.json").read_text())
    assert (written["schema"], written["command"]) == (1, "evaluate") and capsys.readouterr().out.startswith("set ")
    assert written["sets"] == scores["sets"]


@pytest.mark.slow
def test_scores_are_printed_if_their_page_fails(prepare, model, tmp_path, capsys, monkeypatch):
    from ilsvrc_tfds import training

    def fail(*arguments):
        raise SourceError("the shards are gone")

    monkeypatch.setattr(training, "write_report", fail)
    words = ["evaluate", str(prepare(config="raw256").data_dir), "--model", str(model)]
    words += ["--report", str(tmp_path / "page.html")]
    assert main(words) == 1
    assert capsys.readouterr().out.startswith("set ")
    assert main([*words, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["ok"], document["error"], document["sets"][0]["images"]) == (False, "the shards are gone", 6)


def test_quiet_prints_the_result_and_nothing_else(archives, tmp_path, capfd, caplog):
    words = ["prepare", str(archives), "--data-dir", str(tmp_path), "--allow-incomplete", "--quiet"]
    try:
        assert main(words) == 0
        said = capfd.readouterr()
        assert said.out.count("\n") == 2 and said.err == ""
        assert main(["verify", str(tmp_path / "nowhere"), "--quiet"]) == 1
        assert capfd.readouterr().err.startswith("ilsvrc-tfds: ")
    finally:
        console().quiet = False


@pytest.mark.slow
def test_document_of_the_demo_names_what_it_made(tmp_path, monkeypatch, run):
    monkeypatch.setattr(trying, "draw", functools.partial(trying.draw, train_per_class=2, val_per_class=1))
    found = run("demo", tmp_path / "demo")
    assert {key for key in keys(found) if "[]" not in key} == described("demo")
    assert [made["name"] for made in found["data_sets"]] == ["ilsvrc2012/classification", "ilsvrc2012/raw256"]
    assert Path(found["contact_sheet"]).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_document_of_a_training_has_its_epochs(prepare, tmp_path, run):
    recipe = ["--image-size", "32", "--epochs", "2", "--batch-size", "4", "--learning-rate", "0.01"]
    out = tmp_path / "run"
    found = run("train", prepare(config="raw256").data_dir, "--model", "small", *recipe, "--out", out)
    assert keys(found) == described("train") and [row["epoch"] for row in found["epochs"]] == [0, 1]
    assert found["model"] == str(out / "model.keras") and Path(found["curves"]).exists()
    accuracies = [row["val_top1"] for row in found["epochs"]]
    assert accuracies[found["best_epoch"] - 1] == max(accuracies)
