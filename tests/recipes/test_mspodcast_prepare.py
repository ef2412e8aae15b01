import csv as csv_files
import logging
import shutil
from collections import Counter
from pathlib import Path

import mspodcast_prepare
import numpy as np
import pytest
import soundfile
from hypothesis import (
    given,
    settings,
    strategies as st,
)
from mspodcast_labels import (
    read_consensus,
    read_partitions,
    read_raters,
    read_speakers,
)
from mspodcast_prepare import prepare
from short_corpora import write_in_tones
from tiny_ravdess import ROOT

from ser_mtl_modules.dataio.audio import read_audio
from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.download import download_corpus
from ser_mtl_modules.dataio.manifest import Manifest, read_manifest
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.synthesis.mspodcast import (
    HEADERS,
    STEREO,
    hidden_clips,
    labels,
    write_mspodcast,
)

PROTOCOLS = ROOT / "recipes" / "MSP-Podcast" / "protocols.yaml"
RELEASES = ("1.8", "1.10", "1.11", "1.12", "2.0")
TEST1 = "msp-podcast-official-2.0"
TEST2 = "msp-podcast-official-2.0-test2"
CHALLENGE = "msp-podcast-is2025-challenge"
CARDS = [
    f"msp-podcast-official-{r}{t}" for r in RELEASES for t in ("", "-test2")
]
CARDS.append(CHALLENGE)
CLIP = "MSP-PODCAST_1000_0002"
CONSENSUS = "Labels/labels_consensus.csv"


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A release with clips of 5 ms; made once each."""
    made = {}

    def make(release="2.0"):
        if release not in made:
            folder = tmp_path_factory.mktemp("complete") / release
            made[release] = write_in_tones(
                write_mspodcast,
                folder,
                0.005,
                clips_per_speaker=8,
                release=release,
            )
        return made[release]

    return make


@pytest.fixture
def corpus(complete, tmp_path):
    """A copy to be damaged."""
    return Path(shutil.copytree(complete(), tmp_path / "MSP-Podcast"))


@pytest.fixture
def csv(tmp_path):
    return tmp_path / "results" / "manifest.csv"


def read_rows(corpus, csv, **options):
    prepare(corpus, csv, **options)
    return read_manifest(csv, corpus).rows


def edit(path, before, after):
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_every_clip_becomes_a_row_that_says_what_the_labels_say(corpus, csv):
    rows = read_rows(corpus, csv)
    row = rows[CLIP]
    written = (corpus / "Transcripts" / f"{CLIP}.txt").read_text("utf-8")
    assert "… " in written
    assert row.pop("duration") >= 0.005
    assert row == {
        "wav": f"{corpus}/Audios/{CLIP}.wav",
        "start": None,
        "stop": None,
        "emotion": "H",
        "speaker": "30",
        "gender": "M",
        "transcript": written.replace("…", "").strip(".\n").upper(),
        "session": "1000",
        "style": "",
        "split": "Train",
        "arousal": "5.2",
        "valence": "5.6",
        "dominance": "4.6",
        "raters": "happy:2|neutral:1",
        "checksum": "",
        "speaker_tenth": "7",
    }
    assert len(rows) == len(labels()) + len(hidden_clips())


@pytest.mark.parametrize("release", HEADERS)
def test_two_spellings_and_any_order_of_columns_say_the_same(
    complete, csv, release
):
    rows = read_rows(complete(release), csv)
    assert rows.keys() >= labels(release).keys()
    for name, expected in labels(release).items():
        row = rows[name]
        assert row["emotion"] == expected["EmoClass"]
        assert row["arousal"] == str(expected["EmoAct"])
        assert row["valence"] == str(expected["EmoVal"])
        assert row["dominance"] == str(expected["EmoDom"])
    splits = Counter(row["split"] for row in rows.values())
    assert splits["Development"] == 18  # Validation, up to 1.9


@pytest.mark.parametrize("release", HEADERS)
def test_raters_are_counted_in_every_shape_of_their_file(
    complete, csv, release
):
    rows = read_rows(complete(release), csv)
    by_label = {row["emotion"]: row["raters"] for row in rows.values()}
    assert by_label["N"] == "neutral:3"
    assert by_label["A"] == "angry:2|neutral:1"
    assert by_label["O"] == "neutral:1|other:2"  # free text
    assert by_label["X"] == "happy:2|neutral:1"


def test_raters_of_release_1_6_are_counted(tmp_path):
    path = tmp_path / "labels_detailed.csv"
    header = "FileName,Workers,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal"
    path.write_text(
        f"{header},EmoDom\n{CLIP}.wav,W1,Sad,Sad,1,2,3\n"
        f'{CLIP}.wav,W2,"Other-well, no","x, y",1,2,3\n'
    )
    assert read_raters(path) == {CLIP: "other:1|sad:1"}


def test_unknown_speakers_are_empty_and_counted_aloud(corpus, csv, caplog):
    with caplog.at_level(logging.INFO):
        rows = read_rows(corpus, csv)
    unknown = [r for r in rows.values() if not r["speaker"]]
    assert len(unknown) == 8
    assert {row["gender"] for row in unknown} == {""}
    assert {row["speaker_tenth"] for row in unknown} == {""}
    assert "Speaker unknown: 8 of 50 in Train." in caplog.text


@pytest.mark.parametrize("word", ["unknown", "Speaker_Unknown", "UNKNOWN"])
def test_unknown_speakers_are_unknown_in_any_spelling(corpus, csv, word):
    path = corpus / CONSENSUS
    path.write_text(path.read_text().replace(",Unknown\n", f",{word}\n"))
    rows = read_rows(corpus, csv)
    assert sum(not row["speaker"] for row in rows.values()) == 8


def test_o_and_x_are_rows_that_cards_drop_and_ten_classes_keep(corpus, csv):
    rows = read_rows(corpus, csv)
    found = Counter(row["emotion"] for row in rows.values())
    assert found["O"] == found["X"] == 2
    manifest = read_manifest(csv, corpus)
    split = load_card(PROTOCOLS, TEST1).split(manifest, 1, check_counts=False)
    assert len(split.train) == 48 and len(split.valid) == 16
    card = load_card(PROTOCOLS, f"{TEST1}+10class")
    assert card.classes[8:] == ["other_emotion", "no_agreement"]
    split = card.split(manifest, 1, check_counts=False)
    assert len(split.train) == 50 and len(split.valid) == 18


def test_test3_without_labels_is_a_row_without_emotion_in_no_set(corpus, csv):
    rows = read_rows(corpus, csv)
    manifest = read_manifest(csv, corpus)
    for name in hidden_clips():
        row = rows[name]
        assert row["emotion"] == row["raters"] == row["transcript"] == ""
        assert row["split"] == "Test3"
        assert (row["speaker"], row["gender"]) == ("91", "F")
    for name in CARDS:
        card = load_card(PROTOCOLS, name)
        split = card.split(manifest, 1, check_counts=False)
        used = {**split.train, **split.valid, **split.test}
        assert not used.keys() & set(hidden_clips())


def test_labels_missing_anywhere_but_in_test3_are_an_error(corpus, csv):
    path = corpus / CONSENSUS
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if CLIP not in line))
    with pytest.raises(SerMtlError, match=f"{CLIP}: no labels, and Train"):
        prepare(corpus, csv)


def test_a_stereo_file_at_44_1_khz_is_as_long_and_read_like_any_other(
    complete, csv
):
    rows = read_rows(complete(), csv)
    path = rows[STEREO]["wav"]
    info = soundfile.info(path)
    assert (info.samplerate, info.channels) == (44100, 2)
    assert rows[STEREO]["duration"] == pytest.approx(info.duration, abs=1e-6)
    wave = read_audio(path)
    assert wave.ndim == 1
    assert len(wave) == pytest.approx(16000 * info.duration, abs=1)


def test_partitions_that_disagree_are_an_error_that_names_the_file(corpus, csv):
    edit(corpus / "Partitions.txt", f"Train; {CLIP}", f"Test1; {CLIP}")
    with pytest.raises(SerMtlError, match=f"1 files:\n.*{CLIP}: Train and T"):
        prepare(corpus, csv)


def test_partition_may_be_spelled_without_s_and_be_missing(corpus, csv):
    rows = read_rows(corpus, csv)
    (corpus / "Partitions.txt").rename(corpus / "Partition.txt")
    assert read_rows(corpus, csv) == rows
    (corpus / "Partition.txt").unlink()
    assert len(read_rows(corpus, csv)) == len(rows) - len(hidden_clips())


def test_what_is_in_previous_releases_is_not_looked_into(corpus, csv):
    rows = read_rows(corpus, csv)
    assert "MSP-PODCAST_0001_0001" not in rows
    # and the folder above is as good
    csv.unlink()
    prepare(corpus.parent, csv)
    above = read_manifest(csv, corpus.parent).rows
    assert above == rows


def test_two_releases_side_by_side_are_refused(corpus, complete, csv):
    shutil.copytree(complete("1.8"), corpus.parent / "MSP-PODCAST-Publish-1.8")
    with pytest.raises(
        SerMtlError, match="more than one release:\n.*con.*\n.*"
    ):
        prepare(corpus.parent, csv)


def test_a_label_file_that_is_there_twice_is_refused(corpus, csv):
    shutil.copy(corpus / "Partitions.txt", corpus / "Partition.txt")
    with pytest.raises(SerMtlError, match="Partition.txt and Partitions.txt"):
        prepare(corpus, csv)


def test_wav_and_flac_are_equals_at_any_depth(corpus, csv):
    rows = read_rows(corpus, csv)
    for path in corpus.glob("Audios/*.wav"):
        samples, rate = soundfile.read(path)
        soundfile.write(path.with_suffix(".flac"), samples, rate)
        path.unlink()
    shutil.move(corpus / "Audios", corpus / "inner")
    (corpus / "Audio").mkdir()
    shutil.move(corpus / "inner", corpus / "Audio" / "Audios")
    again = read_rows(corpus, csv)
    assert again[CLIP]["wav"].endswith(f"Audio/Audios/{CLIP}.flac")
    assert again == {
        id_: {**row, "wav": again[id_]["wav"]} for id_, row in rows.items()
    }


def test_a_missing_file_is_tolerated_and_said(corpus, csv, caplog):
    (corpus / "Audios" / f"{CLIP}.wav").unlink()
    with caplog.at_level(logging.WARNING):
        rows = read_rows(corpus, csv)
    assert (
        CLIP not in rows
        and len(rows) == len(labels()) + len(hidden_clips()) - 1
    )
    assert "1 labelled clips have no audio" in caplog.text
    assert CLIP in caplog.text


def test_more_missing_files_are_an_error_unless_they_may_be_left_out(
    corpus, csv
):
    for path in sorted(corpus.glob("Audios/*1000_*.wav"))[:3]:
        path.unlink()
    with pytest.raises(SerMtlError, match="no audio of 3 of 92 labelled clips"):
        prepare(corpus, csv)
    rows = read_rows(corpus, csv, skip_bad_audio=True)
    assert len(rows) == len(labels()) + len(hidden_clips()) - 3


def test_without_any_audio_nothing_is_left_out(corpus, csv):
    shutil.rmtree(corpus / "Audios")
    with pytest.raises(SerMtlError, match="no audio of 92 of 92"):
        prepare(corpus, csv, skip_bad_audio=True)


def test_test3_may_have_no_audio(corpus, csv, caplog):
    for name in hidden_clips():
        (corpus / "Audios" / f"{name}.wav").unlink()
    assert len(read_rows(corpus, csv)) == len(labels())
    assert "8 clips without labels have no audio" in caplog.text


def test_audio_without_labels_and_odd_names_are_left_out_and_said(
    corpus, csv, caplog
):
    clip = corpus / "Audios" / f"{CLIP}.wav"
    shutil.copy(clip, corpus / "Audios" / "MSP-PODCAST_9999_0001.wav")
    shutil.copy(clip, corpus / "Audios" / "MSP-PODCAST_9.wav")
    shutil.copy(clip, corpus / "Audios" / f"._{CLIP}.wav")
    assert len(read_rows(corpus, csv)) == len(labels()) + len(hidden_clips())
    assert "1 audio files are in no label file" in caplog.text
    assert "1 files are not named as in MSP-Podcast" in caplog.text


def test_a_clip_without_transcript_has_an_empty_one(corpus, csv):
    (corpus / "Transcripts" / f"{CLIP}.txt").unlink()
    assert read_rows(corpus, csv)[CLIP]["transcript"] == ""


def test_preparing_again_does_nothing(corpus, csv):
    prepare(corpus, csv)
    before = csv.stat().st_mtime_ns
    prepare(corpus, csv)
    assert csv.stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["audio", "label", "option", "transcript"])
def test_preparing_again_after_a_change_writes_anew(corpus, csv, change):
    prepare(corpus, csv)
    before = csv.stat().st_mtime_ns
    if change == "audio":
        soundfile.write(corpus / f"Audios/{CLIP}.wav", np.zeros(200), 16000)
    if change == "label":  # as long as before
        edit(corpus / CONSENSUS, ",H,", ",U,")
    if change == "transcript":
        (corpus / f"Transcripts/{CLIP}.txt").write_text("Other words")
    prepare(corpus, csv, skip_bad_audio=change == "option")
    assert csv.stat().st_mtime_ns != before


def test_a_missing_folder_is_an_error(tmp_path, csv):
    with pytest.raises(SerMtlError, match="nowhere: there is no such folder"):
        prepare(tmp_path / "nowhere", csv)


def test_a_folder_without_the_corpus_says_where_to_get_it(tmp_path, csv):
    with pytest.raises(SerMtlError, match="not here.*Labels/.*utdallas.edu"):
        prepare(tmp_path, csv)


def test_download_says_where_the_corpus_can_be_got(tmp_path):
    with pytest.raises(SerMtlError, match="by hand(?s:.*)utdallas.edu"):
        download_corpus(mspodcast_prepare, tmp_path)


@pytest.mark.parametrize(
    "after, message",
    [
        ("Train,MSP_1.wav,5.6,5.2,4.6,H,Male,30", "expected a file such as"),
        (f"Train,{CLIP}.wav,5.6,5.2,4.6,Q,Male,30", "EmoClass to be one of A"),
        (f"Train,{CLIP}.wav,9.0,5.2,4.6,H,Male,30", "EmoVal from 1 to 7"),
        (f"Train,{CLIP}.wav,5.6,low,4.6,H,Male,30", "EmoAct from 1 to 7"),
        (f"Train,{CLIP}.wav,5.6,5.2,4.6,H,male,30", "Gender to be one of Male"),
        (f"Test4,{CLIP}.wav,5.6,5.2,4.6,H,Male,30", "Split_Set to be one of"),
        (f"Train,{CLIP}.wav,5.6,5.2,4.6,H,Male,", "expected SpkrID, or Unkn"),
        (f"Train,{CLIP}.wav,5.6,5.2,4.6,H,Male", "expected 8 values"),
        (
            f"Train,{STEREO}.wav,5.6,5.2,4.6,H,Male,30",
            "expected each file once",
        ),
    ],
)
def test_a_malformed_label_is_said_with_file_line_text_and_expectation(
    corpus, csv, after, message
):
    path = corpus / CONSENSUS
    edit(path, f"Train,{CLIP}.wav,5.6,5.2,4.6,H,Male,30", after)
    with pytest.raises(SerMtlError) as error:
        prepare(corpus, csv)
    assert f"labels_consensus.csv, line 4: found '{after}', expected" in str(
        error.value
    )
    assert message in str(error.value)


@pytest.mark.parametrize(
    "file, before, after, message",
    [
        ("Partitions.txt", "Train; ", "Tarin; ", "line 1: found 'Tarin; "),
        (
            "Partitions.txt",
            f"; {CLIP}",
            f" {CLIP}",
            "line 3: .*expected 'Train",
        ),
        (
            "Speaker_ids.txt",
            "; Male",
            "; Mail",
            "line 1: found 'Speaker_30; Ma",
        ),
        (
            "Labels/labels_detailed.csv",
            "Angry",
            "Angyr",
            "line 2: found .*Angyr",
        ),
        ("Labels/labels_detailed.csv", "Major", "Minor", "line 1: found 'Fi"),
    ],
)
def test_a_malformed_line_of_another_file_is_said_as_well(
    corpus, csv, file, before, after, message
):
    edit(corpus / file, before, after)
    with pytest.raises(SerMtlError, match=f"{Path(file).name}, {message}"):
        prepare(corpus, csv)


def test_a_malformed_raters_line_is_said_as_well(complete, tmp_path, csv):
    corpus = Path(shutil.copytree(complete("1.11"), tmp_path / "corpus"))
    edit(corpus / "Labels/labels_detailed.csv", "A:1.0", "A=1.0")
    with pytest.raises(SerMtlError, match="detailed.csv, line 2: found .*A="):
        prepare(corpus, csv)


field = st.sampled_from(
    ["", CLIP, f"{CLIP}.wav", "Train", "Test3", "A", "4.0", "nan", "Male"]
    + ["Unknown", "Speaker_30", "30", "Angry", "Other-x", "W; Sad; x; A:1; V:2"]
    + ["W; Sad; ; A:1; V:2; D:3;"]
) | st.text(max_size=8)


@settings(max_examples=60)  # files
@given(st.lists(st.lists(field, max_size=9), max_size=4), st.binary(max_size=9))
def test_from_any_label_file_nothing_but_our_error_comes_out(
    tmp_path_factory, rows, content
):
    path = tmp_path_factory.mktemp("fuzz") / "labels"
    for reader, header, mark in [
        (read_consensus, HEADERS["1.8"], ","),
        (read_raters, "FileName,EmoDetail", ","),
        (read_raters, "FileName,WorkerID,EmoClass_Major", ","),
        (read_partitions, "", ";"),
        (read_speakers, "", ";"),
    ]:
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(f"{header}\n" if header else "")
            csv_files.writer(file, delimiter=mark).writerows(rows)
        for more in (b"", content):
            path.write_bytes(path.read_bytes() + more)
            try:
                reader(path)
            except SerMtlError as error:
                assert str(path) in str(error)


# ---- the cards

# EmoClass of each split of release 2.0, in the order of the classes; Development
# and Test1 as reconstructed, hence expected only together
RELEASE_2_0 = {
    "Train": [22609, 2765, 1324, 794, 37048, 51149, 18256, 3220, 1746, 30279],
    "Development": [5728, 1476, 534, 285, 7487, 8318, 2351, 1025, 677, 6518],
    "Test1": [6985, 1040, 744, 348, 10948, 12457, 3041, 1206, 1019, 8506],
    "Test2": [538, 304, 141, 116, 2801, 6793, 581, 394, 277, 2877],
}


def counted(counts, share=1):
    """A manifest with these many rows, without its audio."""
    rows = {}
    for split, numbers in counts.items():
        for letter, number in zip("ACDFHNSUOX", numbers):
            for i in range(number):
                speaker = f"{split} {i % 20}"
                rows[f"{split}-{letter}-{i}"] = {
                    "wav": "",
                    "emotion": letter,
                    "speaker": speaker,
                    "gender": "F",
                    "split": split,
                    "speaker_tenth": str(i % 10),
                    "checksum": "",
                }
    return Manifest(Path("manifest.csv"), rows, "", {"corpus": "msp-podcast"})


@pytest.fixture(scope="module")
def release_2_0():
    return counted(RELEASE_2_0)


@pytest.mark.slow  # of 264,705 rows
@pytest.mark.parametrize("name, test", [(TEST1, "Test1"), (TEST2, "Test2")])
def test_each_test_set_has_a_card_with_the_same_train_and_valid(
    release_2_0, name, test
):
    split = load_card(PROTOCOLS, name).split(release_2_0, 1)
    for rows, of in ((split.train, "Train"), (split.valid, "Development")):
        assert {row["split"] for row in rows.values()} == {of}
    assert {row["split"] for row in split.test.values()} == {test}
    assert len(split.test) == sum(RELEASE_2_0[test][:8])


@pytest.mark.slow  # of 264,705 rows
@pytest.mark.parametrize("variant, n", [("4class", 4), ("10class", 10)])
def test_variants_count_too(release_2_0, variant, n):
    card = load_card(PROTOCOLS, f"{TEST1}+{variant}")
    split = card.split(release_2_0, 1)
    assert len(card.classes) == n
    if n == 10:
        assert len(split.test) == 46294


@pytest.mark.slow  # of 264,705 rows
def test_one_file_may_be_missing_from_2_0_and_no_more(release_2_0):
    card = load_card(PROTOCOLS, TEST1)
    rows = dict(release_2_0.rows)
    del rows["Train-H-5"]
    manifest = Manifest(Path("m.csv"), rows, "", {"corpus": "msp-podcast"})
    assert card.split(manifest, 1)
    del rows["Train-H-6"]
    with pytest.raises(SerMtlError, match="Train: 169188 rows.*169190"):
        card.split(manifest, 1)


@pytest.mark.slow  # of 264,705 rows
def test_another_release_is_refused_by_its_size(release_2_0):
    card = load_card(PROTOCOLS, "msp-podcast-official-1.11")
    with pytest.raises(SerMtlError, match="split Train: 169190 .*ed 84030"):
        card.split(release_2_0, 1)


def test_known_speakers_of_train_are_in_no_other_set(corpus, csv):
    path = corpus / CONSENSUS
    path.write_text(path.read_text().replace("Female,31", "Male,30"))
    prepare(corpus, csv)
    manifest = read_manifest(csv, corpus)
    with pytest.raises(SerMtlError, match="speaker 30 in both train and valid"):
        load_card(PROTOCOLS, TEST1).split(manifest, 1, check_counts=False)


def test_the_challenge_validates_on_a_tenth_of_the_known_speakers(corpus, csv):
    prepare(corpus, csv)
    manifest = read_manifest(csv, corpus)
    card = load_card(PROTOCOLS, CHALLENGE)
    split = card.split(manifest, 1, check_counts=False)
    assert {row["speaker"] for row in split.valid.values()} == {"42"}
    assert {row["speaker"] for row in split.train.values()} == {
        "30",
        "44",
        "45",
        "47",
        "",
    }
    assert {row["split"] for row in split.test.values()} == {"Development"}
