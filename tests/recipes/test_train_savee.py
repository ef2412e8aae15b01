"""Four men and no transcripts: emotion and speaker are what can be learned."""

import json

import pytest
import train
from tiny_ravdess import arguments, predictions, scores
from tiny_savee import RECIPE, write_corpus

from ser_mtl_modules.training.results import differences, read_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of fold 1."""
    folder = tmp_path_factory.mktemp("runs")
    corpus = write_corpus(folder / "SAVEE")
    run = folder / "runs" / "fold-1"
    train.main(arguments(corpus, run, "--number_of_epochs=1", recipe=RECIPE))
    return run


def test_one_speaker_is_tested_and_has_no_eer(finished):
    rows = predictions(finished)
    assert {row["speaker"] for row in rows} == {"DC"}
    assert len(rows) == 14 and len({row["target"] for row in rows}) == 7
    assert set(scores(finished)) == {"emotion"}
    assert differences(read_run(finished)) == []


def test_the_speaker_is_learned_and_nothing_else_beside_emotion(finished):
    (epoch,) = json.loads((finished / "history.json").read_text())
    assert set(epoch["train"]) == {"loss", "emotion", "speaker", "swfc"}
