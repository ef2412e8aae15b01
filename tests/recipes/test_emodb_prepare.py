import logging
import math
import os
import shutil
from collections import Counter
from pathlib import Path

import emodb_prepare
import numpy as np
import pytest
import soundfile
from emodb_prepare import FIELDS, parse_name, prepare
from hypothesis import (
    example,
    given,
    strategies as st,
)
from short_corpora import write_in_tones
from tiny_ravdess import ROOT

from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.download import download_corpus
from ser_mtl_modules.dataio.manifest import Manifest, read_manifest
from ser_mtl_modules.dataio.transcripts import normalise
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.synthesis import emodb

PROTOCOLS = ROOT / "recipes" / "EMODB" / "protocols.yaml"
CARD = "emodb-10fold-loso"
CLIP = "wav/11a01Ea.wav"


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """All speakers, seven clips of 5 ms each."""
    folder = tmp_path_factory.mktemp("complete") / "EMODB"
    return write_in_tones(emodb.write_emodb, folder, 0.005, clips_per_speaker=7)


def listing(clips_per_speaker=None):
    return [
        name
        for speaker in emodb.SPEAKERS
        for name in emodb.names(speaker, clips_per_speaker)
    ]


@pytest.fixture
def corpus(complete, tmp_path):
    """A copy to be damaged."""
    return Path(shutil.copytree(complete, tmp_path / "EMODB"))


@pytest.fixture
def csv(tmp_path):
    return tmp_path / "results" / "manifest.csv"


def test_every_file_becomes_a_row_that_says_what_its_name_says(corpus, csv):
    prepare(corpus, csv)
    manifest = read_manifest(csv, corpus)
    assert manifest.rows.keys() == set(listing(7))
    assert len(manifest.rows) == 70
    for name, row in manifest.rows.items():
        assert name == "".join(row[field] for field in FIELDS)
        assert row["gender"] == FIELDS["speaker"][row["speaker"]]
    row = manifest.rows["11a01Ea"]
    assert len(row.pop("checksum")) == 32
    assert 0.005 <= row.pop("duration") < 0.007
    assert row == {
        "wav": f"{corpus}/wav/11a01Ea.wav",
        "start": None,
        "stop": None,
        "emotion": "E",
        "speaker": "11",
        "gender": "M",
        "transcript": "DER LAPPEN LIEGT AUF DEM EISSCHRANK",
        "session": "",
        "style": "",
        "split": "",
        "arousal": "",
        "valence": "",
        "dominance": "",
        "raters": "",
        "sentence": "a01",
        "version": "a",
    }


@pytest.mark.parametrize("sentence", FIELDS["sentence"])
def test_transcripts_are_what_ctc_writes_umlauts_spelled_out(sentence):
    text = parse_name(Path(f"wav/03{sentence}Fa.wav"))["transcript"]
    assert text and normalise(text) == text
    expected = {
        "a04": "HEUTE ABEND KOENNTE ICH ES IHM SAGEN",
        "b01": "WAS SIND DENN DAS FUER TUETEN DIE DA UNTER DEM TISCH STEHEN",
    }
    assert text == expected.get(sentence, text)
    assert text == normalise(emodb.SENTENCES[sentence])


def test_prepared_folds_fit_the_card_but_for_their_counts(corpus, csv):
    prepare(corpus, csv)
    manifest = read_manifest(csv, corpus)
    card = load_card(PROTOCOLS, CARD)
    for fold in card.folds:
        card.split(manifest, fold, check_counts=False)


def test_preparing_again_does_nothing(corpus, csv):
    prepare(corpus, csv)
    before = csv.stat().st_mtime_ns
    prepare(corpus, csv)
    assert csv.stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["file", "option", "manifest"])
def test_preparing_again_after_a_change_writes_anew(corpus, csv, change):
    prepare(corpus, csv)
    before = csv.stat().st_mtime_ns
    if change == "file":
        soundfile.write(corpus / CLIP, np.zeros(200), 16000)
    if change == "manifest":
        csv.write_text(csv.read_text().replace(",E,", ",W,"))
    prepare(corpus, csv, skip_bad_audio=change == "option")
    assert csv.stat().st_mtime_ns != before
    read_manifest(csv, corpus)


def test_wav_and_flac_are_equals_at_any_depth(corpus, csv, tmp_path):
    for path in corpus.glob("wav/*.wav"):
        samples, rate = soundfile.read(path, dtype="int16")
        soundfile.write(path.with_suffix(".flac"), samples, rate)
        path.unlink()
    deeper = tmp_path / "data" / "emodb" / "download"
    deeper.parent.mkdir(parents=True)
    corpus.rename(deeper)
    prepare(tmp_path / "data", csv)
    row = read_manifest(csv, "").rows["11a01Ea"]
    assert row["wav"] == "/emodb/download/wav/11a01Ea.flac"


def test_copies_are_taken_once_and_it_is_said(corpus, csv, caplog):
    prepare(corpus, csv)
    single = csv.read_bytes()
    shutil.copytree(corpus, corpus / "download")
    with caplog.at_level(logging.WARNING):
        prepare(corpus, csv)
    assert csv.read_bytes() == single
    assert "70 files are there more than once" in caplog.text


def test_hidden_files_and_the_archives_other_folders_are_passed_over(
    corpus, csv
):
    prepare(corpus, csv)
    before = csv.read_bytes()
    for name in (
        "wav/._11a01Ea.wav",
        "wav/.DS_Store",
        "wav/11a01Ea.txt",
        "__MACOSX/wav/11a02Ea.wav",
        "lablaut/11a01Ea.lablaut",
        "labsilb/11a01Ea.wav",
        "silb/11a01Ea.silb",
        "erkennung.txt",
        "11a07Ea.wav",
    ):
        (corpus / name).parent.mkdir(parents=True, exist_ok=True)
        (corpus / name).write_bytes("kein Ton, Hörer\n".encode("latin-1"))
    prepare(corpus, csv)
    assert csv.read_bytes() == before


def test_a_missing_folder_is_an_error(tmp_path, csv):
    with pytest.raises(SerMtlError, match="nowhere: there is no such folder"):
        prepare(tmp_path / "nowhere", csv)


def test_a_folder_without_emodb_is_an_error_that_says_where_to_get_it(
    tmp_path, csv
):
    message = "EMODB is not here.*wav/03a01Fa.wav.*emodb.bilderbar.info"
    with pytest.raises(SerMtlError, match=message):
        prepare(tmp_path, csv)


def test_the_folder_of_clips_itself_is_refused_with_the_way_out(corpus, csv):
    with pytest.raises(SerMtlError, match="folder that has wav in it"):
        prepare(corpus / "wav", csv)


def test_download_says_where_the_corpus_can_be_got(tmp_path):
    with pytest.raises(SerMtlError, match="by hand.*(?s:.*)bilderbar.info"):
        download_corpus(emodb_prepare, tmp_path)


def test_missing_speakers_are_named(corpus, csv):
    for path in [*corpus.glob("wav/09*"), *corpus.glob("wav/16*")]:
        path.unlink()
    with pytest.raises(SerMtlError, match="no audio of speaker 09, 16;"):
        prepare(corpus, csv)


SHAPE = "expected a name of speaker, sentence, emotion, version"


@pytest.mark.parametrize(
    "name, message",
    [
        ("11a01Xa", "unknown emotion 'X'; expected one of W, L, E, A, F, T"),
        ("04a01Ea", "unknown speaker '04'; expected one of 03, 08"),
        ("11a03Ea", "unknown sentence 'a03'; expected one of a01, a02"),
        ("11c01Ea", "unknown sentence 'c01'"),
        ("11a01Eg", "unknown version 'g'; expected one of a, b, c, d, e, f"),
        ("11a01E", SHAPE),
        ("11a01ea", SHAPE),
        ("11A01EA", SHAPE),
        ("11a01Ea (1)", SHAPE),
        ("١١a01Ea", SHAPE),
    ],
)
def test_a_wrong_name_is_named(corpus, csv, name, message):
    (corpus / CLIP).rename(corpus / "wav" / f"{name}.wav")
    with pytest.raises(SerMtlError) as error:
        prepare(corpus, csv)
    assert f"wav/{name}.wav: {message}" in str(error.value)
    assert "1 files" in str(error.value)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-80])


def with_nan(path):
    samples = np.full(80, math.nan)
    soundfile.write(path, samples, 16000, subtype="FLOAT")


def unreadable(path):
    path.write_bytes(b"404: not found")


DAMAGES = {
    truncated: "truncated",
    with_nan: "80 of 80 samples are NaN",
    unreadable: "cannot be read as audio",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_bad_audio_is_named_and_left_out_on_request_alone(
    corpus, csv, damage, caplog
):
    damage(corpus / CLIP)
    with pytest.raises(SerMtlError, match=f"{CLIP}: {DAMAGES[damage]}"):
        prepare(corpus, csv)
    assert not csv.exists()
    with caplog.at_level(logging.WARNING):
        prepare(corpus, csv, skip_bad_audio=True)
    rows = read_manifest(csv, corpus).rows
    assert len(rows) == 69 and "11a01Ea" not in rows
    assert f"{CLIP}: {DAMAGES[damage]}" in caplog.text


def test_a_copy_in_another_set_is_found(corpus, csv):
    shutil.copy(corpus / CLIP, corpus / "wav/03a01Ea.wav")
    prepare(corpus, csv)
    with pytest.raises(SerMtlError, match="the same audio in two sets"):
        load_card(PROTOCOLS, CARD).split(
            read_manifest(csv, corpus), 1, check_counts=False
        )


name_like = st.from_regex(r"\d\d[a-c]\d\d[A-Z][a-g]", fullmatch=True)
codes = [st.sampled_from([*known]) for known in FIELDS.values()]
names = st.tuples(*codes).map("".join)


@given(st.text(max_size=12) | name_like | names)
@example("03a01Fa")
@example("")
@example("03a01Fa\n")
def test_any_name_is_read_or_refused_with_our_error(stem):
    path = Path("wav") / f"{stem}.wav"
    try:
        clip = parse_name(path)
    except SerMtlError as error:
        assert str(path) in str(error)
    else:
        assert "".join(clip[field] for field in FIELDS) == path.stem


@given(names)
def test_every_name_of_known_codes_is_read(stem):
    assert parse_name(Path("wav") / f"{stem}.flac")["ID"] == stem


# ---- the card


def whole_corpus():
    """A manifest with the corpus's counts, without its audio."""
    rows = {}
    for name in listing():
        row = parse_name(Path(f"wav/{name}.wav"))
        rows[row.pop("ID")] = {**row, "checksum": name}
    return Manifest(Path("manifest.csv"), rows, "", {"corpus": "emodb"})


def test_card_tests_every_clip_once_and_validates_on_the_next_speaker():
    card = load_card(PROTOCOLS, CARD)
    splits = [card.split(whole_corpus(), fold) for fold in card.folds]
    tested = [id_ for split in splits for id_ in split.test]
    assert len(tested) == len(set(tested)) == 535
    for split, following in zip(splits, splits[1:] + splits[:1]):
        assert split.valid == following.test
        assert len(split.speakers) == 8 and split.genders == ["F", "M"]


def test_every_fold_tests_the_clips_of_one_speaker_by_class():
    card = load_card(PROTOCOLS, CARD)
    for fold, (speaker, (_, counts)) in zip(card.folds, emodb.SPEAKERS.items()):
        test = card.split(whole_corpus(), fold).test
        assert {row["speaker"] for row in test.values()} == {speaker}
        found = Counter(row["emotion"] for row in test.values())
        assert [found[class_] for class_ in card.classes] == list(counts)


def test_card_misses_a_single_clip_and_an_additional_one():
    manifest = whole_corpus()
    row = manifest.rows.pop("11a01Ea")
    card = load_card(PROTOCOLS, CARD)
    with pytest.raises(SerMtlError, match="disgust 45, expected 46"):
        card.split(manifest, 1)
    # as another edition might: disgust of the speaker who has none
    manifest.rows["08a01Ea"] = {**row, "speaker": "08"}
    with pytest.raises(SerMtlError, match="disgust 1, expected 0"):
        card.split(manifest, 2)


@pytest.mark.real_data
def test_the_real_corpus_fits_the_card(csv):
    if "SER_MTL_DATA" not in os.environ:
        pytest.skip("SER_MTL_DATA names no folder with real data")
    folder = Path(os.environ["SER_MTL_DATA"]) / "EMODB"
    prepare(folder, csv)
    manifest = read_manifest(csv, folder)
    counts = Counter(
        (row["speaker"], row["emotion"]) for row in manifest.rows.values()
    )
    assert counts == Counter((name[:2], name[5]) for name in listing())
    card = load_card(PROTOCOLS, CARD)
    for fold in card.folds:
        card.split(manifest, fold)
