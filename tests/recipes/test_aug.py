"""Augmentation as a task, from the command line to its files."""

import json
import re
from pathlib import Path

import pytest
import soundfile
import torch
import train
from tiny_ravdess import RATE, ROOT, arguments, clip, predictions, scores

from ser_mtl_modules.dataio.unlabelled import PREFIX
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.training.brain import SERBrain
from ser_mtl_modules.training.results import differences, read_run
from ser_mtl_modules.training.settings import parse
from speechbrain.dataio.batch import PaddedBatch

pytestmark = pytest.mark.usefixtures("no_pictures")

YAML = "mtl_aug.yaml"
N_TRAIN = 16 * 8  # clips of 16 actors


@pytest.fixture(scope="module")
def command(tiny_ravdess, tmp_path_factory):
    """A function for the flags of a run beside unlabelled speech."""
    root = tmp_path_factory.mktemp("aug")
    (root / "speech").mkdir()
    for i in range(5):  # fewer than clips, so that they come several times
        wave = clip(1 + i, 30 + i, 1, seconds=0.2 + 0.3 * i)
        soundfile.write(root / "speech" / f"{i}.wav", wave, RATE)
    unlabelled = f"--unlabelled={{folder: {root / 'speech'}, seconds: 0.5}}"

    def flags(name, *more):
        more = ["--max_batch_duration=12", unlabelled, *more]
        return arguments(tiny_ravdess, root / name, *more, yaml=YAML)

    return flags


def output_folder(flags):
    (found,) = (f for f in flags if f.startswith("--output_folder="))
    return Path(found.partition("=")[2])


def history(folder):
    return json.loads((folder / "history.json").read_text())


@pytest.fixture(scope="module")
def finished(command):
    """A run's folder, and the IDs of each batch of training."""
    seen, forward = [], train.MultiTaskBrain.compute_forward

    def watch(brain, batch, stage):
        if stage == train.sb.Stage.TRAIN:
            seen.append((list(batch.id), list(batch.emotion)))
        return forward(brain, batch, stage)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train.MultiTaskBrain, "compute_forward", watch)
        train.main(command("finished"))
    return output_folder(command("finished")), seen


def test_all_terms_are_learned_and_emotion_is_scored(finished):
    folder, _ = finished
    assert set(scores(folder)) == {"emotion"}
    for epoch in history(folder):
        terms = {"emotion", "augmentation", "reconstruction", "loss"}
        assert set(epoch["train"]) == terms
        assert set(epoch["valid"]) == terms - {"augmentation"}
        assert all(0 < term < 100 for term in epoch["train"].values())
    assert differences(read_run(folder)) == []


def test_each_batch_has_as_many_clips_without_a_label_as_with_one(finished):
    _, batches = finished
    for ids, emotions in batches:
        n = len(ids) // 2
        assert all(emotions[:n]) and not any(emotions[n:])
        assert [i.startswith(PREFIX) for i in ids] == [False] * n + [True] * n
        assert len(ids) == 2 * n
    labelled = [i for ids, _ in batches for i in ids[: len(ids) // 2]]
    n_epochs = 2
    assert len(labelled) == n_epochs * N_TRAIN == n_epochs * len(set(labelled))


def test_unlabelled_speech_is_in_no_count_and_no_answer(finished):
    folder, _ = finished
    text = (folder / "hyperparams.yaml").read_text()
    assert sum(parse(text)["class_counts"]) == N_TRAIN
    ids = [row["ID"] for row in predictions(folder)]
    assert not any(i.startswith(PREFIX) for i in ids)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def test_a_killed_run_ends_as_one_that_was_not(finished, command, monkeypatch):
    unbroken, batches = finished
    original, steps = SERBrain._step, []

    def count(brain):
        steps.append(1)
        if len(steps) in (3, len(batches) - 2):
            raise Killed
        return original(brain)

    flags = command("killed", "--ckpt_interval_steps=1")
    monkeypatch.setattr(SERBrain, "_step", count)
    for _ in range(2):  # within the first epoch and within the second
        with pytest.raises(Killed):
            train.main(flags)
    monkeypatch.setattr(SERBrain, "_step", original)
    train.main(flags)
    broken = output_folder(flags)
    assert predictions(broken) == predictions(unbroken)
    assert history(broken) == history(unbroken)
    states = [
        torch.load(
            max((f / "save").glob("CKPT*")) / f"{name}.ckpt", weights_only=True
        )
        for name in ("encoder", "tasks")
        for f in (broken, unbroken)
    ]
    for ours, theirs in (states[:2], states[2:]):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_kinds_cannot_be_learned_where_nothing_says_them(command):
    flags = command(
        "unsaid", "--augment=!new:ser_mtl_modules.augment.waves.NoAugment"
    )
    with pytest.raises(SerMtlError, match="--augment=.*RandomKind"):
        train.main(flags)


# ---- without training


def rows_of_the_table(recipe):
    text = (recipe / "README.md").read_text(encoding="utf-8")
    section = text.split("## Augmentation as a task")[1].split("\n## ")[0]
    return re.findall(r"^\| ([^|]*\S) +\|(.*)\|$", section, re.MULTILINE)[1:]


def test_every_ablation_in_the_readmes_can_be_built(build):
    rows = rows_of_the_table(ROOT / "recipes" / "RAVDESS")
    assert rows == rows_of_the_table(ROOT / "recipes" / "EMODB")
    assert len(rows) == 6
    tasks, augments = {}, {}
    for name, cell in rows:
        given = re.findall(r"--\S+?=(?:'[^']*'|[^\s`]+)", cell)
        brain = build(*(f.replace("'", "") for f in given), yaml=YAML)
        tasks[name] = list(brain.modules.tasks)[1:]
        augments[name] = type(brain.hparams.augment).__name__
    both = ["augmentation", "reconstruction"]
    assert [*tasks.values()] == [[], [], both[:1], both[1:], both, both]
    assert [*augments.values()][:2] == ["NoAugment", "RandomKind"]


def objective(brain, feats, lens, n):
    """Of a batch whose first n clips have a label, and the head's gradients."""
    b = len(feats)
    feats = feats.clone().requires_grad_()
    others = {
        name: feats.detach() for name in ("augmentation", "reconstruction")
    }
    brain.features = lambda *_: (feats, others, lens)
    batch = PaddedBatch(
        [
            {
                "id": f"{i}" if i < n else f"{PREFIX}{i}",
                "sig": torch.randn(3040),  # 20 frames of log-mels
                "emotion": ["calm", "sad"][i % 2] if i < n else "",
            }
            for i in range(b)
        ]
    )
    brain.modules.zero_grad()
    predictions = brain.compute_forward(batch, train.sb.Stage.TRAIN)
    loss = brain.compute_objectives(predictions, batch, train.sb.Stage.TRAIN)
    loss.backward()
    assert len(predictions["augmentation"].logits) == b
    head = brain.modules.tasks["emotion"]
    return feats.grad, [*head.buffers(), *(p.grad for p in head.parameters())]


def test_unlabelled_speech_gives_emotion_no_gradient(build):
    torch.manual_seed(0)
    feats, lens = torch.randn(6, 5, 16), torch.tensor([5, 3, 1, 5, 4, 2])
    found = []
    for b in (6, 3):
        torch.manual_seed(1)  # of weights
        brain = build("--dropout=0.0", yaml=YAML)
        brain.modules.train()
        found.append(objective(brain, feats[:b], lens[:b], n=3))
    (with_others, head), (alone, head_alone) = found
    assert with_others[:3].any() and not with_others[3:].any()
    torch.testing.assert_close(with_others[:3], alone)
    torch.testing.assert_close(head, head_alone)


def test_every_output_is_the_same_alone_and_padded(build):
    brain = build(yaml=YAML)
    brain.modules.eval()
    torch.manual_seed(0)
    for n in (1, 399, 5000):
        wave, batch = torch.randn(n), torch.randn(3, 6 * n)
        batch[0, :n] = wave
        found = []
        for wavs, lens in (
            (wave[None], torch.ones(1)),
            (batch, torch.tensor([1 / 6, 1.0, 0.5])),
        ):
            with torch.no_grad():
                main, others, lens = brain.features(wavs, lens)
                tasks = brain.modules.tasks
                logits = tasks["emotion"](main, lens).logits[0]
                frames = tasks["reconstruction"](others["reconstruction"], lens)
            found.append((logits, frames.values[0, : frames.lens[0]]))
        torch.testing.assert_close(*found, atol=1e-4, rtol=0)
