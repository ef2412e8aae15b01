"""A sample corpus in the layout and under the names of RAVDESS.

For trying the recipe, and for its tests: the corpus's actors, emotions,
intensities and repetitions, 1440 clips in all, and none of its sound. Each actor
has two sentences of their own, where all of RAVDESS's say the same two. A file
with the corpus's settings says which.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.synthesis import corpus
from ser_mtl_modules.synthesis.corpus import SETTINGS, Utterance, read_settings
from ser_mtl_modules.synthesis.emotions import INTENSITIES
from ser_mtl_modules.synthesis.sentences import sentences_of

# in the order of their codes, from 01
EMOTIONS = (
    "neutral",
    "calm",
    "happy",
    "sad",
    "angry",
    "fearful",
    "disgust",
    "surprised",
)
ACTORS = range(1, 25)
N_SENTENCES = 2
# of RAVDESS, for write_ravdess(..., sentences=SENTENCES)
SENTENCES = ("Kids are talking by the door", "Dogs are sitting by the door")
REPETITIONS = (1, 2)
VERSION = 2  # 1 had the same sentences for all actors


@dataclass(frozen=True)
class Clip:
    """What the name of a clip says.

    Arguments
    ---------
    actor : int
        From 1 to 24.
    emotion : str
        One of `EMOTIONS`.
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
            1 + EMOTIONS.index(self.emotion),
            1 + list(INTENSITIES).index(self.intensity),
            self.sentence,
            self.repetition,
            self.actor,
        )
        name = "-".join(f"{field:02d}" for field in fields)
        return Path(f"Actor_{self.actor:02d}") / f"{name}.wav"

    def utterance(self, seed=1986, sentences=None):
        """What is said, and how.

        Arguments
        ---------
        seed : int
            Of the corpus.
        sentences : sequence of str, optional
            What all actors say; the clip's sentence 1 is the first one. By
            default those of the actor.

        Returns
        -------
        Utterance
            At 16 kHz, where RAVDESS has 48.
        """
        texts = sentences or sentences_of(self.actor, seed, N_SENTENCES)
        return Utterance(
            name=self.path.stem,
            path=self.path,
            speaker=self.actor,
            sex=self.sex,
            emotion=self.emotion,
            text=texts[self.sentence - 1],
            intensity=self.intensity,
        )


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


def write_ravdess(
    folder,
    actors=ACTORS,
    seed=1986,
    sentences=None,
    without=None,
    clips_per_speaker=None,
):
    """Writes the corpus, or what is missing of it.

    The same settings give the same bits, whichever actors are written first. A
    second call writes nothing, and one after an interruption the rest.

    Arguments
    ---------
    folder : str or path-like
        Gets `Actor_01` to `Actor_24`, and a file with the settings.
    actors : iterable of int
        From 1 to 24.
    seed : int
        Another one gives other voices and other clips.
    sentences : sequence of str, optional
        What all actors say, in words of `lexicon`. By default each actor has
        two sentences of their own.
    without : str, optional
        The cue of emotion to leave out, as for `draw_expression`.
    clips_per_speaker : int, optional
        The first of `clips_of`, for a smaller corpus. All 60 by default.

    Returns
    -------
    int
        How many clips were written.
    """
    actors = list(actors)
    unknown = sorted(set(actors) - set(ACTORS))
    if unknown:
        raise SerMtlError(
            f"RAVDESS has actors 1 to 24; there is no actor {unknown[0]}."
        )
    settings = corpus.settings_of(
        "RAVDESS",
        VERSION,
        seed,
        without=without,
        # of all actors: more of them may be written later
        sentences=said_by(ACTORS, seed, sentences),
    )
    n_sentences = len(sentences or range(N_SENTENCES))
    utterances = [
        clip.utterance(seed, sentences)
        for actor in actors
        for clip in clips_of(actor, n_sentences)[:clips_per_speaker]
    ]
    return corpus.write_corpus(folder, settings, utterances)


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
    >>> _ = write_ravdess(folder, actors=[1], clips_per_speaker=1)
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
