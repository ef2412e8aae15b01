"""A small voice: known words, a speaker and an expression make speech.

The phones of a text become tracks over time, and these steer the source and the
filter of `source_filter`. It sounds like a machine. What it is good for is that
pitch, its range and contour, rate, level and voice quality are what was asked
for, one independent of the others.
"""

from dataclasses import dataclass

import numpy as np

from ser_mtl_modules.synthesis.lexicon import LEXICON, words_of
from ser_mtl_modules.synthesis.phones import PHONES, VOWELS, Stretch
from ser_mtl_modules.synthesis.source_filter import (
    filter_over_time,
    glottal_pulses,
    narrowing,
    source_slope,
    tract,
)

VERSION = 2  # counts the voices that sounded different
TRACK_RATE = 1000  # values per second
GLIDE_S = 0.060  # how long the tract takes from one target to the next
VOICE_ONSET_S = 0.020
NOISE_ONSET_S = 0.008
SILENCE_S = 0.08  # before and after
FINAL_LENGTHENING = 1.25  # of the last vowel and what follows it
ACCENT_S = 0.070  # standard deviation of an accent's bump
USUAL_FALL_ST = -3.0  # of a statement, from its beginning to its end
WANDER_ST = 0.3  # standard deviation of what pitch does for no reason
USUAL_JITTER = 0.004
LOWEST_F0_HZ, HIGHEST_F0_HZ = 50.0, 600.0
ASPIRATION_DB = -12.0  # breath without voice, as in an h
NEUTRAL_TRACT_CM = 17.5  # has the formants of `phones`
LEVEL_DBFS = -30.0  # RMS of speech at a level of 0 dB
ROOM_DBFS = -78.0  # there is no digital silence where people speak
HIGHEST_PEAK = 0.95


@dataclass(frozen=True)
class Speaker:
    """What stays the same from one utterance of a speaker to the next.

    Arguments
    ---------
    sex : str
        "female" or "male". A label: the sound depends on what follows.
    f0_hz : float
        Habitual pitch: the geometric mean of F0 over an utterance.
    tract_cm : float
        Length of the vocal tract; formants are inversely proportional to it.
    formant_offsets : tuple of float
        What is the speaker's own: factors of F1, F2, F3 and of all above.
    accent_st : float
        Height of the accents in semitones.
    rate : float
        Relative to the durations of `phones`.
    level_db : float
        Relative to `LEVEL_DBFS`.
    slope_db : float
        How fast the voice source falls, in dB an octave: 4 is tense, 8 is lax.
    breath_db : float
        Noise of the glottis, relative to its pulses.
    """

    sex: str = "male"
    f0_hz: float = 120.0
    tract_cm: float = NEUTRAL_TRACT_CM
    formant_offsets: tuple = (1.0, 1.0, 1.0, 1.0)
    accent_st: float = 2.5
    rate: float = 1.0
    level_db: float = 0.0
    slope_db: float = 6.0
    breath_db: float = -28.0


@dataclass(frozen=True)
class Expression:
    """How an utterance differs from the speaker's habit; all zero is neutral.

    Arguments
    ---------
    pitch_st : float
        Mean pitch, in semitones above the habitual one.
    range_octaves : float
        Height of the accents: 1 doubles it, -1 halves it.
    contour_st : float
        Rise from the beginning of the utterance to its end, in semitones on top
        of the usual fall.
    rate_octaves : float
        Speed: 1 doubles it.
    level_db : float
        RMS of the speech.
    tension_db : float
        Voice quality: how many dB an octave the source falls less; negative is
        a soft voice, which has `BREATH_BY_TENSION` more breath in it.
    roughness : float
        Voice quality: standard deviation of the pulses' times, relative to the
        period, on top of `USUAL_JITTER`.
    """

    pitch_st: float = 0.0
    range_octaves: float = 0.0
    contour_st: float = 0.0
    rate_octaves: float = 0.0
    level_db: float = 0.0
    tension_db: float = 0.0
    roughness: float = 0.0


BREATH_BY_TENSION = -2.0  # dB for each dB
NEUTRAL = Expression()


def draw_speaker(sex, rng):
    """A speaker by chance; the sexes overlap in pitch, not in formants.

    Arguments
    ---------
    sex : str
        "female" or "male".
    rng : numpy.random.Generator
        Where the chance comes from.

    Returns
    -------
    Speaker
    """
    f0_hz, tract_cm = {"female": (185.0, 14.3), "male": (130.0, 17.7)}[sex]
    # uniform, so that nobody is an outlier in a small corpus
    offset = iter(rng.uniform(-1.0, 1.0, size=11))
    pitch, length = next(offset), next(offset)
    formants = np.array([next(offset) for _ in range(4)])
    # the shape of the tract alone: its length is what tells the sexes apart
    formants -= formants.mean()
    return Speaker(
        sex=sex,
        f0_hz=f0_hz * 2 ** (3.5 * pitch / 12),
        tract_cm=tract_cm + 0.6 * length,
        formant_offsets=tuple((1.0 + 0.08 * formants).tolist()),
        accent_st=2.5 * 2 ** (0.3 * next(offset)),
        rate=0.85 * 2 ** (0.15 * next(offset)),
        level_db=3.0 * next(offset),
        slope_db=6.0 + 0.8 * next(offset),
        breath_db=-28.0 + 4.0 * next(offset),
    )


def say(text, speaker, expression=NEUTRAL, rng=None, sample_rate=16000):
    """Speaks a text, with a little silence around it.

    Arguments
    ---------
    text : str
        Of the words of `lexicon`; a comma is a pause.
    speaker : Speaker
        Who speaks.
    expression : Expression
        How.
    rng : numpy.random.Generator, optional
        For the noises, and for what nobody does twice in the same way. By
        default always the same one.
    sample_rate : int
        In Hz.

    Returns
    -------
    numpy.ndarray
        Shape [S], float32, in (-1, 1). Between the silences its RMS is that of
        speaker and expression, unless a peak would pass `HIGHEST_PEAK`.

    Example
    -------
    >>> quiet = say("The door.", Speaker(level_db=-6.0))
    >>> loud = say("The door.", Speaker(level_db=6.0))
    >>> bool(loud.std() > 3.9 * quiet.std())
    True
    """
    rng = np.random.default_rng(0) if rng is None else rng
    rate = speaker.rate * 2**expression.rate_octaves
    tracks = make_tracks(pronounce(words_of(text)), rate, rng)
    tracks["f0_hz"] = pitch_track(tracks, speaker, expression, rng)
    speech = filter_over_time(
        make_sources(tracks, speaker, expression, rng, sample_rate),
        make_filters(tracks, speaker, expression),
        sample_rate,
    )
    spoken = in_samples(tracks["spoken"], sample_rate) > 0.5
    level_db = LEVEL_DBFS + speaker.level_db + expression.level_db
    speech *= 10 ** (level_db / 20) / np.sqrt(np.mean(speech[spoken] ** 2))
    speech += 10 ** (ROOM_DBFS / 20) * rng.standard_normal(len(speech))
    peak = np.abs(speech).max()
    return (speech * min(1.0, HIGHEST_PEAK / peak)).astype(np.float32)


def pronounce(words):
    """The phones of some words, and which of them bear an accent.

    Arguments
    ---------
    words : list of str
        From `lexicon.words_of`.

    Returns
    -------
    list of (str, bool)

    Example
    -------
    >>> pronounce(["the", "door"])[2:]
    [('D', False), ('AO', True), ('R', False)]
    """
    symbols = [s for word in words for s in LEXICON.get(word, ["SIL"])]
    return [(symbol.rstrip("1"), symbol.endswith("1")) for symbol in symbols]


def durations(phones, rate, rng):
    """How long each stretch of each phone takes, in seconds.

    Arguments
    ---------
    phones : list of (str, bool)
        From `pronounce`.
    rate : float
        Relative to the durations of `phones`.
    rng : numpy.random.Generator
        For the eight per cent or so that a phone differs from itself.

    Returns
    -------
    list of numpy.ndarray
    """
    last_vowel = max(i for i, (p, _) in enumerate(phones) if p in VOWELS)
    chance = np.exp(0.08 * rng.standard_normal(len(phones))) / rate
    chance[last_vowel:] *= FINAL_LENGTHENING
    return [
        np.array([stretch.ms for stretch in PHONES[phone]]) / 1000 * factor
        for (phone, _), factor in zip(phones, chance)
    ]


def make_tracks(phones, rate, rng):
    """The targets of the phones as tracks over time, smooth as a tract is slow.

    Arguments
    ---------
    phones : list of (str, bool)
        From `pronounce`.
    rate : float
        As for `durations`. The tract moves no faster at a high rate, so that
        targets are missed, as they are by people.
    rng : numpy.random.Generator
        For the lengths of phones and silences.

    Returns
    -------
    dict of str to numpy.ndarray
        Each of shape [T], at `TRACK_RATE`: the fields of `phones.Stretch`, with
        `formants`, in Hz, of shape [T, 3]; `spoken`, which is 0 in the silences
        around the speech; `accent`, a bump of about 1 at each accent.
    """
    lengths = durations(phones, rate, rng)
    before, after = SILENCE_S * rng.uniform(0.7, 1.3, size=2)
    starts = before + np.cumsum([0.0] + [sum(n) for n in lengths])
    stretches = [s for phone, _ in phones for s in PHONES[phone]]
    ends = np.cumsum(np.concatenate([[before], *lengths, [after]]))
    counts = np.diff(np.round(ends * TRACK_RATE).astype(int), prepend=0)
    silence = Stretch(0.0)

    def track(name, seconds=0.0):
        targets = [getattr(s, name) for s in [silence, *stretches, silence]]
        if name == "formants":
            targets = np.log(on_the_way(targets))
        return smooth(np.repeat(targets, counts, axis=0), seconds)

    tracks = {
        "formants": np.exp(track("formants", GLIDE_S)),
        "voicing": track("voicing", VOICE_ONSET_S),
        "breath": track("breath", VOICE_ONSET_S),
        "damping": track("damping", VOICE_ONSET_S),
        "frication": track("frication", NOISE_ONSET_S),
        "noise_hz": track("noise_hz"),
        "noise_width_hz": track("noise_width_hz"),
    }
    time = np.arange(counts.sum()) / TRACK_RATE
    tracks["spoken"] = 1.0 * ((time >= before) & (time < time[-1] - after))
    accented = np.flatnonzero([accent for _, accent in phones])
    peaks = (starts[accented] + starts[accented + 1]) / 2
    heights = 1.0 + 0.2 * rng.standard_normal(len(peaks))
    off = (time[:, None] - peaks) * rate / ACCENT_S  # [T, accents]
    tracks["accent"] = np.exp(-0.5 * off**2) @ heights
    return tracks


def on_the_way(targets):
    """Targets of formants, where a missing one is that of the next stretch.

    Example
    -------
    >>> on_the_way([None, (500, 1500, 2500), None])
    [(500, 1500, 2500), (500, 1500, 2500), (500, 1500, 2500)]
    """
    filled, following = [], [t for t in targets if t is not None][-1]
    for target in reversed(targets):
        following = following if target is None else target
        filled.append(following)
    return filled[::-1]


def smooth(track, seconds):
    """A track, [T] or [T, K], whose steps take some time; its ends stay."""
    width = round(seconds * TRACK_RATE / 2)
    if width == 0:
        return track
    kernel = np.hanning(2 * width + 1) / width
    columns = track.reshape(len(track), -1).T
    padded = np.pad(columns, [(0, 0), (width, width)], mode="edge")
    smoothed = [np.convolve(c, kernel, mode="valid") for c in padded]
    return np.stack(smoothed, axis=-1).reshape(track.shape)


def pitch_track(tracks, speaker, expression, rng):
    """F0 over time: habit, fall, accents, and a little wandering.

    Range and contour leave the mean over the voiced parts where it is, so that
    each cue of the pitch can be asked for alone.

    Arguments
    ---------
    tracks : dict of str to numpy.ndarray
        From `make_tracks`.
    speaker : Speaker
        Whose pitch.
    expression : Expression
        How.
    rng : numpy.random.Generator
        For the wandering.

    Returns
    -------
    numpy.ndarray
        In Hz, shape [T].
    """
    n = len(tracks["voicing"])
    spoken = np.flatnonzero(tracks["spoken"])
    progress = np.interp(np.arange(n), spoken[[0, -1]], [0.0, 1.0])
    knots = np.arange(0, n + TRACK_RATE // 10, TRACK_RATE // 10)  # 10 a second
    wander = np.interp(np.arange(n), knots, rng.standard_normal(len(knots)))
    accent_st = speaker.accent_st * 2**expression.range_octaves
    semitones = (
        (USUAL_FALL_ST + expression.contour_st) * progress
        + accent_st * tracks["accent"]
        + WANDER_ST * wander
    )
    semitones -= np.average(semitones, weights=tracks["voicing"])
    semitones += expression.pitch_st
    f0_hz = speaker.f0_hz * 2 ** (semitones / 12)
    return np.clip(f0_hz, LOWEST_F0_HZ, HIGHEST_F0_HZ)


def in_samples(track, sample_rate):
    """A track at `TRACK_RATE`, [T], as one at the rate of the samples, [S]."""
    n_samples = len(track) * sample_rate // TRACK_RATE
    at = np.arange(n_samples) * TRACK_RATE / sample_rate
    return np.interp(at, np.arange(len(track)), track)


def make_sources(tracks, speaker, expression, rng, sample_rate):
    """Pulses of the glottis, breath, and noise of a narrowing, each [S].

    Arguments
    ---------
    tracks : dict of str to numpy.ndarray
        From `make_tracks`, and `f0_hz`.
    speaker : Speaker
        Whose breath.
    expression : Expression
        Its tension and roughness.
    rng : numpy.random.Generator
        For the noises and the irregularity of the pulses.
    sample_rate : int
        In Hz.

    Returns
    -------
    list of numpy.ndarray
    """
    voicing, aspiration, frication, f0_hz = (
        in_samples(tracks[name], sample_rate)
        for name in ("voicing", "breath", "frication", "f0_hz")
    )
    jitter = USUAL_JITTER + expression.roughness
    pulses, phase = glottal_pulses(f0_hz, jitter, rng, sample_rate)
    breath_db = speaker.breath_db + BREATH_BY_TENSION * expression.tension_db
    # with the voice, breath comes in puffs: the glottis opens and closes
    puffs = (1.0 + 0.7 * np.cos(phase)) * 10 ** (breath_db / 20)
    breath = voicing * puffs + aspiration * 10 ** (ASPIRATION_DB / 20)
    noises = rng.standard_normal((2, len(voicing)))
    return [voicing * pulses, breath * noises[0], frication * noises[1]]


def make_filters(tracks, speaker, expression):
    """What the sources go through, as `filter_over_time` asks for it.

    Arguments
    ---------
    tracks : dict of str to numpy.ndarray
        From `make_tracks`.
    speaker : Speaker
        Whose tract.
    expression : Expression
        Its tension.

    Returns
    -------
    callable
        From times and frequencies to one gain for each of `make_sources`.
    """
    slope_db = speaker.slope_db - expression.tension_db
    shorter = NEUTRAL_TRACT_CM / speaker.tract_cm
    scale = shorter * np.array(speaker.formant_offsets)

    def gains_at(times, frequencies):
        last = len(tracks["spoken"]) - 1
        now = np.minimum(times * TRACK_RATE, last).astype(int)
        resonances = tract(
            frequencies, tracks["formants"][now], tracks["damping"][now], scale
        )
        return [
            resonances * source_slope(frequencies, slope_db),
            resonances,
            narrowing(
                frequencies,
                tracks["noise_hz"][now],
                tracks["noise_width_hz"][now],
            ),
        ]

    return gains_at
