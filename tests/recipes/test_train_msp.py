"""A training on either of the MSP lab's corpora, and a second test set."""

import json
import re

import pytest
import tiny_mspimprov
import tiny_mspodcast
import train
from tiny_ravdess import arguments, predictions, scores

from ser_mtl_modules.training.results import differences, read_run

CARD = "msp-podcast-official-2.0"


def loss_of(folder, n_epochs):
    """The last train loss that the log has."""
    lines = (folder / "train_log.txt").read_text().splitlines()
    assert len(lines) == n_epochs
    return float(re.search(r"train loss: (\S+)", lines[-1])[1])


@pytest.fixture(scope="module")
def podcast(tmp_path_factory):
    """A function that trains on MSP-Podcast; a run of Test1 is there."""
    folder = tmp_path_factory.mktemp("podcast")
    corpus = tiny_mspodcast.write_corpus(folder / "MSP-Podcast")

    def run(name, *more):
        flags = ["--num_workers=0", *more]
        recipe = tiny_mspodcast.RECIPE
        train.main(arguments(corpus, folder / name, *flags, recipe=recipe))
        return folder / name

    run("test1")
    return run


def test_podcast_trains_where_speakers_and_texts_may_be_unknown(podcast):
    run = podcast("test1")  # finished, so it returns
    assert loss_of(run, 2) < 6
    found = json.loads((run / "results.json").read_text())
    assert found["card"] == CARD
    assert set(scores(run)) == {"emotion", "gender", "speaker", "asr"}
    assert {row["speaker"] for row in predictions(run)} == {"33", "34"}
    assert differences(read_run(run)) == []


def test_the_second_test_set_is_scored_without_training_again(podcast):
    first = podcast("test1")
    run = podcast(
        "test2", f"--card={CARD}-test2", f"--save_folder={first / 'save'}"
    )
    assert not (run / "train_log.txt").exists()
    assert {row["speaker"] for row in predictions(run)} == {"34"}
    one, other = (
        json.loads((r / "results.json").read_text()) for r in (first, run)
    )
    assert one["best_epoch"] == other["best_epoch"]
    assert one["metrics"]["valid"] == other["metrics"]["valid"]
    assert differences(read_run(run)) == []


def test_improv_trains_on_all_that_its_card_has(tmp_path):
    corpus = tiny_mspimprov.write_corpus(tmp_path / "MSP-IMPROV")
    run = tmp_path / "run"
    train.main(arguments(corpus, run, recipe=tiny_mspimprov.RECIPE))
    assert loss_of(run, 2) < 6
    assert set(scores(run)) == {"emotion", "gender", "speaker", "asr"}
    assert {row["speaker"] for row in predictions(run)} == {"F01", "M01"}
    assert differences(read_run(run)) == []
