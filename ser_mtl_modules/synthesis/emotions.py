"""What the small voice does in the emotions of the corpora.

Six cues carry the emotion, each a part of it and none all: two emotions that
share one differ in others, and every cue also varies from clip to clip and from
speaker to speaker. The directions follow the reviews of Scherer, 2003
(https://doi.org/10.1016/S0167-6393(02)00084-5) and of Juslin and Laukka, 2003;
the sizes were tuned so that recognising RAVDESS's eight takes a model that
listens to all six (`ser_mtl_modules.experiments.listening` measures it). The
others lie between those.
"""

import numpy as np

from ser_mtl_modules.errors import SerMtlError, nearest
from ser_mtl_modules.synthesis.voice import Expression

CUES = {
    "pitch_level": ("pitch_st",),
    "pitch_range": ("range_octaves",),
    "contour": ("contour_st",),
    "rate": ("rate_octaves",),
    "energy": ("level_db",),
    "voice_quality": ("tension_db", "roughness"),
}
"""The fields of `Expression` that each cue moves."""

FIELDS = [field for fields in CUES.values() for field in fields]
UNITS = np.array([5.0, 1.2, 6.5, 0.3, 7.5, 2.3, 0.04])
"""What 1 means in the table below, in the units of the fields."""

EMOTIONS = {
    # level, range, contour, rate, energy, tension, roughness
    "neutral": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "calm": (-0.8, -0.3, 0.0, -0.9, -0.2, -0.6, 0.0),
    "happy": (0.9, 0.9, 0.4, 0.4, 0.8, 0.3, 0.0),
    "sad": (0.4, -0.2, -1.0, -0.8, -0.9, -0.5, 0.2),
    "angry": (0.3, 0.6, -0.8, 0.8, 0.3, 1.0, 1.0),
    "fearful": (0.9, -0.8, 0.0, 0.3, -0.7, 0.0, 0.6),
    "disgust": (-0.9, 0.5, -0.8, -0.8, 0.0, 0.7, 0.8),
    "surprised": (0.8, 1.0, 1.0, 0.2, 0.0, 0.0, 0.0),
    # not in RAVDESS
    "bored": (-0.5, -0.9, -0.3, -0.6, -0.4, -0.2, 0.4),
    "contempt": (-0.4, 0.4, 0.5, -0.5, -0.3, 0.6, 0.3),
    "excited": (1.0, 0.5, 0.2, 0.9, 1.0, 0.6, 0.2),
    "frustrated": (0.1, 0.2, -0.8, 0.0, 0.5, 0.8, 0.5),
}
"""Mean of each field at normal intensity, in `UNITS`."""

INTENSITIES = {"normal": 1.0, "strong": 1.5}
"""How far an emotion is from neutral."""

SPREAD = 0.27
"""Standard deviation of every field from clip to clip, in `UNITS`."""


def check_cue(cue):
    """Raises an error that names the known cues, unless it is one or None."""
    if cue is not None and cue not in CUES:
        raise SerMtlError(f"There is no cue '{cue}'. {nearest(cue, CUES)}")


def draw_expression(emotion, intensity, rng, without=None):
    """How one clip of an emotion is spoken.

    Arguments
    ---------
    emotion : str
        A key of `EMOTIONS`.
    intensity : str
        A key of `INTENSITIES`.
    rng : numpy.random.Generator
        For what differs between two clips of one emotion.
    without : str, optional
        A key of `CUES` that is to say nothing of the emotion: it then varies as
        it does in neutral speech.

    Returns
    -------
    Expression

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> draw_expression("sad", "strong", rng).level_db < 0
    True
    """
    check_cue(without)
    means = INTENSITIES[intensity] * np.array(EMOTIONS[emotion])
    for field in CUES.get(without, ()):
        means[FIELDS.index(field)] = 0.0
    values = UNITS * (means + SPREAD * rng.standard_normal(len(FIELDS)))
    chosen = dict(zip(FIELDS, values.tolist()))
    # periods can't be more regular than regular
    chosen["roughness"] = abs(chosen["roughness"])
    return Expression(**chosen)
