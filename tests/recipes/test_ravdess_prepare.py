import itertools
import json
import logging
import math
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import (
    example,
    given,
    strategies as st,
)
from ravdess_prepare import FIELDS, parse_name, prepare

from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.manifest import Manifest, read_manifest
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.synthesis.ravdess import (
    SENTENCES,
    SETTINGS,
    said_by,
    write_ravdess,
)

ROOT = Path(__file__).parents[2]
PROTOCOLS = ROOT / "recipes" / "RAVDESS" / "protocols.yaml"
CARDS = [
    name + variant
    for name in (
        "ravdess-6fold-consecutive",
        "ravdess-6fold-emobox",
        "ravdess-5fold-subjectwise",
    )
    for variant in ("", "+calm_to_neutral")
]
ACTOR_5 = "Actor_05/03-01-05-01-01-01-05.wav"


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """All actors, every emotion once, clips of 5 ms."""
    folder = tmp_path_factory.mktemp("complete") / "RAVDESS"
    rng = np.random.default_rng(1986)
    for actor, emotion in itertools.product(range(1, 25), range(1, 9)):
        path = folder / f"Actor_{actor:02d}"
        path.mkdir(parents=True, exist_ok=True)
        samples = rng.uniform(-0.5, 0.5, 80)
        name = f"03-01-{emotion:02d}-01-01-01-{actor:02d}.wav"
        soundfile.write(path / name, samples, 16000)
    return folder


@pytest.fixture
def corpus(complete, tmp_path):
    """A copy to be damaged."""
    return Path(shutil.copytree(complete, tmp_path / "RAVDESS"))


@pytest.fixture
def csv(tmp_path):
    return tmp_path / "results" / "manifest.csv"


def test_every_file_becomes_a_row_that_says_what_its_name_says(corpus, csv):
    prepare(corpus, csv)
    manifest = read_manifest(csv, corpus)
    assert len(manifest.rows) == 24 * 8
    row = manifest.rows["03-01-05-01-01-01-12"]
    assert len(row.pop("checksum")) == 32
    assert row == {
        "duration": 0.005,
        "wav": f"{corpus}/Actor_12/03-01-05-01-01-01-12.wav",
        "start": None,
        "stop": None,
        "emotion": "05",
        "speaker": "12",
        "gender": "F",
        "transcript": "KIDS ARE TALKING BY THE DOOR",
        "session": "",
        "style": "normal",
        "split": "",
        "arousal": "",
        "valence": "",
        "dominance": "",
        "raters": "",
        "actor": "12",
        "modality": "03",
        "vocal_channel": "01",
        "intensity": "01",
        "statement": "01",
        "repetition": "01",
    }


def test_prepared_folds_fit_the_cards_but_for_their_counts(corpus, csv):
    prepare(corpus, csv)
    manifest = read_manifest(csv, corpus)
    for name in CARDS:
        card = load_card(PROTOCOLS, name)
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
        soundfile.write(corpus / ACTOR_5, np.zeros(81), 16000)
    if change == "manifest":
        csv.write_text(csv.read_text().replace(",05,", ",01,"))
    prepare(corpus, csv, skip_bad_audio=change == "option")
    assert csv.stat().st_mtime_ns != before
    read_manifest(csv, corpus)


def test_wav_and_flac_are_equals_at_any_depth(corpus, csv, tmp_path):
    for path in corpus.glob("Actor_*/*.wav"):
        samples, rate = soundfile.read(path, dtype="int16")
        soundfile.write(path.with_suffix(".flac"), samples, rate)
        path.unlink()
    deeper = tmp_path / "data" / "audio_speech_actors_01-24"
    deeper.parent.mkdir()
    corpus.rename(deeper)
    prepare(deeper.parent, csv)
    row = read_manifest(csv, "").rows["03-01-05-01-01-01-05"]
    name = "/audio_speech_actors_01-24/Actor_05/03-01-05-01-01-01-05.flac"
    assert row["wav"] == name


def test_a_doubled_corpus_is_taken_once_and_it_is_said(corpus, csv, caplog):
    prepare(corpus, csv)
    single = csv.read_bytes()
    shutil.copytree(corpus, corpus / "audio_speech_actors_01-24")
    with caplog.at_level(logging.WARNING):
        prepare(corpus, csv)
    assert csv.read_bytes() == single
    assert "192 files are there more than once" in caplog.text


def test_hidden_files_and_videos_are_passed_over(corpus, csv):
    prepare(corpus, csv)
    before = csv.read_bytes()
    for name in (
        "Actor_05/._03-01-05-01-01-01-05.wav",
        "Actor_05/01-01-05-01-01-01-05.mp4",
        "__MACOSX/Actor_05/03-01-05-01-01-02-05.wav",
        "readme.wav",
    ):
        (corpus / name).parent.mkdir(parents=True, exist_ok=True)
        (corpus / name).write_bytes(b"no audio")
    prepare(corpus, csv)
    assert csv.read_bytes() == before


def test_song_is_a_row_that_the_cards_leave_out(corpus, csv):
    song = corpus / "Actor_05/03-02-05-01-01-01-05.wav"
    shutil.copy(corpus / "Actor_09/03-01-05-01-01-01-09.wav", song)
    prepare(corpus, csv)
    manifest = read_manifest(csv, corpus)
    assert manifest.rows[song.stem]["vocal_channel"] == "02"
    card = load_card(PROTOCOLS, CARDS[0])
    split = card.split(manifest, 1, check_counts=False)
    assert song.stem not in {**split.train, **split.valid, **split.test}


def test_a_missing_folder_is_an_error(tmp_path, csv):
    with pytest.raises(SerMtlError, match="nowhere: there is no such folder"):
        prepare(tmp_path / "nowhere", csv)


def test_a_folder_without_ravdess_is_an_error_that_says_where_to_get_it(
    tmp_path, csv
):
    message = "RAVDESS is not here.*Actor_01/03-01.*zenodo.org/record/1188976"
    with pytest.raises(SerMtlError, match=message):
        prepare(tmp_path, csv)


def test_a_missing_actor_is_named(corpus, csv):
    shutil.rmtree(corpus / "Actor_05")
    for path in (corpus / "Actor_17").iterdir():
        path.unlink()
    with pytest.raises(SerMtlError, match="no audio of Actor_05, Actor_17;"):
        prepare(corpus, csv)


@pytest.mark.parametrize(
    "name, message",
    [
        (
            "03-01-09-01-01-01-05",
            "unknown emotion '09'; expected one of 01, 02",
        ),
        ("04-01-05-01-01-01-05", "unknown modality '04'; expected one of 01"),
        ("03-01-05-01-01-01-25", "unknown actor '25'"),
        ("03-01-05-01-01-01-06", "a clip of actor 06 in Actor_05"),
        ("03-01-05-01-01-05", "expected a name of seven two-digit codes"),
        ("03-01-05-01-01-01-05 (1)", "expected a name of seven two-digit"),
        ("٠٣-01-05-01-01-01-05", "expected a name of seven two-digit"),
    ],
)
def test_a_wrong_name_is_named(corpus, csv, name, message):
    # 06 would otherwise hide behind the same name in its own folder
    (corpus / "Actor_06/03-01-05-01-01-01-06.wav").unlink()
    (corpus / ACTOR_5).rename(corpus / "Actor_05" / f"{name}.wav")
    with pytest.raises(SerMtlError) as error:
        prepare(corpus, csv)
    assert f"Actor_05/{name}.wav: {message}" in str(error.value)
    assert "1 files" in str(error.value)


def truncated(path):
    path.write_bytes(path.read_bytes()[:-80])


def empty(path):
    soundfile.write(path, np.zeros(0), 16000)


def with_nan(path):
    samples = np.full(80, math.nan)
    soundfile.write(path, samples, 16000, subtype="FLOAT")


def unreadable(path):
    path.write_bytes(b"404: not found")


DAMAGES = {
    truncated: "truncated",
    empty: "empty",
    with_nan: "80 of 80 samples are NaN",
    unreadable: "cannot be read as audio",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_bad_audio_stops_the_preparation_and_is_named(corpus, csv, damage):
    damage(corpus / ACTOR_5)
    with pytest.raises(SerMtlError, match=f"{ACTOR_5}: {DAMAGES[damage]}"):
        prepare(corpus, csv)
    assert not csv.exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_bad_audio_is_left_out_on_request_and_named(
    corpus, csv, damage, caplog
):
    damage(corpus / ACTOR_5)
    with caplog.at_level(logging.WARNING):
        prepare(corpus, csv, skip_bad_audio=True)
    rows = read_manifest(csv, corpus).rows
    assert len(rows) == 24 * 8 - 1 and Path(ACTOR_5).stem not in rows
    assert f"{ACTOR_5}: {DAMAGES[damage]}" in caplog.text


def test_a_copy_in_another_set_is_found(corpus, csv):
    shutil.copy(corpus / ACTOR_5, corpus / "Actor_01/03-01-05-01-01-01-01.wav")
    prepare(corpus, csv)
    card = load_card(PROTOCOLS, CARDS[0])
    with pytest.raises(SerMtlError, match="the same audio in two sets"):
        card.split(read_manifest(csv, corpus), 1, check_counts=False)


codes = st.integers(0, 25).map("{:02d}".format)


@given(
    st.text(max_size=30) | st.lists(codes, min_size=6, max_size=8).map("-".join)
)
@example("03-01-05-02-01-02-12")
@example("")
def test_any_name_is_read_or_refused_with_our_error(stem):
    path = Path("Actor_12") / f"{stem}.wav"
    try:
        clip = parse_name(path)
    except SerMtlError as error:
        assert str(path) in str(error)
    else:
        assert "-".join(clip[field] for field in FIELDS) == path.stem


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """A sample corpus: a clip of each actor, of actor 3 both sentences."""
    folder = tmp_path_factory.mktemp("spoken") / "RAVDESS"
    write_ravdess(folder, clips_per_speaker=1)
    write_ravdess(folder, actors=[3], clips_per_speaker=16)
    return folder


@pytest.fixture
def sample(spoken, tmp_path):
    """A copy to be damaged."""
    return Path(shutil.copytree(spoken, tmp_path / "RAVDESS"))


def change_sentences(folder, change):
    settings = json.loads((folder / SETTINGS).read_text())
    change(settings["sentences"])
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2))


def test_transcripts_of_a_sample_corpus_are_what_was_spoken(sample, csv):
    prepare(sample, csv)
    rows = read_manifest(csv, sample).rows
    assert len(rows) == 24 + 15
    said = said_by(range(1, 25))
    for row in rows.values():
        text = said[row["speaker"]][int(row["statement"]) - 1]
        assert row["transcript"] == text.upper()
    assert {row["statement"] for row in rows.values()} == {"01", "02"}


def test_the_sentences_of_ravdess_are_the_same_either_way(tmp_path, csv):
    folder = tmp_path / "both"
    write_ravdess(folder, sentences=SENTENCES, clips_per_speaker=1)
    prepare(folder, csv)
    for row in read_manifest(csv, folder).rows.values():
        assert row["transcript"] == FIELDS["statement"][row["statement"]]


def test_other_sentences_of_equal_length_make_the_manifest_anew(sample, csv):
    prepare(sample, csv)
    before = csv.stat().st_mtime_ns
    prepare(sample, csv)
    assert csv.stat().st_mtime_ns == before
    change_sentences(sample, lambda said: said["03"].reverse())
    prepare(sample, csv)
    row = read_manifest(csv, sample).rows["03-01-01-01-01-01-03"]
    assert row["transcript"] == said_by([3])["03"][1].upper()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda said: said.pop("07"), "actor 07, statement 01"),
        (lambda said: said["03"].pop(), "actor 03, statement 02"),
        (lambda said: said.update({"03": "Birds"}), "list of sentences"),
        (lambda said: said.update({"03": [1, 2]}), "list of sentences"),
    ],
)
def test_sentences_that_are_missing_are_an_error(sample, csv, change, message):
    change_sentences(sample, change)
    with pytest.raises(SerMtlError, match=message):
        prepare(sample, csv)
    assert not csv.exists()


@pytest.mark.parametrize("text", ["", "[1]", '{"seed": 1'])
def test_damaged_settings_of_a_sample_corpus_are_an_error(sample, csv, text):
    (sample / SETTINGS).write_text(text)
    with pytest.raises(
        SerMtlError, match=f"{SETTINGS}.*write the corpus again"
    ):
        prepare(sample, csv)
    assert not csv.exists()


def whole_corpus():
    """The manifest of RAVDESS' speech, without its audio."""
    rows = {}
    for codes in itertools.product(*list(FIELDS.values())[2:]):
        if codes[:2] == ("01", "02"):  # neutral has normal intensity only
            continue
        name = "-".join(("03", "01", *codes))
        row = parse_name(Path(f"Actor_{codes[-1]}/{name}.wav"))
        rows[row.pop("ID")] = {**row, "checksum": name}
    return Manifest(Path("manifest.csv"), rows, "", {"corpus": "ravdess"})


@pytest.mark.parametrize("name", CARDS)
def test_card_tests_every_clip_once_and_validates_on_the_next_fold(name):
    card = load_card(PROTOCOLS, name)
    splits = [card.split(whole_corpus(), fold) for fold in card.folds]
    tested = [id_ for split in splits for id_ in split.test]
    assert len(tested) == len(set(tested)) == 1440
    for split, following in zip(splits, splits[1:] + splits[:1]):
        assert split.valid == following.test


def test_every_fold_of_consecutive_actors_has_two_men_and_two_women():
    card = load_card(PROTOCOLS, "ravdess-6fold-consecutive")
    for fold in card.folds:
        test = card.split(whole_corpus(), fold).test
        actors = {row["speaker"]: row["gender"] for row in test.values()}
        assert sorted(actors.values()) == ["F", "F", "M", "M"]


@pytest.mark.parametrize("name", CARDS)
def test_card_misses_a_single_clip(name):
    manifest = whole_corpus()
    del manifest.rows["03-01-05-02-01-02-12"]
    with pytest.raises(SerMtlError, match="anger 191, expected 192"):
        load_card(PROTOCOLS, name).split(manifest, 1)


@pytest.mark.real_data
def test_the_real_corpus_fits_all_cards(csv):
    if "SER_MTL_DATA" not in os.environ:
        pytest.skip("SER_MTL_DATA names no folder with real data")
    folder = Path(os.environ["SER_MTL_DATA"]) / "RAVDESS"
    prepare(folder, csv)
    manifest = read_manifest(csv, folder)
    for name in CARDS:
        card = load_card(PROTOCOLS, name)
        for fold in card.folds:
            card.split(manifest, fold)
