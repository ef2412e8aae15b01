"""A sample corpus in the layout and under the names of RAVDESS.

For trying the recipe, and for its tests: the corpus's actors, emotions,
intensities, sentences and repetitions, 1440 clips in all, and none of its sound.
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
from ser_mtl_modules.synthesis.voice import VERSION, draw_speaker, say

ACTORS = range(1, 25)
SENTENCES = ("Kids are talking by the door", "Dogs are sitting by the door")
REPETITIONS = (1, 2)
SAMPLE_RATE = 16000  # RAVDESS has 48 kHz; this is what encoders want
SETTINGS = "sample_corpus.json"


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


def clips_of(actor, n_sentences=len(SENTENCES)):
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


def speak(clip, seed=1986, sentences=SENTENCES, without=None):
    """The sound of a clip; it depends on nothing but what is given here.

    Arguments
    ---------
    clip : Clip
        Who says what, and how.
    seed : int
        Another one gives other voices and other clips.
    sentences : sequence of str
        Of the words of `lexicon`; the clip's sentence 1 is the first one.
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
    return say(
        sentences[clip.sentence - 1],
        draw_speaker(clip.sex, actor),
        expression,
        rng,
        SAMPLE_RATE,
    )


def write_ravdess(
    folder,
    actors=ACTORS,
    seed=1986,
    sentences=SENTENCES,
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
    sentences : sequence of str
        What is said, in words of `lexicon`; RAVDESS has these two.
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
    check_arguments(actors, sentences, without)
    settings = {
        "corpus": "RAVDESS, synthetic",
        "voice": VERSION,
        "seed": seed,
        "sentences": list(sentences),
        "without": without,
    }
    claim(folder, settings)
    clips = [
        clip
        for actor in actors
        for clip in clips_of(actor, len(sentences))[:clips_per_actor]
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
    file = folder / SETTINGS
    if file.exists():
        found = json.loads(file.read_text(encoding="utf-8"))
        if found != settings:
            raise SerMtlError(
                f"{folder} holds a sample corpus with other settings: "
                f"{found}, not {settings}. Delete it, or name another folder."
            )
    elif any(folder.glob("Actor_*")):
        raise SerMtlError(
            f"{folder} holds Actor folders, and no {SETTINGS}: this may be the "
            "real RAVDESS. Name another folder for the sample corpus."
        )
    else:
        with atomic_write(file) as out:
            json.dump(settings, out, indent=2)


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
