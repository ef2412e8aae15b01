"""Arousal, valence and dominance beside emotion, where a corpus has them."""

import pytest
import train
from tiny_ravdess import arguments, predictions, scores

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.training.results import differences, read_run

ASKED = "--auxiliary_tasks=[attributes]"


@pytest.mark.parametrize("corpus, highest", [("MSP-Podcast", 7)])
def test_attributes_are_learned_and_scored_by_one_override(
    corpus, highest, trained
):
    run = trained(
        corpus,
        "mtl_fbank.yaml",
        ASKED,
        "--number_of_epochs=1",
        folder="attributes",
    )
    found = scores(run)["attributes"]
    assert list(found) == ["CCC", "arousal", "valence", "dominance"]
    mean = sum(v for k, v in found.items() if k != "CCC") / 3
    assert abs(mean - found["CCC"]) < 0.02
    assert differences(read_run(run)) == []
    rows = predictions(run)
    assert all(1 <= float(r["valence_target"]) <= highest for r in rows)
    # an untrained model is in the middle of the scale
    estimates = [float(r["valence_estimate"]) for r in rows]
    assert abs(sum(estimates) / len(rows) - (1 + highest) / 2) < highest / 3
    log = (run / "train_log.txt").read_text()
    assert "train attributes: " in log and "valid attributes: " not in log


def test_a_corpus_without_attributes_says_so_before_training(
    tiny_ravdess, tmp_path
):
    with pytest.raises(SerMtlError, match="no clip of train.*Leave attr"):
        train.main(arguments(tiny_ravdess, tmp_path / "run", ASKED))
    assert not (tmp_path / "run" / "hyperparams.yaml").exists()
