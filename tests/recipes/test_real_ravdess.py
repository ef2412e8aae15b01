"""On real audio, where the environment variable SER_MTL_DATA names it."""

import os
from pathlib import Path

import pytest
import ruamel.yaml
import torch
from hyperpyyaml import load_hyperpyyaml
from tiny_ravdess import RECIPE

from ser_mtl_modules.augment.views import AsIs
from ser_mtl_modules.dataio.audio import read_audio
from ser_mtl_modules.training.settings import override

DATA = Path(os.environ.get("SER_MTL_DATA", "nowhere"))
ORIGINALS = sorted((DATA / "RAVDESS_48k_excerpt").rglob("*.wav"))

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not ORIGINALS, reason="SER_MTL_DATA has no RAVDESS"),
]


def pairs():
    """Originals at 48 kHz, some in stereo, and their 16 kHz mono versions."""
    for original in ORIGINALS:
        packed = DATA / "RAVDESS" / original.parent.name / original.stem
        yield original, packed.with_suffix(".flac")


def test_originals_become_what_another_good_resampler_makes_of_them():
    for original, packed in pairs():
        ours, theirs = read_audio(str(original)), read_audio(str(packed))
        n = min(len(ours), len(theirs))
        difference = (ours[:n] - theirs[:n]).square().mean().sqrt()
        # quiet clips are near the step of 16 bits, which theirs is rounded to
        assert difference < 0.02 * theirs.square().mean().sqrt() + 1e-5


def test_posteriors_of_originals_are_those_of_16_khz_mono():
    yaml = RECIPE / "hparams" / "mtl_fbank.yaml"
    found = {
        "data_folder": "x",
        "output_folder": "x",
        "classes": [str(i) for i in range(8)],
        "class_counts": [1] * 8,
        "genders": ["F", "M"],
        "speakers": ["a", "b"],
    }
    tree = ruamel.yaml.YAML().load(override(yaml, found))
    for key in ("train_logger", "checkpointer"):
        del tree[key]
    text = ruamel.yaml.compat.StringIO()
    ruamel.yaml.YAML().dump(tree, text)
    parts = load_hyperpyyaml(text.getvalue())
    modules = torch.nn.ModuleDict(parts["modules"]).eval()

    def posteriors(path):
        wave = parts["signal"].read("a clip", AsIs(), str(path))
        levels, lens = modules["encoder"](wave[None], torch.ones(1))
        feats = modules["layer_fusions"]["emotion"](levels, lens)
        logits = modules["tasks"]["emotion"](feats, lens).logits
        return (30 * logits).softmax(dim=1)  # as sharp as after training

    with torch.no_grad():
        for original, packed in pairs():
            difference = posteriors(original) - posteriors(packed)
            assert difference.abs().max() < 0.02, original
