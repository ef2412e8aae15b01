"""The file of answers about clips whose labels nobody gives out."""

from types import SimpleNamespace

import pytest

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments import submission

ROWS = {
    "MSP-PODCAST_test3_0002": {"emotion": "", "wav": "/x/Audios/b_2.flac"},
    "MSP-PODCAST_0001_0008": {"emotion": "A", "wav": "/x/Audios/a.wav"},
    "MSP-PODCAST_test3_0001": {"emotion": "", "wav": "/x/Audios/b_1.wav"},
}
SAID = {
    "MSP-PODCAST_test3_0001": "contempt",
    "MSP-PODCAST_test3_0002": "neutral",
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A function that writes the submission of a run without a model."""

    def write(rows=ROWS, labels=None):
        signal = SimpleNamespace(wave=lambda utterance, row: row["wav"])
        run = SimpleNamespace(
            folder=tmp_path,
            signal=signal,
            answers=lambda wave, name: {"prediction": SAID[name]},
        )
        card = SimpleNamespace(
            labels=labels or {"A": "anger", "C": "contempt", "N": "neutral"},
            file="protocols.yaml",
            name="card",
        )
        manifest = SimpleNamespace(rows=rows, path="manifest.csv")
        monkeypatch.setattr(submission, "TrainedRun", lambda *_: run)
        monkeypatch.setattr(
            submission, "corpus_of", lambda run: (tmp_path, card, manifest)
        )
        return submission.write_submission(tmp_path)

    return write


def test_there_is_a_line_for_each_hidden_clip_with_the_corpus_s_letter(write):
    assert write().read_text() == ("FileName,EmoClass\nb_1.wav,C\nb_2.wav,N\n")


def test_a_corpus_without_hidden_clips_is_refused(write):
    labelled = {k: row for k, row in ROWS.items() if row["emotion"]}
    with pytest.raises(SerMtlError, match="none is hidden.*Partitions.txt"):
        write(labelled)


def test_a_card_that_merges_labels_is_refused(write):
    merged = {"A": "anger", "C": "anger", "N": "neutral"}
    with pytest.raises(SerMtlError, match="one class.*has them apart"):
        write(labels=merged)
