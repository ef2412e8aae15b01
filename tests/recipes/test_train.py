"""The recipe from the command line to its files, on a tiny corpus."""

import contextlib
import json

import numpy as np
import pytest
import soundfile
import torch
import train
from tiny_ravdess import arguments, copy, predictions, scores, without_pictures

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.training.brain import SERBrain
from ser_mtl_modules.training.results import differences, read_run


@pytest.fixture(scope="module")
def finished(tiny_ravdess, tmp_path_factory):
    """A run's folder."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    train.main(arguments(tiny_ravdess, folder, "--ckpt_interval_steps=5"))
    return folder


@pytest.fixture(autouse=True)
def only_finished_draws():
    """What a test runs has no pictures."""
    with without_pictures():
        yield


def test_a_run_leaves_its_files(finished):
    for name in (
        "hyperparams.yaml",
        "train_log.txt",
        "results.json",
        "predictions.csv",
        "speaker_trials.csv",
        "confusion.png",
        "curves.png",
        "attention.png",
    ):
        assert (finished / name).stat().st_size > 0, name


def test_scores_can_be_computed_again_from_the_files(finished):
    assert differences(read_run(finished)) == []
    assert set(scores(finished)) == {"emotion", "gender", "speaker", "asr"}


def test_no_speaker_of_test_was_trained_on(finished):
    speakers = {row["speaker"] for row in predictions(finished)}
    assert speakers == {"01", "02", "03", "04"}
    hyperparams = (finished / "hyperparams.yaml").read_text()
    trained = hyperparams.split("speakers:")[1].split("\n\n")[0]
    assert not any(f"'{s}'" in trained.splitlines()[0] for s in speakers)


def test_a_finished_run_returns_at_once(finished, tiny_ravdess, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(SERBrain, "fit", fail)
    before = (finished / "results.json").read_bytes()
    train.main(arguments(tiny_ravdess, finished))
    assert (finished / "results.json").read_bytes() == before


def test_the_same_seed_gives_the_same_run(finished, tiny_ravdess, tmp_path):
    again = tmp_path / "again"
    train.main(arguments(tiny_ravdess, again))
    assert predictions(again) == predictions(finished)


def test_another_seed_gives_another_run(finished, tiny_ravdess, tmp_path):
    other = tmp_path / "other"
    train.main(arguments(tiny_ravdess, other, "--seed=7"))
    assert predictions(other) != predictions(finished)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.parametrize("call", [3, 7, 11])
@pytest.mark.parametrize("inside", ["epoch", "save"])
def test_a_killed_run_ends_as_one_that_was_not(
    finished, tiny_ravdess, tmp_path, monkeypatch, inside, call
):
    from ser_mtl_modules.training import checkpoints

    owner, name = {
        "epoch": (SERBrain, "_step"),
        "save": (checkpoints, "sync"),
    }[inside]
    original, calls = getattr(owner, name), []

    def count(*args):
        calls.append(1)
        if len(calls) % call == 0:
            raise Killed
        return original(*args)

    run = tmp_path / "run"
    flags = arguments(tiny_ravdess, run, "--ckpt_interval_steps=2")
    monkeypatch.setattr(owner, name, count)
    with pytest.raises(Killed):
        train.main(flags)
    with contextlib.suppress(Killed):  # again, if it gets that far
        train.main(flags)
    monkeypatch.setattr(owner, name, original)
    train.main(flags)
    assert predictions(run) == predictions(finished)


def test_test_labels_change_nothing_but_test_metrics(
    finished, tiny_ravdess, tmp_path, monkeypatch
):
    from ser_mtl_modules.dataio.cards import Card

    split = Card.split

    def relabelled(self, *args):
        fold = split(self, *args)
        for row in fold.test.values():
            row["emotion"] = fold.classes[0]
        return fold

    monkeypatch.setattr(Card, "split", relabelled)
    run = tmp_path / "run"
    train.main(arguments(tiny_ravdess, run))
    was, now = predictions(finished), predictions(run)
    assert [row["p_sadness"] for row in now] == [r["p_sadness"] for r in was]
    before = json.loads((finished / "results.json").read_text())
    after = json.loads((run / "results.json").read_text())
    assert after["metrics"]["valid"] == before["metrics"]["valid"]
    assert after["metrics"]["test"] != before["metrics"]["test"]


def test_a_nonfinite_batch_is_skipped_and_named(
    tiny_ravdess, tmp_path, monkeypatch
):
    objective, calls = SERBrain.objective, []

    def sometimes_nan(self, losses, batch):
        loss = objective(self, losses, batch)
        calls.append(batch.id)
        return loss * (torch.nan if len(calls) == 3 else 1)

    monkeypatch.setattr(SERBrain, "objective", sometimes_nan)
    train.main(arguments(tiny_ravdess, tmp_path / "run"))
    lines = (tmp_path / "run" / "log.txt").read_text().splitlines()
    named = [line for line in lines if "is not finite" in line]
    assert len(named) == 1 and all(i in named[0] for i in calls[2])
    assert np.isfinite(scores(tmp_path / "run")["emotion"]["UA"])


def test_too_many_nonfinite_steps_stop_the_training(
    tiny_ravdess, tmp_path, monkeypatch
):
    objective = SERBrain.objective
    monkeypatch.setattr(
        SERBrain,
        "objective",
        lambda self, losses, batch: objective(self, losses, batch) * torch.nan,
    )
    flags = arguments(tiny_ravdess, tmp_path / "run", "--max_nonfinite=2")
    with pytest.raises(SerMtlError, match="3 steps had a loss or gradient"):
        train.main(flags)


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--fold=7", "no fold 7. Known: 1, 2, 3, 4, 5, 6"),
        ("--card=ravdess-6fold-consecutve", "'ravdess-6fold-consecutive'"),
        ("--feature_sise=3", "Did you mean 'feature_size'"),
        ("--auxiliary_tasks=[gendre]", "Did you mean 'gender'"),
        ("--encoder={n_block: 3}", "Did you mean 'n_blocks'"),
    ],
)
def test_what_is_misspelt_is_named(tiny_ravdess, tmp_path, flag, message):
    with pytest.raises(SerMtlError) as error:
        train.main(arguments(tiny_ravdess, tmp_path / "run", flag))
    assert message in str(error.value)
    assert not (tmp_path / "run" / "results.json").exists()


def test_a_missing_data_folder_says_how_to_give_it(tmp_path):
    with pytest.raises(SerMtlError, match="give --data_folder"):
        train.main(arguments("x", tmp_path / "run")[:1])


def test_a_damaged_corpus_can_be_trained_on_without_its_bad_files(
    tiny_ravdess, tmp_path
):
    corpus = copy(tiny_ravdess, tmp_path / "corpus")
    bad = corpus / "Actor_09" / "03-01-03-01-01-01-09.wav"
    soundfile.write(bad, np.array([np.nan] * 99, np.float32), 16000, "FLOAT")
    with pytest.raises(SerMtlError, match=bad.name):
        train.main(arguments(corpus, tmp_path / "a" / "run"))
    run = tmp_path / "b" / "run"
    train.main(arguments(corpus, run, "--skip_bad_audio=True"))
    assert scores(run)["emotion"]["UA"] > 0


@pytest.mark.parametrize(
    "flags, tasks",
    [
        (["--auxiliary_tasks=[]"], {"emotion"}),
        (["--auxiliary_tasks=[asr]"], {"emotion", "asr"}),
        (
            ["--co_attention=!name:ser_mtl_modules.lobes.co_attention.Nothing"],
            {"emotion", "gender", "speaker", "asr"},
        ),
        (
            ["--layer_fusion=!name:ser_mtl_modules.lobes.layer_fusion.Last"],
            {"emotion", "gender", "speaker", "asr"},
        ),
        (
            [
                "--mixup=!new:ser_mtl_modules.augment.mixup.Mixup {prob: 1.0}",
                "--loss_weights={swfc: 0}",
            ],
            {"emotion", "gender", "speaker", "asr"},
        ),
    ],
)
def test_ablations_are_one_override(tiny_ravdess, tmp_path, flags, tasks):
    run = tmp_path / "run"
    train.main(arguments(tiny_ravdess, run, "--number_of_epochs=1", *flags))
    assert set(scores(run)) == tasks
    log = json.loads((run / "history.json").read_text())
    swfc_is_off = "--loss_weights={swfc: 0}" in flags
    assert ("swfc" in log[0]["train"]) != swfc_is_off
