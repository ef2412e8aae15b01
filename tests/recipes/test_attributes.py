"""Arousal, valence and dominance beside emotion, where a corpus has them."""

import pytest
import soundfile
import train
from tiny_ravdess import RATE, arguments, clip, predictions, scores

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.inference.export import export_run
from ser_mtl_modules.inference.predict import opened, predict_files
from ser_mtl_modules.training.results import differences, read_run

ASKED = "--auxiliary_tasks=[attributes]"


@pytest.fixture
def run(trained):
    """The folder of a run on a corpus that has attributes."""
    return trained(
        "MSP-Podcast",
        "mtl_fbank.yaml",
        ASKED,
        "--number_of_epochs=1",
        folder="attributes",
    )


def test_attributes_are_learned_and_scored_by_one_override(run):
    found = scores(run)["attributes"]
    assert list(found) == ["CCC", "arousal", "valence", "dominance"]
    mean = sum(v for k, v in found.items() if k != "CCC") / 3
    assert abs(mean - found["CCC"]) < 0.02
    assert differences(read_run(run)) == []
    rows = predictions(run)
    assert all(1 <= float(r["valence_target"]) <= 7 for r in rows)
    # an untrained model is in the middle of the scale
    estimates = [float(r["valence_estimate"]) for r in rows]
    assert abs(sum(estimates) / len(rows) - 4) < 2
    log = (run / "train_log.txt").read_text()
    assert "train attributes: " in log and "valid attributes: " not in log


def test_a_recogniser_says_them_on_the_raters_scale(run, tmp_path, capsys):
    export_run(run, tmp_path / "export")
    soundfile.write(tmp_path / "a.wav", clip(1, 1, 1), RATE)
    with opened(tmp_path / "export") as recognizer:
        predict_files(recognizer, [tmp_path / "a.wav"], ["attributes"], "csv")
    header, line = capsys.readouterr().out.splitlines()
    assert header == "file,arousal,valence,dominance"
    assert all(1 < float(value) < 7 for value in line.split(",")[1:])


def test_a_corpus_without_attributes_says_so_before_training(
    tiny_ravdess, tmp_path
):
    with pytest.raises(SerMtlError, match="no clip of train.*Leave attr"):
        train.main(arguments(tiny_ravdess, tmp_path / "run", ASKED))
    assert not (tmp_path / "run" / "hyperparams.yaml").exists()
