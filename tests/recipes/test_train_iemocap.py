"""A session left out: its two talkers are tested, and neither is trained on."""

import pytest
from tiny_ravdess import predictions, scores

from ser_mtl_modules.synthesis.iemocap import turns


@pytest.fixture
def finished(trained):
    """A run of fold 1."""
    return trained("IEMOCAP", "mtl_fbank.yaml")


def test_both_talkers_of_the_session_are_tested_on_the_cards_classes(finished):
    rows = predictions(finished)
    assert {row["ID"] for row in rows} == {
        name
        for dialog, some in turns(4).items()
        for name, label in some
        if dialog.startswith("Ses01") and label not in ("xxx", "fru")
    }
    assert {row["speaker"] for row in rows} == {"Ses01F", "Ses01M"}
    assert {row["target"] for row in rows} == {
        "anger",
        "happiness",
        "neutral",
    }  # no sad one is in these few


def test_excited_is_counted_as_happy_and_dialogues_say_no_gender(finished):
    rows = {row["ID"]: row for row in predictions(finished)}
    assert rows["Ses01M_script01_1_F000"]["target"] == "happiness"
    assert rows["Ses01M_script01_1_F000"]["gender_target"] == "F"


def test_all_four_tasks_are_scored(finished):
    assert set(scores(finished)) == {"emotion", "gender", "speaker", "asr"}
