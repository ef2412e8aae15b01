"""Four men and no transcripts: emotion and speaker are what can be learned."""

import json

import pytest
from tiny_ravdess import predictions, scores


@pytest.fixture
def finished(trained):
    """A run of fold 1."""
    return trained("SAVEE", "mtl_fbank.yaml")


def test_one_speaker_is_tested_and_has_no_eer(finished):
    rows = predictions(finished)
    assert {row["speaker"] for row in rows} == {"DC"}
    assert len(rows) == len({row["target"] for row in rows}) == 7
    assert set(scores(finished)) == {"emotion"}


def test_the_speaker_is_learned_and_nothing_else_beside_emotion(finished):
    for epoch in json.loads((finished / "history.json").read_text()):
        assert set(epoch["train"]) == {"loss", "emotion", "speaker", "swfc"}
