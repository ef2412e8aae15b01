"""A session left out: its two talkers are tested, and neither is trained on."""

import pytest
import train
from tiny_iemocap import RECIPE, sample, write_corpus
from tiny_ravdess import arguments, predictions, scores

from ser_mtl_modules.training.results import differences, read_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of fold 1."""
    folder = tmp_path_factory.mktemp("runs")
    corpus = write_corpus(folder / "IEMOCAP_full_release")
    run = folder / "runs" / "fold-1"
    train.main(arguments(corpus, run, "--number_of_epochs=1", recipe=RECIPE))
    return run


def test_both_talkers_of_the_session_are_tested_on_four_classes(finished):
    rows = predictions(finished)
    assert {row["ID"] for row in rows} == {
        name
        for dialog, turns in sample().items()
        for name, label in turns
        if dialog.startswith("Ses01") and label not in ("xxx", "fru")
    }
    assert {row["speaker"] for row in rows} == {"Ses01F", "Ses01M"}
    assert {row["target"] for row in rows} == {
        "anger",
        "happiness",
        "neutral",
        "sadness",
    }


def test_excited_is_counted_as_happy_and_dialogues_say_no_gender(finished):
    rows = {row["ID"]: row for row in predictions(finished)}
    assert rows["Ses01M_script01_1_F000"]["target"] == "happiness"
    assert rows["Ses01M_script01_1_F000"]["gender_target"] == "F"


def test_all_four_tasks_are_scored_and_the_scores_are_the_answers(finished):
    found = scores(finished)
    assert set(found) == {"emotion", "gender", "speaker", "asr"}
    assert differences(read_run(finished)) == []
