"""What holds for the writers of all sample corpora."""

import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile
from short_corpora import write_in_tones

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.synthesis import corpus
from ser_mtl_modules.synthesis.corpus import (
    SETTINGS,
    Utterance,
    settings_of,
    speak,
    write_corpus,
)
from ser_mtl_modules.synthesis.emodb import write_emodb
from ser_mtl_modules.synthesis.emotions import EMOTIONS
from ser_mtl_modules.synthesis.iemocap import write_iemocap
from ser_mtl_modules.synthesis.lexicon import GERMAN, words_of
from ser_mtl_modules.synthesis.mspimprov import clips, write_mspimprov
from ser_mtl_modules.synthesis.mspodcast import HEADERS, STEREO, write_mspodcast
from ser_mtl_modules.synthesis.ravdess import write_ravdess
from ser_mtl_modules.synthesis.savee import (
    EMOTIONS as OF_SAVEE,
    SPEAKERS,
    names,
    texts,
    write_savee,
)

WRITERS = [
    write_emodb,
    write_iemocap,
    write_mspimprov,
    write_mspodcast,
    write_ravdess,
    write_savee,
]
each_writer = pytest.mark.parametrize("write", WRITERS)


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@each_writer
def test_the_same_seed_has_the_same_bytes_and_another_one_others(
    tmp_path, write
):
    n_written = write(tmp_path / "one", clips_per_speaker=1)
    one = contents(tmp_path / "one")
    spoken = {p for p in one if p.suffix == ".wav" and p.name[0] != "."}
    assert n_written == len(spoken) > 0
    write(tmp_path / "two", clips_per_speaker=1)
    assert contents(tmp_path / "two") == one
    write(tmp_path / "other", seed=7, clips_per_speaker=1)
    other = contents(tmp_path / "other")
    assert other.keys() == one.keys()
    assert not any(other[path] == one[path] for path in spoken)
    assert len({one[path] for path in spoken}) == n_written


@each_writer
def test_a_second_call_writes_what_is_missing_and_nothing_else(tmp_path, write):
    folder = write_in_tones(write, tmp_path / "C", clips_per_speaker=1)
    before = contents(folder)
    assert write(folder, clips_per_speaker=1) == 0
    gone = [p for p in before if p.name != SETTINGS][::3]
    for path in gone:
        (folder / path).unlink()
    write_in_tones(write, folder, clips_per_speaker=1)
    assert contents(folder) == before


@each_writer
def test_a_real_corpus_is_left_alone(tmp_path, write):
    (tmp_path / "wav").mkdir()
    with pytest.raises(SerMtlError, match="may be the real"):
        write(tmp_path, clips_per_speaker=1)
    assert [path.name for path in tmp_path.iterdir()] == ["wav"]


def test_one_corpus_does_not_go_into_another_ones_folder(tmp_path):
    write_in_tones(write_emodb, tmp_path, clips_per_speaker=1)
    with pytest.raises(SerMtlError, match="other settings .corpus"):
        write_in_tones(write_savee, tmp_path, clips_per_speaker=1)


def test_all_emotions_can_be_spoken_by_both_sexes_and_sound_different():
    found = []
    for sex in ("female", "male"):
        for emotion in EMOTIONS:
            wav = speak(
                Utterance("a", Path("a"), "S", sex, emotion, "The door.")
            )
            assert np.isfinite(wav).all() and 0.3 < len(wav) / 16000 < 2
            found.append(wav.tobytes())
    assert len(set(found)) == 2 * len(EMOTIONS)


def test_channels_and_rate_are_those_of_the_utterance(tmp_path):
    stereo = Utterance(
        "a",
        Path("a/b.wav"),
        "S",
        "male",
        "sad",
        "The door",
        sample_rate=44100,
        channels=2,
    )
    write_corpus(tmp_path, settings_of("X", 1, seed=1), [stereo])
    samples, rate = soundfile.read(tmp_path / "a" / "b.wav")
    assert rate == 44100 and samples.shape[1] == 2 and samples.any()
    np.testing.assert_array_equal(samples[:, 0], samples[:, 1])


def test_what_cannot_be_said_is_told_before_anything_is_written(tmp_path):
    wrong = Utterance("a", Path("a.wav"), "S", "male", "sad", "Xylophones")
    with pytest.raises(SerMtlError, match="can't say 'xylophones'"):
        write_corpus(tmp_path / "X", settings_of("X", 1, seed=1), [wrong])
    assert not (tmp_path / "X").exists()


@pytest.mark.parametrize(
    "write, n_speakers, by_default",
    [
        (write_iemocap, 10, 406),
        (write_mspimprov, 12, 196),
        (write_mspodcast, 11, 277),
    ],
)
def test_every_clip_of_a_larger_corpus_has_a_name_of_its_own(
    tmp_path, monkeypatch, write, n_speakers, by_default
):
    monkeypatch.setattr(corpus, "write_wav", lambda path, *_: found.add(path))
    monkeypatch.setattr(corpus, "speak", lambda *_, **__: np.zeros(1))
    found = set()
    assert write(tmp_path / "small") == len(found) == by_default
    found.clear()
    n_written = write(tmp_path / "large", clips_per_speaker=200)
    assert n_written == len(found) >= 200 * n_speakers


# ---- single corpora


def test_full_emodb_and_savee_have_the_corpora_s_counts(tmp_path):
    emodb = write_in_tones(write_emodb, tmp_path / "E", seconds=0.005)
    savee = write_in_tones(write_savee, tmp_path / "S", seconds=0.005)
    assert len([*emodb.glob("wav/*.wav")]) == 535
    assert len([*savee.glob("AudioData/??/*.wav")]) == 480
    assert (savee / "AudioData" / "Info.txt").exists()


def test_german_is_said_by_nobody_else_and_in_as_a_whole():
    from ser_mtl_modules.synthesis.emodb import SENTENCES

    said = {word for text in SENTENCES.values() for word in words_of(text)}
    known = {
        entry.split()[0]
        for entry in GERMAN.replace("|", "\n").split("\n")
        if entry
    }
    assert known == said - {",", "in", "was"}


def test_most_sentences_of_savee_give_the_emotion_away():
    said = texts(1986)
    assert len(names()) == len(said) == 120
    heard = {}
    for name, text in said.items():
        heard.setdefault(text, []).append(name[:-2])
    of_all = [x for x in heard.values() if len(x) == len(OF_SAVEE)]
    with_neutral = [x for x in heard.values() if len(x) == 2]
    assert len(of_all) == 3 and len(with_neutral) == 12
    assert all("n" in emotions for emotions in with_neutral)
    assert len(heard) == 3 + 12 + 15 + 6 * 10


def test_a_clip_of_savee_sounds_alike_in_every_packing(tmp_path):
    found = []
    for packing in ("official", "in one folder", "without a folder"):
        folder = tmp_path / packing
        write_savee(folder, clips_per_speaker=1, packing=packing)
        clips = sorted(folder.rglob("*.wav"))
        assert len(clips) == len(SPEAKERS)
        found.append([clip.read_bytes() for clip in clips])
    assert found[0] == found[1] == found[2]


def test_improv_intends_what_is_perceived_in_half_of_the_clips():
    four = [clip for clip in clips(16) if clip[1] in "AHNS"]
    assert len({name for name, _ in four}) == 12 * 16
    same = [name[14] == emotion for name, emotion in four]
    assert sum(same) == len(same) / 2
    # each emotion is in each kind of recording
    assert len({(name[20], emotion) for name, emotion in four}) == 16


@pytest.mark.parametrize("release", HEADERS)
def test_releases_of_podcast_have_the_same_clips(tmp_path, release):
    folder = write_in_tones(
        write_mspodcast, tmp_path, 0.005, clips_per_speaker=8, release=release
    )
    (labels,) = folder.glob("Labels/labels_con*.csv")
    assert ("conc" in labels.name) == (release == "1.8")
    with open(labels, newline="") as file:
        rows = [*csv.DictReader(file)]
    assert rows[0]["FileName"] == f"{STEREO}.wav"
    info = soundfile.info(folder / "Audios" / rows[0]["FileName"])
    assert (info.samplerate, info.channels) == (44100, 2)
    audio = {path.name for path in folder.glob("Audios/*.wav")}
    hidden = {name for name in audio if "test3" in name}
    assert {row["FileName"] for row in rows} == audio - hidden
    assert (len(hidden) == 0) == (release == "1.8")
