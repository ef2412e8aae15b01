"""Emotion learned from the votes of raters, where a corpus has them."""

import pytest
import train
from tiny_ravdess import arguments, predictions, scores

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.training.results import differences, read_run

SOFT = "--soft_labels=!new:ser_mtl_modules.tasks.rater_shares.RaterShares {}"
MIXED = "--mixup=!new:ser_mtl_modules.augment.mixup.Mixup {prob: 1.0}"
FEW = ["--auxiliary_tasks=[]", "--number_of_epochs=1"]


def test_votes_are_learned_from_and_scored_also_where_clips_are_mixed(trained):
    run = trained("MSP-IMPROV", "mtl_fbank.yaml", *FEW, SOFT, MIXED, folder="s")
    found = scores(run)
    assert found["raters"]["KL"] > 0 and found["emotion"]["UA"] > 0
    assert differences(read_run(run)) == []
    for row in predictions(run):
        shares = [float(v or 0) for k, v in row.items() if "raters_" in k]
        assert len(shares) == 4 and sum(shares) in (0, pytest.approx(1))


def test_a_corpus_without_raters_says_so_before_training(
    tiny_ravdess, tmp_path
):
    with pytest.raises(SerMtlError, match="soft_labels.*no clip of train"):
        train.main(arguments(tiny_ravdess, tmp_path / "run", *FEW, SOFT))
    assert not (tmp_path / "run" / "hyperparams.yaml").exists()
