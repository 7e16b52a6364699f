"""The README's training example, as it stands, on a miniature."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

README = Path(__file__).parents[2] / "README.md"


def test_batches_train_a_model_as_the_readme_says(prepare):
    section = README.read_text().partition("## Batches for training")[2]
    code = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    for real, small in {
        "/data/tfds/ilsvrc2012/raw256/1.0.0": str(prepare(config="raw256").data_dir),
        "batch_size=128": "batch_size=4",
        "epochs=90, steps_per_epoch=10_009": "epochs=2, steps_per_epoch=1, verbose=0",
        "ResNet50": "MobileNetV2",  # which computes in a tenth of the time
    }.items():
        assert real in code
        code = code.replace(real, small)
    names = {}
    exec(code, names)
    assert names["model"].history.epoch == [0, 1]
    assert names["model"].history.history["val_loss"][-1] == pytest.approx(6.9, abs=2)  # ln 1000: it has learnt nothing
