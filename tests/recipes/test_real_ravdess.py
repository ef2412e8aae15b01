"""On real audio, where the environment variable SER_MTL_DATA names it."""

import os
from pathlib import Path

import pytest
import torch
import train
from hyperpyyaml import load_hyperpyyaml

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


@pytest.fixture
def brain(build, tmp_path):
    """With the weights of the run that SER_MTL_RUN names, or untrained."""
    if "SER_MTL_RUN" not in os.environ:
        brain = build()
        with torch.no_grad():  # as sharp as after training
            brain.modules.tasks["emotion"].classify[-1].weight.mul_(30)
        return brain
    run = Path(os.environ["SER_MTL_RUN"]).absolute()
    changes = {"output_folder": str(run), "number_of_epochs": 1}
    text = override(run / "hyperparams.yaml", changes)
    hparams = load_hyperpyyaml(text)
    brain = train.MultiTaskBrain(
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts={"device": "cpu"},
        checkpointer=hparams["checkpointer"],
        loss_weights=hparams["loss_weights"],
        classes=hparams["classes"],
        metric="UA",
        seed=1,
        n_epochs=1,
    )
    brain.on_evaluate_start()
    return brain


def test_posteriors_of_originals_are_those_of_16_khz_mono(brain):
    def posteriors(path):
        wave = brain.hparams.signal.trim(read_audio(str(path)), 16000)
        with brain.evaluating():
            sig = wave[None], torch.ones(1)
            main, others, lens = brain.features(*sig)
            fused = brain.modules.co_attention(main, others, lens)
            prediction = brain.modules.tasks["emotion"](fused, lens)
        return prediction.logits.softmax(dim=1)

    for original, packed in pairs():
        difference = posteriors(original) - posteriors(packed)
        assert difference.abs().max() < 0.02, original
