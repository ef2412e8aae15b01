"""A sample corpus in the layout and under the names of RAVDESS.

For trying the recipe, and for its tests: the corpus's actors, emotions,
intensities and repetitions, 1440 clips in all, and none of its sound. Each actor
has two sentences of their own, where all of RAVDESS's say the same two. A file
with the corpus's settings says which.
"""

import itertools
import json
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.randomness import key
from ser_mtl_modules.synthesis.emotions import (
    EMOTIONS,
    INTENSITIES,
    check_cue,
    draw_expression,
)
from ser_mtl_modules.synthesis.lexicon import words_of
from ser_mtl_modules.synthesis.sentences import sentences_of
from ser_mtl_modules.synthesis.voice import VERSION, draw_speaker, say

ACTORS = range(1, 25)
N_SENTENCES = 2
# of RAVDESS, for write_ravdess(..., sentences=SENTENCES)
SENTENCES = ("Kids are talking by the door", "Dogs are sitting by the door")
REPETITIONS = (1, 2)
SAMPLE_RATE = 16000  # RAVDESS has 48 kHz; this is what encoders want
SETTINGS = "sample_corpus.json"
VERSION_OF_SETTINGS = 2  # 1 had the same sentences for all actors


@dataclass(frozen=True)
class Clip:
    """What the name of a clip says.

    Arguments
    ---------
    actor : int
        From 1 to 24.
    emotion : str
        A key of `EMOTIONS`.
    intensity : str
        A key of `INTENSITIES`.
    sentence : int
        From 1.
    repetition : int
        1 or 2.

    Example
    -------
    >>> clip = Clip(12, "fearful", "normal", sentence=2, repetition=1)
    >>> clip.path.as_posix(), clip.sex
    ('Actor_12/03-01-06-01-02-01-12.wav', 'female')
    """

    actor: int
    emotion: str
    intensity: str
    sentence: int
    repetition: int

    @property
    def sex(self):
        return "male" if self.actor % 2 else "female"

    @property
    def path(self):
        """Where the clip is in the corpus."""
        fields = (
            3,  # audio without video
            1,  # speech, not song
            1 + list(EMOTIONS).index(self.emotion),
            1 + list(INTENSITIES).index(self.intensity),
            self.sentence,
            self.repetition,
            self.actor,
        )
        name = "-".join(f"{field:02d}" for field in fields)
        return Path(f"Actor_{self.actor:02d}") / f"{name}.wav"


def clips_of(actor, n_sentences=N_SENTENCES):
    """All clips of an actor.

    Arguments
    ---------
    actor : int
        From 1 to 24.
    n_sentences : int
        How many sentences there are; the corpus has two.

    Returns
    -------
    list of Clip
        The first 8 have all emotions, the first 15 both intensities of them,
        the first 30 all sentences.

    Example
    -------
    >>> len(clips_of(1))
    60
    """
    return [
        Clip(actor, emotion, intensity, sentence, repetition)
        for repetition, sentence, intensity, emotion in itertools.product(
            REPETITIONS, range(1, n_sentences + 1), INTENSITIES, EMOTIONS
        )
        if (emotion, intensity) != ("neutral", "strong")
    ]


def said_by(actors, seed=1986, sentences=None):
    """What each actor says.

    Arguments
    ---------
    actors : iterable of int
        From 1 to 24.
    seed : int
        Of the corpus.
    sentences : sequence of str, optional
        What all of them say. By default each actor has sentences of their own.

    Returns
    -------
    dict of str to list of str
        By the actor's code of two digits; sentence 1 is the first one.

    Example
    -------
    >>> said_by([1], sentences=["The moon was white", "The sun was red"])
    {'01': ['The moon was white', 'The sun was red']}
    """
    return {
        f"{actor:02d}": list(
            sentences or sentences_of(actor, seed, N_SENTENCES)
        )
        for actor in actors
    }


def speak(clip, seed=1986, sentences=None, without=None):
    """The sound of a clip; it depends on nothing but what is given here.

    Arguments
    ---------
    clip : Clip
        Who says what, and how.
    seed : int
        Another one gives other voices and other clips.
    sentences : sequence of str, optional
        Of the words of `lexicon`; the clip's sentence 1 is the first one. By
        default those of the actor.
    without : str, optional
        The cue of emotion to leave out, as for `draw_expression`.

    Returns
    -------
    numpy.ndarray
        float32, shape [S], at `SAMPLE_RATE`.
    """
    actor = np.random.default_rng(key(seed, "actor", clip.actor))
    rng = np.random.default_rng(key(seed, "clip", clip.path.stem))
    expression = draw_expression(clip.emotion, clip.intensity, rng, without)
    texts = sentences or sentences_of(clip.actor, seed, N_SENTENCES)
    return say(
        texts[clip.sentence - 1],
        draw_speaker(clip.sex, actor),
        expression,
        rng,
        SAMPLE_RATE,
    )


def write_ravdess(
    folder,
    actors=ACTORS,
    seed=1986,
    sentences=None,
    without=None,
    clips_per_actor=None,
):
    """Writes the corpus, or what is missing of it.

    The same settings give the same bits, whichever actors are written first. A
    second call writes nothing, and one after an interruption the rest.

    Arguments
    ---------
    folder : str or path-like
        Gets `Actor_01` to `Actor_24` (16 bit wav at `SAMPLE_RATE`), and a file
        with the settings.
    actors : iterable of int
        From 1 to 24.
    seed : int
        Another one gives other voices and other clips.
    sentences : sequence of str, optional
        What all actors say, in words of `lexicon`. By default each actor has
        two sentences of their own.
    without : str, optional
        The cue of emotion to leave out, as for `draw_expression`.
    clips_per_actor : int, optional
        The first of `clips_of`, for a smaller corpus. All 60 by default.

    Returns
    -------
    int
        How many clips were written.
    """
    folder = Path(folder)
    actors = list(actors)
    check_arguments(actors, sentences or (), without)
    settings = {
        "corpus": "RAVDESS, synthetic",
        "version": VERSION_OF_SETTINGS,
        "voice": VERSION,
        "seed": seed,
        "without": without,
        # of all actors: more of them may be written later
        "sentences": said_by(ACTORS, seed, sentences),
    }
    claim(folder, settings)
    n_sentences = len(sentences or range(N_SENTENCES))
    clips = [
        clip
        for actor in actors
        for clip in clips_of(actor, n_sentences)[:clips_per_actor]
    ]
    missing = [clip for clip in clips if not (folder / clip.path).exists()]
    for clip in tqdm(missing, desc=f"Speaking {folder}", disable=None):
        wav = speak(clip, seed, sentences, without)
        write_wav(folder / clip.path, wav)
    return len(missing)


def check_arguments(actors, sentences, without):
    """Raises an error for what can't be spoken, before anything is written."""
    unknown = sorted(set(actors) - set(ACTORS))
    if unknown:
        raise SerMtlError(
            f"RAVDESS has actors 1 to 24; there is no actor {unknown[0]}."
        )
    check_cue(without)
    for sentence in sentences:
        words_of(sentence)


def claim(folder, settings):
    """Makes the folder that of a sample corpus with these settings.

    Raises an error, and changes nothing, if something else is there.

    Arguments
    ---------
    folder : pathlib.Path
        Of the corpus.
    settings : dict
        All that the sound depends on.
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
    elif any(folder.glob("Actor_*")):
        raise SerMtlError(
            f"{folder} holds Actor folders, and no {SETTINGS}: this may be the "
            "real RAVDESS. Name another folder for the sample corpus."
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


def transcripts(folder):
    """What is said in a sample corpus; None where there is no such corpus.

    Arguments
    ---------
    folder : pathlib.Path
        Of the corpus.

    Returns
    -------
    dict or None
        Of the actor's and the statement's code, each of two digits, to text.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> transcripts(folder) is None
    True
    >>> _ = write_ravdess(folder, actors=[1], clips_per_actor=1)
    >>> transcripts(folder)["24", "02"]
    'His father is sitting under the tree'
    """
    settings = read_settings(folder)
    if settings is None:
        return None
    said = settings.get("sentences")
    if not isinstance(said, dict) or not all(
        isinstance(texts, list) and all(isinstance(t, str) for t in texts)
        for texts in said.values()
    ):
        raise SerMtlError(
            f"{folder / SETTINGS}: expected 'sentences' to have a list of "
            "sentences for each actor. The sample corpus is damaged, or of an "
            "older version: delete the folder, and write the corpus again."
        )
    return {
        (actor, f"{i:02d}"): text
        for actor, texts in said.items()
        for i, text in enumerate(texts, start=1)
    }


def write_wav(path, wav):
    """Writes a clip that takes its name only when it is complete."""
    path.parent.mkdir(exist_ok=True)
    # without the suffix, so that nobody takes half a clip for a clip
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}")
    try:
        soundfile.write(temporary, wav, SAMPLE_RATE, "PCM_16", format="WAV")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
