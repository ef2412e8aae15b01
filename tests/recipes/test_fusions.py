"""Each way of fusing is one override of the YAML, and none needs training."""

import re

import pytest
import torch
import train
from tiny_ravdess import ROOT

from ser_mtl_modules.lobes import co_attention
from ser_mtl_modules.lobes.layer_fusion import (
    Concatenation,
    Last,
    LayerAdapters,
    PostResidual,
    WeightedSum,
)

PACKAGE = "!name:ser_mtl_modules.lobes.co_attention."
AUXILIARIES = ["gender", "speaker", "asr"]
ROWS = [
    {"ID": "wrong", "target": "sad", "prediction": "calm"},
    {"ID": "right", "target": "sad", "prediction": "sad"},
]


class Clips:
    """As much of a signal as drawing asks for: three waves."""

    views = {"test": [None]}
    rows = {
        name: {"wav": name, "start": None, "stop": None}
        for name in ("other", "wrong", "right")
    }
    n_samples = {"other": 9000, "wrong": 1, "right": 5000}

    def wave(self, utterance, row=None):
        n = self.n_samples[utterance]
        return torch.sin(torch.arange(n) / (5 + len(utterance)))

    def read(self, utterance, view, wav, start, stop):
        return self.wave(utterance)


# what is written in the override, the class, and what shows its arguments
FUSIONS = {
    "Nothing": ("Nothing", lambda fuse: True),
    "Concatenate": ("Concatenate", lambda fuse: True),
    "Chain {n_heads: 2}": (
        "Chain",
        lambda fuse: fuse.gates["asr"].attention.num_heads == 2,
    ),
    "ParallelGates": (
        "ParallelGates",
        lambda fuse: type(fuse.gate) is co_attention.SigmoidGates,
    ),
    "ParallelGates {n_heads: 2}": (
        "ParallelGates",
        lambda fuse: fuse.attentions["asr"].num_heads == 2,
    ),
    f"ParallelGates {{gate: {PACKAGE}SoftmaxGates }}": (
        "ParallelGates",
        lambda fuse: type(fuse.gate) is co_attention.SoftmaxGates,
    ),
    f"ParallelGates {{gate: {PACKAGE}NoGates }}": (
        "ParallelGates",
        lambda fuse: type(fuse.gate) is co_attention.NoGates,
    ),
    "TaskTokens {n_heads: 8}": (
        "TaskTokens",
        lambda fuse: fuse.gate.attention.num_heads == 8,
    ),
    "CaMser": (
        "CaMser",
        lambda fuse: fuse.norm is co_attention.softmax_over_time,
    ),
    f"CaMser {{norm: {PACKAGE}relu_over_time }}": (
        "CaMser",
        lambda fuse: fuse.norm is co_attention.relu_over_time,
    ),
}


@pytest.mark.parametrize("value", FUSIONS)
def test_every_fusion_is_one_override_and_can_be_drawn(
    build, tmp_path, monkeypatch, value
):
    brain = build(f"--co_attention={PACKAGE}{value}")
    kind, has_its_arguments = FUSIONS[value]
    fuse = brain.modules.co_attention
    assert type(fuse) is getattr(co_attention, kind)
    assert has_its_arguments(fuse)

    drawn = []
    monkeypatch.setattr(train, "plot_attention", lambda *a: drawn.append(a))
    brain.rows = ROWS
    train.draw_attention(tmp_path / "a.png", brain, Clips(), Clips.rows)
    ((_, wave, rate, over_time, over_tasks, title),) = drawn
    assert torch.equal(wave, Clips().wave("right")) and rate == 16000
    assert title == "right: sad, predicted sad"
    names = [] if kind == "Nothing" else AUXILIARIES
    assert list(over_tasks) == names
    assert list(over_time) == [*names, "pooling"]
    for weights in over_time.values():
        assert weights.shape == (1, 8)  # 5000 samples
        # where no score is positive relu takes nothing
        nothing = "relu" in value and not weights.any()
        assert nothing or weights.sum().item() == pytest.approx(1)


# and of how many levels each weighs, where it does
LAYER_FUSIONS = {
    WeightedSum: 2, Last: 1, LayerAdapters: 2, PostResidual: 2,
    Concatenation: None,
}  # fmt: skip


@pytest.mark.parametrize("kind", LAYER_FUSIONS)
def test_a_layer_fusion_is_one_override(build, kind):
    name = f"!name:{kind.__module__}.{kind.__name__}"
    fusions = build(f"--layer_fusion={name}").modules.layer_fusions
    assert list(fusions) == ["emotion", *AUXILIARIES]
    for fusion in fusions.values():
        assert type(fusion) is kind
        if n_levels := LAYER_FUSIONS[kind]:
            assert fusion.weights.shape == (n_levels,)


def test_every_ablation_in_the_readme_can_be_built(build):
    rows = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    flags = [re.search(r"`--(.*)`", r)[1] for r in rows if "| `--" in r]
    assert len(flags) > 10
    for flag in flags:
        build("--" + flag.replace("'", ""))


def test_attention_is_that_of_the_averaged_weights(build):
    brain = build()
    wave = Clips().wave("other")
    before, _ = brain.attention(wave)
    with torch.no_grad():  # the average does not know of this
        for parameter in brain.modules.tasks.parameters():
            parameter.add_(torch.randn_like(parameter))
    after, _ = brain.attention(wave)
    assert torch.equal(before["pooling"], after["pooling"])
    assert not after["pooling"].requires_grad
    brain.average.update(brain.modules)
    again, _ = brain.attention(wave)
    assert (again["pooling"] - before["pooling"]).abs().max() > 1e-4


def test_where_nothing_was_right_the_first_clip_is_drawn(
    build, tmp_path, monkeypatch
):
    brain = build("--auxiliary_tasks=[]")
    drawn = []
    monkeypatch.setattr(train, "plot_attention", lambda *a: drawn.append(a))
    brain.rows = ROWS[:1]  # a single sample long
    train.draw_attention(tmp_path / "a.png", brain, Clips(), Clips.rows)
    assert drawn[0][-1] == "wrong: sad, predicted calm"
    assert drawn[0][3]["pooling"].tolist() == [[1.0]]
