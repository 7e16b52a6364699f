"""Scores on evaluation sets, compared with an evaluation in plain Pillow and NumPy of the same model."""

import io
import json
import os

import drawing
import numpy as np
import plain_evaluation as plain
import pytest

from ilsvrc_tfds import synsets, training
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import OptionError, SourceError
from ilsvrc_tfds.pipeline.sets.published import ALEXNET_ERRORS, PUBLISHED
from ilsvrc_tfds.training import evaluation_sets
from ilsvrc_tfds.training.evaluation_sets import row_of_data
from ilsvrc_tfds.training.set_scores import PartScores, SetScores, table

pytestmark = pytest.mark.slow

WNIDS = synsets.wnids()


@pytest.fixture(scope="module")
def model():
    return plain.model()


def encoded(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def pictures(count, seed=0):
    """Returns pictures of many forms: landscape and portrait, grey, CMYK, progressive, tiny; PNG, WebP, GIF and BMP."""
    odd = [
        drawing.jpeg(90, 60, "L", seed=seed),
        drawing.jpeg(61, 88, "CMYK", seed=seed),
        drawing.jpeg(70, 70, progressive=True, seed=seed),
        drawing.jpeg(1, 9, seed=seed),
        drawing.png(64, 48, "RGB", seed),
        drawing.png(64, 48, "RGBA", seed),
        encoded(drawing.picture(60, 50, seed=seed), "WEBP", lossless=True),
        encoded(drawing.picture(60, 50, "P", seed=seed), "GIF"),
        encoded(drawing.picture(50, 60, seed=seed), "BMP"),
    ]
    rng = np.random.default_rng(seed)
    sizes = rng.integers(40, 120, (count - len(odd), 2)).tolist()
    return [*odd, *(drawing.jpeg(*size, seed=seed * 1000 + number) for number, size in enumerate(sizes))]


def framed(seed):
    """Returns a picture of 224 x 224 pixels whose frame, which the usual crop would remove, matters to the model."""
    image = drawing.picture(224, 224, seed=seed)
    inner = image.crop((14, 14, 210, 210))
    image.paste(tuple(np.random.default_rng(seed).choice([0, 255], 3).tolist()), (0, 0, 224, 224))
    image.paste(inner, (14, 14))
    return encoded(image, "JPEG", quality=90)


def laid_out(folder, images, best, classes, name_of):
    """Writes each image into the folder of a class by hand, so that a third is right at once and a third in the five.

    Returns the shares of the images whose folder is that of the best class, and of one of the five best.
    """
    labels = []
    for number, (data, five) in enumerate(zip(images, best, strict=True)):
        other = next(c for c in classes if c not in five)
        labels.append(int((five[0], five[3], other)[number % 3]))
        drawing.evaluation_folders(folder, {name_of(labels[-1]): {f"{number}.jpg": data}})
    right = np.array(best) == np.array(labels)[:, None]
    return right[:, 0].mean(), right.any(1).mean()


@pytest.mark.parametrize(
    ("kind", "name_of"),
    [("a", WNIDS.__getitem__), ("r", WNIDS.__getitem__), ("sketch", WNIDS.__getitem__), ("v2", str)],
)
def test_accuracy_is_that_of_a_plain_evaluation(kind, name_of, model, tmp_path):
    images, classes = pictures(60, seed=ord(kind[0])), PUBLISHED[kind].classes
    scores = plain.logits(model, [plain.cropped(data) for data in images])
    best = plain.ranked(scores, classes)
    expected = laid_out(tmp_path / f"imagenet-{kind}", images, best, classes, name_of)
    sets = {kind: tmp_path / f"imagenet-{kind}"}
    (row,) = training.evaluate_on(sets, model, allow_incomplete=True, batch_size=7)
    assert (row.images, row.classes, row.title) == (60, len(classes), PUBLISHED[kind].title)
    assert (row.top1, row.top5) == pytest.approx(expected, abs=1e-12) and expected == (20 / 60, 40 / 60)
    if len(classes) == 200:  # with all 1000 logits the answer would be another one
        assert np.mean(plain.ranked(scores)[:, 0] == best[:, 0]) < 0.5


def test_real_is_the_authors_formula(model, prepare, images, tmp_path):
    prepared = prepare(config="raw256").data_dir
    names, lists = sorted(images.val), [[] for _ in range(50_000)]
    raw = {example["file_name"]: example["image"] for example in _records(prepared)}
    best = plain.ranked(plain.logits(model, [plain.cropped(raw[name.encode()]) for name in names]))[:, 0]
    for number, (name, pred) in enumerate(zip(names, best.tolist(), strict=True)):
        wrong = [label for label in (3, 5, 7) if label != pred]
        # Of six images, one has no label, three are right, and two are wrong.
        lists[synsets.validation_number(name.encode()) - 1] = [
            [],
            [pred],
            [pred, *wrong],
            wrong,
            [*wrong, pred],
            wrong[:1],
        ][number]
    (tmp_path / "real.json").write_text(json.dumps(lists))
    # google-research/reassessed-imagenet: images are found by the numbers in their names.
    real_labels = {f"ILSVRC2012_val_{i + 1:08d}.JPEG": labels for i, labels in enumerate(lists)}
    is_correct = [pred in real_labels[name] for name, pred in zip(names, best) if real_labels[name]]
    sets, words = {"real": tmp_path / "real.json"}, {"data": prepared, "allow_incomplete": True, "batch_size": 4}
    val, real = training.evaluate_on(sets, model, **words)
    assert (real.top1, real.top5, real.images) == (np.mean(is_correct), None, 5) and np.mean(is_correct) == 0.6
    assert real.left_out == 1 and table([real]).endswith("real: 1 image without a right class does not count")
    assert val.name == "val" and val.images == 6
    assert training.evaluate_on({"real": tmp_path}, model, **words)[1].parts == real.parts  # the folder of the file
    assert training.evaluate_on(sets, model, data=prepared)[1].missing  # as it was allowed when the set was made
    with pytest.raises(OptionError, match="real.json needs the validation images: name a prepared"):
        training.evaluate_on(sets, model)
    for broken, message in (
        (lists[1:], "has 49,999 entries, expected 50,000 lists"),
        ([*lists[1:], [1000]], r"entry 49,999 is \[1000\], expected a list of class indices"),
        ([*lists[1:], 7], "entry 49,999 is 7"),
        ([*lists[1:], [True]], r"entry 49,999 is \[True\]"),
        ({"a": 1}, "has no list, expected 50,000"),
        ([[]] * 50_000, "only empty lists"),
    ):
        (tmp_path / "real.json").write_text(json.dumps(broken))
        with pytest.raises(SourceError, match=message):
            training.evaluate_on(sets, model, **words)


def _records(folder):
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(folder)
    return tfds.as_numpy(builder.as_dataset(split="val", decoders={"image": tfds.decode.SkipDecoding()}))


def test_corruptions_are_not_cropped_and_their_means_are_those_of_the_paper(tmp_path):
    """Two severities of a corruption with different numbers of images: the mean is over severities, not over images."""
    model, places = plain.model(224), {"fog/1": 3, "fog/4": 2, "snow/2": 2, "saturate/5": 1}
    expected = {}
    for number, (place, count) in enumerate(places.items()):
        images = [framed(10 * number + k) for k in range(count)]
        best = plain.ranked(plain.logits(model, [plain.decoded(data) for data in images]))
        assert (
            not (plain.ranked(plain.logits(model, [plain.cropped(data, 224) for data in images])) == best).all(1).any()
        )
        expected[place] = laid_out(tmp_path / place, images, best, range(1000), WNIDS.__getitem__)
    (row,) = training.evaluate_on({"c": tmp_path}, model, allow_incomplete=True, batch_size=2)
    assert {part.name: (part.top1, part.top5) for part in row.parts} == expected
    fog = np.mean([expected["fog/1"], expected["fog/4"]], axis=0)
    np.testing.assert_allclose((row.top1, row.top5), np.mean([fog, expected["snow/2"]], axis=0))
    assert row.images == 8 and row.mce is None and row.mean_error == pytest.approx(1 - row.top1)


def test_mce_is_the_formula_of_augmix():
    """`compute_mce` of google-research/augmix, of whose authors one made ImageNet-C."""
    rng = np.random.default_rng(1)
    correct = {name: rng.integers(0, 1000, 5).tolist() for name in [*ALEXNET_ERRORS, "spatter"]}
    parts = [PartScores(f"{name}/{k + 1}", 1000, n, n) for name, row in correct.items() for k, n in enumerate(row)]
    row = SetScores("c", "ImageNet-C", "c", 1000, tuple(parts), tuple(ALEXNET_ERRORS.items()))
    mce = 0.0
    for name, alexnet in ALEXNET_ERRORS.items():
        avg_err = 1 - np.mean([n / 1000 for n in correct[name]])
        ce = 100 * avg_err / alexnet
        mce += ce / 15
    assert row.mce * 100 == pytest.approx(mce)
    lines = table([row]).splitlines()
    assert (
        lines[-2]
        == f"c: mean error {row.mean_error:.2%} over 15 corruptions, not normalized; mCE {row.mce:.2%} of AlexNet's errors"
    )
    assert [line.split()[0] for line in lines[3:18]] == list(ALEXNET_ERRORS) and lines[18].startswith("  spatter *")


def test_command_prints_one_table_and_writes_the_same_numbers(model, prepare, tmp_path, capsys, caplog):
    model.save(tmp_path / "m.keras")
    prepared = str(prepare(config="raw256").data_dir)
    a = drawing.few_of_imagenet_a(tmp_path / "imagenet-a")
    v2 = drawing.evaluation_folders(
        tmp_path / "my v2", {"0": {"a.jpg": drawing.jpeg()}, "10": {"b.jpeg": drawing.jpeg()}}
    )
    words = ["evaluate", prepared, "--model", str(tmp_path / "m.keras"), "--allow-incomplete"]
    capsys.readouterr()
    assert main([*words, "--on", f"v2={v2}", f"mine={a}", "--json", str(tmp_path / "s.json")]) == 0
    said = capsys.readouterr()
    *lines, note, other, place = said.out.splitlines()
    assert (note, other) == ("v2: the set is not complete", "mine: the set is not complete")
    assert place == f"{tmp_path}/s.json: the exact scores as JSON"
    assert len({len(line) for line in lines}) == 1 and lines[0].split() == ["set", "images", "top-1", "top-5"]
    assert [line.split()[:2] for line in lines[2:]] == [["val", "6"], ["v2", "2"], ["mine", "6"]]
    scores = json.loads((tmp_path / "s.json").read_text())
    numbers = [f"{row['top1']:.2%} {row['top5']:.2%}" for row in scores["sets"]]
    assert numbers == [" ".join(line.split()[2:]) for line in lines[2:]]
    assert "2 images, expected 10,000" in scores["sets"][1]["missing"] and "missing" not in scores["sets"][0]
    assert scores["sets"][2]["title"] == "ImageNet-A" and scores["sets"][2]["classes"] == 200
    assert "v2: ImageNet-V2 in" in caplog.text and "--json" not in said.err
    assert main(["evaluate", *words[2:], "--on", f"a={a}"]) == 0
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 4 and f"--on a={a} --json scores.json" in said.err
    assert main([*words, "--json", str(tmp_path / "v.json")]) == 0
    assert json.loads((tmp_path / "v.json").read_text())["sets"][0]["images"] == 6
    assert capsys.readouterr().out.splitlines()[0].split() == ["set", "images", "top-1", "top-5", "loss", "ECE"]


def test_data_are_evaluated_on_the_devices_of_the_sets(model, prepare, tmp_path, monkeypatch):
    found = []
    scores = training.Scores(examples=6, loss=1.0, top1=0.5, top5=1.0)
    monkeypatch.setattr(evaluation_sets, "evaluate", lambda *_, devices, **__: found.append(devices) or scores)
    a = drawing.few_of_imagenet_a(tmp_path / "imagenet-a")
    data = prepare(config="raw256").data_dir
    training.evaluate_on({"a": a}, model, data=data, devices=1, allow_incomplete=True)
    assert found == [1], "None would be all devices of the machine"


def test_corrupted_images_are_only_resized_for_a_model_of_another_size(tmp_path, model):
    images = [framed(k) for k in range(3)]
    best = plain.ranked(plain.logits(model, [plain.resized(plain.decoded(data), 32) for data in images]))
    expected = laid_out(tmp_path / "fog/1", images, best, range(1000), WNIDS.__getitem__)
    (row,) = training.evaluate_on({"c": tmp_path}, model, allow_incomplete=True)
    assert (row.top1, row.top5) == expected


def test_wrong_sets_models_and_names_are_refused(model, tmp_path, capsys):
    a = drawing.few_of_imagenet_a(tmp_path / "imagenet-a")
    with pytest.raises(OptionError, match="v2=.*imagenet-a is ImageNet-A, and not ImageNet-V2. Name it a="):
        training.evaluate_on({"v2": a}, model, allow_incomplete=True)
    with pytest.raises(OptionError, match=r"need a model with 1000 outputs, .* but small has \(None, 10\)"):
        training.evaluate_on({"a": a}, training.build_model("small", num_classes=10), allow_incomplete=True)
    for words, message in (
        ([], "Name the data set to evaluate (DATA), or evaluation sets"),
        (["--on", f"a={a}", f"a={a}"], "Two rows would have the name 'a'"),
        (["D", "--on", f"val={a}"], "Two rows would have the name 'val'"),
    ):
        assert main(["evaluate", *words, "--model", "m.keras"]) == 1
        assert message in capsys.readouterr().err


@pytest.mark.parametrize("word", ["a", "=x", "a=", ""])
def test_set_without_a_name_or_path_is_wrong_usage(word, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", "--model", "m.keras", "--on", word])
    assert f"expected NAME=PATH, such as a=/data/imagenet-a, got {word!r}" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "gone"])
def test_broken_image_is_an_error_that_names_it(damage, model, tmp_path):
    a = drawing.few_of_imagenet_a(tmp_path / "imagenet-a")
    path = a / WNIDS[11] / "0.1_11.jpg"
    data = {"cut": drawing.jpeg(400, 300)[:2000], "text": b"<html>404", "empty": b"", "gone": b""}[damage]
    path.write_bytes(data)
    if damage == "gone":
        path.unlink()
        path.symlink_to(tmp_path / "nowhere.jpg")
    with pytest.raises(SourceError, match=r"n01531178/0\.1_11\.jpg.*(decoded|JPEG|not a JPEG|link to)"):
        training.evaluate_on({"a": a}, model, allow_incomplete=True)


def test_broken_image_with_a_name_that_is_no_text_is_named(model, tmp_path):
    folder = drawing.few_of_imagenet_a(tmp_path / "imagenet-a") / WNIDS[6]
    with open(os.path.join(os.fsencode(folder), b"\xff.jpg"), "wb") as file:
        file.write(b"x")
    with pytest.raises(SourceError, match=r"imagenet-a/n01498041/\\udcff.jpg'?: not a JPEG, PNG, WebP, GIF or BMP"):
        training.evaluate_on({"a": tmp_path / "imagenet-a"}, model, allow_incomplete=True)


def test_row_of_data_keeps_the_counts():
    assert row_of_data("val", "d", training.Scores(50_000, 1.0, 0.76132, 0.92862)).parts[0].correct == 38_066


def test_sets_before_a_damaged_image_keep_their_rows(model, tmp_path, capsys, monkeypatch):
    from ilsvrc_tfds.cli import main

    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    model.save(tmp_path / "model.keras")
    good, bad = (drawing.few_of_imagenet_a(tmp_path / name / "imagenet-a") for name in ("good", "bad"))
    (bad / WNIDS[11] / "0.1_11.jpg").write_bytes(b"<html>404")
    words = ["--model", str(tmp_path / "model.keras"), "--allow-incomplete", "--json", str(tmp_path / "scores.json")]
    assert main(["evaluate", *words, "--on", f"first={good}", f"second={bad}", f"third={good}"]) == 1
    said = capsys.readouterr()
    assert said.out.splitlines()[2].startswith("first ") and "second" not in said.out
    assert "ilsvrc-tfds: second: " in said.err and "0.1_11.jpg" in said.err
    assert [row["set"] for row in json.loads((tmp_path / "scores.json").read_text())["sets"]] == ["first"]
