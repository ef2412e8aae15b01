"""Multi-loss learning, from the command line to its files."""

import json
import re
from pathlib import Path

import pytest
import torch
import train
from tiny_ravdess import RECIPE, arguments, predictions, scores

from ser_mtl_modules.augment import energy_mixup, level_mixup
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.lobes.pooling import AttentiveStatisticsPooling
from ser_mtl_modules.training.brain import SERBrain

pytestmark = pytest.mark.usefixtures("no_pictures")

TERMS = {"emotion", "focal", "center", "supcon"}
CALIBRATED = (
    "--loss_balance=!new:ser_mtl_modules.training.loss_balance.Calibrated "
    "{n_batches: 3}"
)
YAMLS = ["mll_fbank.yaml", "mll.yaml", "mll_frozen.yaml"]


@pytest.fixture(scope="module")
def command(tiny_ravdess, tiny_models, tmp_path_factory):
    """A function for the flags of a run."""
    root = tmp_path_factory.mktemp("multi-loss")
    more = {
        "mll_fbank.yaml": [],
        "mll.yaml": [f"--ssl_hub={tiny_models['wavlm-large']}"],
        "mll_frozen.yaml": [
            f"--ssl_hub={tiny_models['wavlm-large']}",
            f"--signal={{folder: {root / 'features'}}}",
        ],
    }

    def flags(yaml, folder, *others):
        flags = [*more[yaml], "--max_batch_duration=12", *others]
        return arguments(tiny_ravdess, root / yaml / folder, *flags, yaml=yaml)

    return flags


def output_folder(flags):
    (found,) = (f for f in flags if f.startswith("--output_folder="))
    return Path(found.partition("=")[2])


def results(folder):
    return json.loads((folder / "results.json").read_text())


@pytest.fixture(scope="module", params=YAMLS)
def finished(request, command):
    """A run's YAML and folder."""
    flags = command(request.param, "finished", CALIBRATED)
    train.main(flags)
    return request.param, output_folder(flags)


def test_all_terms_are_learned_and_emotion_is_scored(finished):
    _, folder = finished
    assert set(scores(folder)) == {"emotion"}
    for epoch in json.loads((folder / "history.json").read_text()):
        for stage in ("train", "valid"):
            assert set(epoch[stage]) == TERMS | {"loss"}
            assert all(0 < term < 100 for term in epoch[stage].values())


def test_calibrated_weights_are_recorded_and_those_of_the_log(finished):
    _, folder = finished
    weights = results(folder)["loss_weights"]
    assert set(weights) == TERMS
    given = {"emotion": 1.0, "focal": 1.0, "center": 0.002, "supcon": 0.1}
    # each term was divided by what it was in the beginning
    assert all(weights[term] != given[term] for term in TERMS)
    valid = json.loads((folder / "history.json").read_text())[-1]["valid"]
    total = sum(weights[term] * valid[term] for term in TERMS)
    assert valid["loss"] == pytest.approx(total, rel=1e-4)


def test_centers_are_trained_by_an_optimizer_of_their_own_and_saved(finished):
    _, folder = finished
    (path, *_) = sorted((folder / "save").glob("CKPT*"))
    (centers,) = torch.load(
        path / "embedding_losses.ckpt", weights_only=True
    ).values()
    own, main = (
        torch.load(path / f"{name}.ckpt", weights_only=True)
        for name in ("optimizer of embedding_losses.center", "optimizer")
    )
    assert [len(g["params"]) for g in own["param_groups"]] == [1]
    (moments,) = own["state"].values()
    assert moments["exp_avg"].shape == centers.shape == (8, 8)
    assert moments["step"] > 0 and moments["exp_avg"].any()
    shapes = [s["exp_avg"].shape for s in main["state"].values()]
    assert shapes and centers.shape not in shapes[-1:]


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def test_a_killed_run_ends_as_one_that_was_not(finished, command, monkeypatch):
    yaml, unbroken = finished
    original, calls = SERBrain._step, []

    def count(brain):
        calls.append(1)
        if len(calls) in (3, 9):
            raise Killed
        return original(brain)

    # first within the batches by which the weights are calibrated
    flags = command(yaml, "killed", CALIBRATED, "--ckpt_interval_steps=1")
    monkeypatch.setattr(SERBrain, "_step", count)
    with pytest.raises(Killed):
        train.main(flags)
    with pytest.raises(Killed):
        train.main(flags)
    monkeypatch.setattr(SERBrain, "_step", original)
    train.main(flags)
    broken = output_folder(flags)
    assert predictions(broken) == predictions(unbroken)
    assert results(broken)["loss_weights"] == results(unbroken)["loss_weights"]
    paths = [next((f / "save").glob("CKPT*")) for f in (broken, unbroken)]
    states = [
        torch.load(path / "embedding_losses.ckpt", weights_only=True)
        for path in paths
    ]
    assert torch.equal(*(s["center.centers"] for s in states))


MIXUPS = {
    "mixup.NoMixup": ["mll_fbank.yaml", "mll_frozen.yaml"],
    "mixup.Mixup": ["mll_fbank.yaml"],
    "manifold_mixup.ManifoldMixup": ["mll_frozen.yaml"],
    "label_adaptive_mixup.LabelAdaptiveMixup": ["mll_fbank.yaml"],
    "energy_mixup.EnergyBasedMixup": ["mll_fbank.yaml"],
}


@pytest.mark.parametrize(
    "yaml, mixup", [(yaml, m) for m, yamls in MIXUPS.items() for yaml in yamls]
)
def test_another_mixup_is_one_override(command, yaml, mixup):
    flags = command(
        yaml,
        mixup,
        f"--mixup=!new:ser_mtl_modules.augment.{mixup}",
        "--number_of_epochs=1",
        "--loss_weights={focal: 0, supcon: 0}",
    )
    train.main(flags)
    (epoch,) = json.loads((output_folder(flags) / "history.json").read_text())
    assert set(epoch["train"]) == {"emotion", "center", "loss"}
    weights = results(output_folder(flags))["loss_weights"]
    assert weights == {"emotion": 1, "focal": 0, "center": 0.002, "supcon": 0}


def test_waves_mixup_on_stored_levels_is_named_with_what_to_write(command):
    mixup = "!new:ser_mtl_modules.augment.energy_mixup.EnergyAdaptiveMixup"
    with pytest.raises(SerMtlError, match="--mixup=.*LevelMixup"):
        train.main(command("mll_frozen.yaml", "waves", f"--mixup={mixup}"))


# ---- without training


def test_mixing_is_of_waves_where_there_are_waves(build, tiny_models, tmp_path):
    hub = f"--ssl_hub={tiny_models['wavlm-large']}"
    levels = f"--signal={{folder: {tmp_path / 'features'}}}"
    frozen = build(hub, levels, yaml="mll_frozen.yaml")
    assert type(frozen.hparams.mixup) is level_mixup.LevelMixup
    for brain in (build(yaml="mll_fbank.yaml"), build(hub, yaml="mll.yaml")):
        kind = type(brain.hparams.mixup)
        assert kind is energy_mixup.EnergyAdaptiveMixup


def test_every_ablation_in_the_readme_can_be_built(build):
    text = (RECIPE / "README.md").read_text(encoding="utf-8")
    section = text.split("## Multi-loss learning")[1].split("\n## ")[0]
    rows = section.splitlines()
    flags = [re.search(r"`(--.*)`", r)[1] for r in rows if "| `--" in r]
    assert len(flags) > 8
    for row in flags:
        given = [f"--{f}" for f in row.replace("'", "").split("--")[1:]]
        brain = build(*(f.strip() for f in given), yaml="mll_fbank.yaml")
        feats, lens = torch.randn(2, 5, 16), torch.tensor([5, 3])
        prediction = brain.modules.tasks["emotion"](feats, lens)
        assert prediction.logits.shape == (2, 2)


def test_attention_can_be_drawn_of_every_pooling(build):
    for kind in ("MeanPooling", "MaxPooling", "AttentiveStatisticsPooling"):
        name = f"!name:{AttentiveStatisticsPooling.__module__}.{kind}"
        brain = build(f"--pooling={name}", yaml="mll_fbank.yaml")
        assert type(brain.modules.tasks["emotion"].pool).__name__ == kind
        over_time, over_tasks = brain.attention(torch.randn(5000))
        assert over_tasks == {} and set(over_time) == {"pooling"}
        assert over_time["pooling"].sum().item() == pytest.approx(1)


@pytest.mark.parametrize("yaml", ["mll_fbank.yaml", "mll.yaml"])
@pytest.mark.parametrize("n", [1, 399, 5000])
def test_every_output_is_the_same_alone_and_padded(build, tiny_models, yaml, n):
    torch.manual_seed(0)
    hub = f"--ssl_hub={tiny_models['wavlm-large']}"
    brain = build(*([hub] if yaml == "mll.yaml" else []), yaml=yaml)
    brain.modules.eval()
    clip, batch = torch.randn(n), torch.randn(3, 6 * n)
    batch[0, :n] = clip
    found = []
    for wavs, lens in (
        (clip[None], torch.ones(1)),
        (batch, torch.tensor([1 / 6, 1.0, 0.5])),
    ):
        with torch.no_grad():
            feats, _, lens = brain.features(wavs, lens)
            said = brain.modules.tasks["emotion"](feats, lens)
        frames = said.frames[0, : lens[0]]
        found.append((said.logits[0], said.embeddings[0], frames))
    torch.testing.assert_close(*found, atol=1e-4, rtol=0)


def test_features_of_another_size_are_refused_with_what_to_give(
    build, tiny_models
):
    with pytest.raises(SerMtlError, match="--feature_size=16"):
        build(
            f"--ssl_hub={tiny_models['wavlm-large']}",
            "--feature_size=32",
            yaml="mll.yaml",
        )
