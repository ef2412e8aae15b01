"""A training on either of the MSP lab's corpora, and a second test set."""

import csv
import json

from tiny_ravdess import predictions, scores

from ser_mtl_modules.dataio.manifest import read_manifest
from ser_mtl_modules.experiments.submission import write_submission
from ser_mtl_modules.training.results import differences, read_run

CARD = "msp-podcast-official-2.0"
PODCAST = "MSP-Podcast", "mtl_fbank.yaml"


def test_podcast_trains_where_speakers_and_texts_may_be_unknown(trained):
    run = trained(*PODCAST)
    found = json.loads((run / "results.json").read_text())
    assert found["card"] == CARD
    assert set(scores(run)) == {"emotion", "gender", "speaker", "asr"}
    assert {row["speaker"] for row in predictions(run)} == {"33", "34"}


def test_the_second_test_set_is_scored_without_training_again(trained):
    first = trained(*PODCAST)
    run = trained(
        *PODCAST,
        f"--card={CARD}-test2",
        f"--save_folder={first / 'save'}",
        folder="test2",
    )
    assert not (run / "train_log.txt").exists()
    assert {row["speaker"] for row in predictions(run)} == {"34"}
    one, other = (
        json.loads((r / "results.json").read_text()) for r in (first, run)
    )
    assert one["best_epoch"] == other["best_epoch"]
    assert one["metrics"]["valid"] == other["metrics"]["valid"]
    assert differences(read_run(run)) == []


def test_clips_without_public_labels_are_answered_in_a_file(trained):
    run = trained(*PODCAST)
    with open(write_submission(run), newline="") as file:
        rows = list(csv.DictReader(file))
    manifest = read_manifest(run.parent / "manifest.csv", run.parent / "corpus")
    hidden = [i for i, r in manifest.rows.items() if r["split"] == "Test3"]
    assert hidden
    assert [r["FileName"] for r in rows] == [f"{i}.wav" for i in sorted(hidden)]
    assert {row["EmoClass"] for row in rows} <= set("ACDFHNSU")


def test_improv_trains_on_all_that_its_card_has(trained):
    run = trained("MSP-IMPROV", "mtl_fbank.yaml")
    assert set(scores(run)) == {"emotion", "gender", "speaker", "asr"}
    assert {row["speaker"] for row in predictions(run)} == {"F01", "M01"}
