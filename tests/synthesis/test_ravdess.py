import json
import re
from collections import Counter

import numpy as np
import pytest
import soundfile

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.synthesis import corpus
from ser_mtl_modules.synthesis.corpus import SETTINGS
from ser_mtl_modules.synthesis.ravdess import (
    ACTORS,
    SENTENCES,
    clips_of,
    said_by,
    transcripts,
    write_ravdess,
)


def speak(clip, sentences=None, without=None):
    return corpus.speak(clip.utterance(sentences=sentences), without=without)


def contents(folder):
    return {
        p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.wav")
    }


def test_names_are_official_and_all_there():
    """Counts of the corpus: 1440 clips, neutral 96, the others 192 each."""
    clips = [clip for actor in ACTORS for clip in clips_of(actor)]
    paths = {clip.path.as_posix() for clip in clips}
    assert len(paths) == len(clips) == 1440
    official = r"Actor_(\d\d)/03-01-0[1-8]-0[12]-0[12]-0[12]-(\d\d)\.wav"
    matches = [re.fullmatch(official, path) for path in paths]
    assert all(match[1] == match[2] for match in matches)
    codes = Counter(path.split("-")[2] for path in paths)
    assert codes == {"01": 96, **{f"0{i}": 192 for i in range(2, 9)}}
    assert not any("/03-01-01-02" in path for path in paths)


def test_codes_mean_what_they_mean_in_ravdess():
    clips = {clip.path.stem: clip for clip in clips_of(7)}
    clip = clips["03-01-06-02-01-02-07"]
    assert (clip.emotion, clip.intensity) == ("fearful", "strong")
    assert (clip.sentence, clip.repetition, clip.sex) == (1, 2, "male")


def test_two_actors_are_written_whole_and_once(tmp_path):
    assert write_ravdess(tmp_path, actors=[1, 2]) == 120
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    assert len(before) == 120 + 2 + 1
    assert write_ravdess(tmp_path, actors=[1, 2]) == 0
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before
    for path in tmp_path.rglob("*.wav"):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels) == (16000, 1)
        assert info.subtype == "PCM_16"
        assert 1.0 < info.duration < 4.0


def test_a_clip_has_the_same_bits_whatever_was_written_before(tmp_path):
    few = dict(clips_per_speaker=4)
    write_ravdess(tmp_path / "both", actors=[3, 4], **few)
    write_ravdess(tmp_path / "one", actors=[4], **few)
    both, one = contents(tmp_path / "both"), contents(tmp_path / "one")
    assert len(both) == 8 and len(one) == 4
    assert all(both[path] == one[path] for path in one)
    write_ravdess(tmp_path / "one", actors=[3], **few)
    assert contents(tmp_path / "one") == both
    write_ravdess(tmp_path / "seed", actors=[4], seed=1, **few)
    other = contents(tmp_path / "seed")
    assert not any(other[path] == one[path] for path in one)


def test_what_is_missing_is_written_again(tmp_path):
    write_ravdess(tmp_path, actors=[1], clips_per_speaker=3)
    before = contents(tmp_path)
    (tmp_path / next(iter(before))).unlink()
    assert write_ravdess(tmp_path, actors=[1], clips_per_speaker=3) == 1
    assert contents(tmp_path) == before


def test_the_first_clips_have_all_emotions():
    assert len({clip.emotion for clip in clips_of(1)[:8]}) == 8


def test_other_sentences_and_a_missing_cue_are_heard():
    clip = clips_of(1)[4]
    usual = speak(clip)
    texts = ("The moon was white and cold", "Go home")
    for other in (speak(clip, sentences=texts), speak(clip, without="rate")):
        assert len(other) != len(usual)
    np.testing.assert_array_equal(usual, speak(clip))


def test_the_real_corpus_is_left_alone(tmp_path):
    (tmp_path / "Actor_01").mkdir()
    with pytest.raises(SerMtlError, match="real RAVDESS"):
        write_ravdess(tmp_path, actors=[1])
    assert [p.name for p in tmp_path.iterdir()] == ["Actor_01"]


def test_other_settings_in_the_same_folder_are_an_error(tmp_path):
    write_ravdess(tmp_path, actors=[1], clips_per_speaker=1)
    before = contents(tmp_path)
    with pytest.raises(SerMtlError, match=r"settings \(seed, sentences\)"):
        write_ravdess(tmp_path, actors=[1], seed=3)
    assert contents(tmp_path) == before


def test_a_corpus_of_an_older_version_is_refused(tmp_path):
    settings = {
        "corpus": "RAVDESS, synthetic",
        "voice": 1,
        "seed": 1986,
        "sentences": list(SENTENCES),
        "without": None,
    }
    (tmp_path / SETTINGS).write_text(json.dumps(settings))
    with pytest.raises(SerMtlError, match="version.*Delete the folder"):
        write_ravdess(tmp_path, actors=[1])
    with pytest.raises(SerMtlError, match="older version"):
        transcripts(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_damaged_settings_are_an_error(tmp_path, text):
    (tmp_path / SETTINGS).write_text(text)
    for read in (transcripts, write_ravdess):
        with pytest.raises(SerMtlError, match="can't be read"):
            read(tmp_path)
    assert not contents(tmp_path)


def test_settings_say_what_each_actor_says(tmp_path):
    write_ravdess(tmp_path, actors=[2], clips_per_speaker=1)
    texts = transcripts(tmp_path)
    assert len(texts) == len(set(texts.values())) == 48
    assert [texts["02", "01"], texts["02", "02"]] == said_by([2])["02"]


def test_all_actors_can_say_the_sentences_of_ravdess(tmp_path):
    write_ravdess(tmp_path, [1, 2], sentences=SENTENCES, clips_per_speaker=1)
    texts = transcripts(tmp_path)
    assert {texts[f"{a:02d}", "01"] for a in ACTORS} == {SENTENCES[0]}
    assert {texts[f"{a:02d}", "02"] for a in ACTORS} == {SENTENCES[1]}


def test_what_is_spoken_is_the_actors_sentence():
    clip = next(clip for clip in clips_of(9) if clip.sentence == 2)
    np.testing.assert_array_equal(
        speak(clip), speak(clip, sentences=said_by([9])["09"])
    )
    assert len(speak(clip)) != len(speak(clip, sentences=said_by([8])["08"]))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(actors=[25]), "no actor 25"),
        (dict(without="loudness"), "no cue 'loudness'"),
        (dict(sentences=["Kids are absent"]), "'absent'"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    tmp_path, arguments, message
):
    with pytest.raises(SerMtlError, match=message):
        write_ravdess(tmp_path / "new", **arguments)
    assert not (tmp_path / "new" / SETTINGS).exists()
