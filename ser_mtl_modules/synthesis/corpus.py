"""What all sample corpora have in common: how a clip is spoken and written.

A module beside this one knows the layout, the names and the label files of one
corpus, and who says what in it.
"""

import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Union

import numpy as np
import soundfile
from tqdm import tqdm

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.randomness import key
from ser_mtl_modules.synthesis.emotions import check_cue, draw_expression
from ser_mtl_modules.synthesis.lexicon import words_of
from ser_mtl_modules.synthesis.voice import VERSION, draw_speaker, say

SAMPLE_RATE = 16000  # what encoders want
SETTINGS = "sample_corpus.json"


@dataclass(frozen=True)
class Utterance:
    """What is said in a clip, by whom and how, and where the clip is.

    Arguments
    ---------
    name : str
        No other clip of the corpus has it.
    path : pathlib.Path
        Where it is in the corpus.
    speaker : int or str
        Who has a voice of their own.
    sex : str
        "female" or "male".
    emotion : str
        A key of `emotions.EMOTIONS`.
    text : str
        Of the words of `lexicon`.
    intensity : str
        A key of `emotions.INTENSITIES`.
    sample_rate : int
        In Hz.
    channels : int
        All of them are the same.
    """

    name: str
    path: Path
    speaker: Union[int, str]
    sex: str
    emotion: str
    text: str
    intensity: str = "normal"
    sample_rate: int = SAMPLE_RATE
    channels: int = 1


def speak(utterance, seed=1986, without=None):
    """The sound of a clip; it depends on nothing but what is given here.

    Arguments
    ---------
    utterance : Utterance
        Who says what, and how.
    seed : int
        Another one gives other voices and other clips.
    without : str, optional
        The cue of emotion to leave out, as for `draw_expression`.

    Returns
    -------
    numpy.ndarray
        float32, shape [S], at the rate of the utterance.
    """
    speaker = np.random.default_rng(key(seed, "actor", utterance.speaker))
    rng = np.random.default_rng(key(seed, "clip", utterance.name))
    expression = draw_expression(
        utterance.emotion, utterance.intensity, rng, without
    )
    return say(
        utterance.text,
        draw_speaker(utterance.sex, speaker),
        expression,
        rng,
        utterance.sample_rate,
    )


def settings_of(corpus, version, seed, **more):
    """All that a sample corpus depends on, as its file of settings has it.

    Arguments
    ---------
    corpus : str
        Its name.
    version : int
        Of what is in it; another one gives other clips or labels.
    seed : int
        Another one gives other voices and other clips.
    **more
        What else there is to choose.

    Returns
    -------
    dict
    """
    return {
        "corpus": f"{corpus}, synthetic",
        "version": version,
        "voice": VERSION,
        "seed": seed,
        **more,
    }


def write_corpus(folder, settings, utterances, files=None):
    """Writes a sample corpus, or what is missing of it.

    The same arguments give the same bits. A second call writes nothing, and one
    after an interruption the rest.

    Arguments
    ---------
    folder : str or path-like
        Gets the clips (16 bit wav), the files, and one with the settings.
    settings : dict
        From `settings_of`. ``without`` is the cue of emotion to leave out, as
        for `draw_expression`.
    utterances : iterable of Utterance
        The clips.
    files : dict of path-like to bytes, optional
        What else the corpus has, by its path in the folder.

    Returns
    -------
    int
        How many clips were written.

    Raises
    ------
    SerMtlError
        Before anything is written: where the folder holds something else, or
        something can't be spoken.
    """
    folder, utterances = Path(folder), list(utterances)
    seed, without = settings["seed"], settings.get("without")
    check_cue(without)
    for text in {utterance.text for utterance in utterances}:
        words_of(text)
    claim(folder, settings)
    for name, content in (files or {}).items():
        if not (folder / name).exists():
            write_file(folder / name, content)
    missing = [u for u in utterances if not (folder / u.path).exists()]
    for utterance in tqdm(missing, desc=f"Speaking {folder}", disable=None):
        wav = speak(utterance, seed, without=without)
        channels = np.tile(wav[:, None], utterance.channels)  # [S, channels]
        write_wav(folder / utterance.path, channels, utterance.sample_rate)
    return len(missing)


def claim(folder, settings):
    """Makes the folder that of a sample corpus with these settings.

    Raises an error, and changes nothing, if something else is there.

    Arguments
    ---------
    folder : pathlib.Path
        Of the corpus.
    settings : dict
        All that the corpus depends on.
    """
    found = read_settings(folder)
    if found is not None:
        known = {**dict.fromkeys(found), **dict.fromkeys(settings)}
        other = [key for key in known if found.get(key) != settings.get(key)]
        if other:
            raise SerMtlError(
                f"{folder} holds a sample corpus with other settings "
                f"({', '.join(other)}), or of an older version; "
                f"{folder / SETTINGS} has them. Delete the folder, or name "
                "another one."
            )
    # hidden: what systems leave, and what an interruption left of the settings
    elif folder.is_dir() and any(folder.glob("[!.]*")):
        name = settings["corpus"].partition(",")[0]
        raise SerMtlError(
            f"{folder} holds files, and no {SETTINGS}: this may be the real "
            f"{name}. Name another folder for the sample corpus."
        )
    else:
        with atomic_write(folder / SETTINGS) as out:
            json.dump(settings, out, indent=2)


def read_settings(folder):
    """The settings of a sample corpus; None where there is no such corpus.

    Arguments
    ---------
    folder : pathlib.Path
        Of the corpus.

    Returns
    -------
    dict or None
    """
    file = folder / SETTINGS
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(settings, dict):
            raise ValueError("no mapping in it")
        return settings
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise SerMtlError(
            f"{file}: the settings of the sample corpus can't be read "
            f"({error}). Delete the folder, and write the corpus again."
        ) from error


def write_wav(path, samples, sample_rate):
    """Writes a clip of samples [S, channels], whole or not at all."""

    def write(temporary):
        soundfile.write(temporary, samples, sample_rate, "PCM_16", format="WAV")

    write_whole(path, write)


def write_file(path, content):
    """Writes a file of these bytes, whole or not at all."""
    write_whole(path, lambda temporary: temporary.write_bytes(content))


def write_whole(path, write):
    """Lets a file be written that takes its name only when it is complete.

    Unlike `atomic_write` it doesn't wait for the disk: what a power cut damages
    can be spoken again.

    Arguments
    ---------
    path : pathlib.Path
        The file to write; folders that are missing are made.
    write : callable
        Gets the path of a temporary file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # without the suffix, so that nobody takes half a clip for a clip
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
