"""A test set of one speaker, with a class that isn't in it."""

import pytest
import train
from short_corpora import write_in_tones
from tiny_ravdess import ROOT, arguments, predictions, scores

from ser_mtl_modules.experiments.report import as_markdown, report_on
from ser_mtl_modules.synthesis.emodb import write_emodb
from ser_mtl_modules.training.results import differences, read_run

pytestmark = pytest.mark.usefixtures("no_pictures")

FOLDS = (2, 3)  # test on speakers 08, without disgust, and 09


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a run of either fold."""
    folder = tmp_path_factory.mktemp("runs")
    corpus = write_in_tones(write_emodb, folder / "EMODB", clips_per_speaker=7)
    for fold in FOLDS:
        train.main(
            arguments(
                corpus,
                folder / "runs" / f"fold-{fold}",
                f"--fold={fold}",
                "--number_of_epochs=1",
                recipe=ROOT / "recipes" / "EMODB",
            )
        )
    return folder / "runs"


@pytest.mark.parametrize("fold", FOLDS)
def test_one_speaker_has_no_eer_and_everything_else(finished, fold):
    run = finished / f"fold-{fold}"
    rows = predictions(run)
    assert {row["speaker"] for row in rows} == {f"{6 + fold:02}"}
    found = read_run(run).results["metrics"]
    for set_ in ("valid", "test"):
        assert set(found[set_]) == {"emotion", "gender", "asr"}
    assert differences(read_run(run)) == []
    # UA over one class: the share of clips whose gender is right
    right = [row["gender_prediction"] == row["gender"] for row in rows]
    expected = 100 * sum(right) / len(right)
    assert scores(run)["gender"]["UA"] == pytest.approx(expected, abs=0.01)


def test_a_class_without_clips_has_no_recall_and_no_part_in_ua(finished):
    emotion = scores(finished / "fold-2")["emotion"]
    disgust = emotion["by_class"].pop("disgust")
    assert disgust["support"] == 0 and "recall" not in disgust
    recalls = [found["recall"] for found in emotion["by_class"].values()]
    assert emotion["UA"] == pytest.approx(sum(recalls) / 6, abs=0.01)


def test_the_report_pools_gender_and_has_no_eer(finished):
    content = report_on([finished])
    row = content["rows"][0]
    rows = sum((predictions(finished / f"fold-{f}") for f in FOLDS), [])
    # 08 and 09 are women both: still one class, of all clips
    right = [r["gender_prediction"] == r["gender"] for r in rows]
    assert row["pooled"]["gender/UA"] == pytest.approx(sum(right) / len(right))
    assert not any("EER" in name for name in row["mean"])
    text = as_markdown(content)
    assert "gender UA, pooled" in text and "EER" not in text
