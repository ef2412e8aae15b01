import logging
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import savee_prepare
import soundfile
from hypothesis import (
    example,
    given,
    strategies as st,
)
from savee_prepare import parse_name, prepare
from short_corpora import write_in_tones
from tiny_ravdess import ROOT

from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.download import download_corpus
from ser_mtl_modules.dataio.manifest import Manifest, read_manifest
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.synthesis.savee import (
    EMOTIONS,
    PACKINGS,
    SPEAKERS,
    names,
    write_savee,
)

PROTOCOLS = ROOT / "recipes" / "SAVEE" / "protocols.yaml"
CARDS = ["savee-4fold-speaker", "savee-emobox"]
CLIP = "AudioData/JE/sa02.wav"


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """All speakers, each emotion twice, clips of 5 ms."""
    folder = tmp_path_factory.mktemp("complete") / "SAVEE"
    return write_small(folder)


def write_small(folder, packing="official"):
    return write_in_tones(
        write_savee, folder, 0.005, clips_per_speaker=14, packing=packing
    )


def listing(clips_per_speaker=None):
    return [(who, n) for who in SPEAKERS for n in names(clips_per_speaker)]


@pytest.fixture
def corpus(complete, tmp_path):
    """A copy to be damaged."""
    return Path(shutil.copytree(complete, tmp_path / "SAVEE"))


@pytest.fixture
def csv(tmp_path):
    return tmp_path / "results" / "manifest.csv"


def test_every_file_becomes_a_row_that_says_what_its_name_says(corpus, csv):
    prepare(corpus, csv)
    rows = read_manifest(csv, corpus).rows
    assert rows.keys() == {f"{s}_{name}" for s, name in listing(14)}
    row = rows["JE_sa02"]
    assert len(row.pop("checksum")) == 32
    assert 0.005 <= row.pop("duration") < 0.007
    assert row == {
        "wav": f"{corpus}/{CLIP}",
        "start": None,
        "stop": None,
        "emotion": "sa",
        "speaker": "JE",
        "gender": "M",
        "transcript": "",
        "session": "",
        "style": "",
        "split": "",
        "arousal": "",
        "valence": "",
        "dominance": "",
        "raters": "",
        "sentence": "sa02",
    }


@pytest.mark.parametrize("packing", PACKINGS)
def test_all_packings_give_the_same_rows(complete, csv, tmp_path, packing):
    prepare(complete, csv)
    expected = read_manifest(csv, "").rows
    other = write_small(tmp_path / "other", packing)
    prepare(other, csv)
    found = read_manifest(csv, "").rows
    for row in [*found.values(), *expected.values()]:
        del row["wav"]
    assert found == expected


def test_sadness_and_surprise_are_not_taken_for_other_letters(complete, csv):
    prepare(complete, csv)
    rows = read_manifest(csv, complete).rows.values()
    found = Counter(row["emotion"] for row in rows)
    assert found == dict.fromkeys(EMOTIONS, 8)


def test_info_txt_is_no_audio_and_other_sounds_are_passed_over(corpus, csv):
    prepare(corpus, csv)
    before = csv.read_bytes()
    for name in (
        "AudioData/Info.txt",
        "AudioData/DC/Info.txt",
        "AudioData/DC/._a01.wav",
        "__MACOSX/AudioData/DC/a01.wav",
        "AudioVisualClip/DC.tmp/a01.wav",
        "song.wav",
    ):
        (corpus / name).parent.mkdir(parents=True, exist_ok=True)
        (corpus / name).write_text("15 sentences for each of 7 emotions")
    prepare(corpus, csv)
    assert csv.read_bytes() == before


def test_stereo_of_44100_hz_and_flac_are_welcome(corpus, csv):
    (corpus / CLIP).unlink()
    path = (corpus / CLIP).with_suffix(".flac")
    soundfile.write(path, np.random.default_rng(1).random((441, 2)), 44100)
    prepare(corpus, csv)
    row = read_manifest(csv, corpus).rows["JE_sa02"]
    assert row["duration"] == pytest.approx(0.01)


def test_copies_in_another_packing_are_taken_once_and_it_is_said(
    corpus, csv, caplog
):
    prepare(corpus, csv)
    single = csv.read_bytes()
    write_small(corpus / "kaggle", "in one folder")
    with caplog.at_level(logging.WARNING):
        prepare(corpus, csv)
    assert csv.read_bytes() == single
    assert "56 files are there more than once" in caplog.text


def test_preparing_again_does_nothing(corpus, csv):
    prepare(corpus, csv)
    before = csv.stat().st_mtime_ns
    prepare(corpus, csv)
    assert csv.stat().st_mtime_ns == before


def test_a_missing_folder_is_an_error(tmp_path, csv):
    with pytest.raises(SerMtlError, match="nowhere: there is no such folder"):
        prepare(tmp_path / "nowhere", csv)


def test_a_folder_without_savee_is_an_error_that_says_where_to_register(
    tmp_path, csv
):
    with pytest.raises(SerMtlError, match="SAVEE is not here.*Register at"):
        prepare(tmp_path, csv)


def test_download_says_where_to_register(tmp_path):
    with pytest.raises(SerMtlError, match="by hand.*(?s:.*)register at"):
        download_corpus(savee_prepare, tmp_path)


def test_missing_speakers_are_named(corpus, csv):
    shutil.rmtree(corpus / "AudioData" / "JK")
    with pytest.raises(SerMtlError, match="no audio of speaker JK; expected"):
        prepare(corpus, csv)


SHAPE = "expected a name of an emotion (a, d, f, h, n, sa, su) and two digits"


@pytest.mark.parametrize(
    "name, message",
    [
        ("AudioData/JE/x01.wav", SHAPE),
        ("AudioData/JE/s01.wav", SHAPE),
        ("AudioData/JE/a1.wav", SHAPE),
        ("AudioData/JE/A01.wav", SHAPE),
        ("AudioData/JE/a01 (1).wav", SHAPE),
        ("AudioData/JE/a٠١.wav", SHAPE),
        ("AudioData/JE/a16.wav", "unknown sentence 'a16'; expected a01 to a15"),
        ("AudioData/JE/n31.wav", "unknown sentence 'n31'; expected n01 to n30"),
        ("AudioData/JE/n00.wav", "unknown sentence 'n00'"),
        ("AudioData/JE/DC_a09.wav", "a clip of DC in the folder of JE"),
        ("ALL/a01.wav", "unknown speaker 'ALL'; expected one of DC, JE"),
        ("ALL/XX_a01.wav", "unknown speaker 'XX'; expected one of DC, JE"),
        ("XX_a01.wav", "unknown speaker 'XX'; expected one of DC, JE"),
    ],
)
def test_a_wrong_name_is_named(corpus, csv, name, message):
    (corpus / name).parent.mkdir(exist_ok=True)
    (corpus / CLIP).rename(corpus / name)
    with pytest.raises(SerMtlError) as error:
        prepare(corpus, csv)
    assert f"{name}: {message}" in str(error.value)
    assert "1 files" in str(error.value)


def test_bad_audio_is_named_and_left_out_on_request_alone(corpus, csv):
    (corpus / CLIP).write_bytes(b"404: not found")
    with pytest.raises(SerMtlError, match=f"{CLIP}: cannot be read"):
        prepare(corpus, csv)
    prepare(corpus, csv, skip_bad_audio=True)
    rows = read_manifest(csv, corpus).rows
    assert len(rows) == 55 and "JE_sa02" not in rows


folders = st.sampled_from([*SPEAKERS, "ALL", "AudioData", "XX", ""])
name_like = st.from_regex(r"([A-Z]{2}_)?[a-z]{1,2}\d\d", fullmatch=True)


@given(folders, st.text(max_size=9) | name_like)
@example("DC", "a01")
@example("DC", "")
@example("DC", "DC_")
@example("ALL", "DC_a01\n")
def test_any_name_is_read_or_refused_with_our_error(folder, stem):
    path = Path(folder) / f"{stem}.wav"
    try:
        row = parse_name(path)
    except SerMtlError as error:
        assert str(path) in str(error)
    else:
        assert row["ID"] in (path.stem, f"{folder}_{path.stem}")


@given(
    st.sampled_from([*listing()]),
    st.sampled_from([*PACKINGS.values()]),
)
def test_every_clip_is_read_in_every_packing(clip, packing):
    path = Path(packing.format(speaker=clip[0], clip=clip[1]))
    assert parse_name(path)["ID"] == "_".join(clip)


# ---- the cards


@pytest.fixture(scope="module")
def whole():
    """A manifest with the corpus's counts, without its audio."""
    rows = {}
    for speaker, name in listing():
        row = parse_name(Path(f"{speaker}/{name}.wav"))
        rows[row.pop("ID")] = {**row, "checksum": f"{speaker} {name}"}
    return Manifest(Path("manifest.csv"), rows, "", {"corpus": "savee"})


@pytest.mark.parametrize("name", CARDS)
def test_cards_test_every_clip_once_and_validate_on_the_next_speaker(
    whole, name
):
    card = load_card(PROTOCOLS, name)
    splits = [card.split(whole, fold) for fold in card.folds]
    tested = [id_ for split in splits for id_ in split.test]
    assert len(tested) == len(set(tested)) == 480
    for split, following in zip(splits, splits[1:] + splits[:1]):
        assert split.valid == following.test
        assert len(split.speakers) == 2 and len(split.test) == 120


def test_emobox_tests_its_speakers_in_its_order(whole):
    card = load_card(PROTOCOLS, "savee-emobox")
    tested = [
        {row["speaker"] for row in card.split(whole, fold).test.values()}
        for fold in card.folds
    ]
    assert tested == [{"JE"}, {"KL"}, {"DC"}, {"JK"}]


@pytest.mark.parametrize("name", CARDS)
def test_a_missing_clip_is_counted(whole, name):
    rows = dict(whole.rows)
    del rows["KL_n30"]
    with pytest.raises(SerMtlError, match="neutral 119, expected 120"):
        load_card(PROTOCOLS, name).split(
            Manifest(whole.path, rows, "", whole.meta), 1
        )


def test_a_copy_in_another_set_is_found(corpus, csv):
    shutil.copy(corpus / CLIP, corpus / "AudioData/DC/sa02.wav")
    prepare(corpus, csv)
    with pytest.raises(SerMtlError, match="the same audio in two sets"):
        load_card(PROTOCOLS, CARDS[0]).split(
            read_manifest(csv, corpus), 1, check_counts=False
        )
