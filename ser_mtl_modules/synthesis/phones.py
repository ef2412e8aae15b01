"""The phones of the small voice: what the vocal tract does for each of them.

A phone is one or more stretches of time. In each the tract has a place to go
(formants), and its sources are on or off: pulses of the glottis, breath through
the same tract, and noise at a narrowing in the mouth. Vowels follow Peterson
and Barney, 1952 (averages over men); the other phones follow the tables of
Klatt, 1980 (https://doi.org/10.1121/1.383940), rounded.
"""

from dataclasses import dataclass
from typing import Optional, Tuple


@dataclass(frozen=True)
class Stretch:
    """A part of a phone over which its targets stand still.

    Arguments
    ---------
    ms : float
        Duration at normal rate, in milliseconds.
    formants : tuple of float or None
        Targets of F1, F2 and F3 in Hz, for a tract of 17.5 cm. None: the tract
        is already on its way to the next phone, as in an h.
    voicing : float
        Amplitude of the glottal pulses; 1 in a vowel.
    breath : float
        Amplitude of the noise of the glottis.
    frication : float
        Amplitude of the noise of a narrowing in the mouth.
    noise_hz, noise_width_hz : float
        Centre and width (standard deviation) of the spectrum of that noise.
    damping : float
        Bandwidths of the formants, relative to those of a vowel; large where
        the nose is open.
    """

    ms: float
    formants: Optional[Tuple[float, float, float]] = None
    voicing: float = 0.0
    breath: float = 0.0
    frication: float = 0.0
    noise_hz: float = 4000.0
    noise_width_hz: float = 2000.0
    damping: float = 1.0


def vowel(ms, *targets):
    """One target is a vowel, two are a diphthong."""
    return [Stretch(ms / len(targets), t, voicing=1.0) for t in targets]


def glide(ms, *formants):
    """Vowel-like, but weaker: l, r, w and y."""
    return [Stretch(ms, formants, voicing=0.6)]


def nasal(ms, *formants):
    """The mouth is shut, and the nose damps what is left."""
    return [Stretch(ms, formants, voicing=0.4, damping=2.5)]


def fricative(ms, formants, frication, hz, width_hz, voicing=0.0):
    """Noise at a narrowing, with or without the voice."""
    return [
        Stretch(ms, formants, voicing, 0.0, frication, hz, width_hz),
    ]


def plosive(formants, burst, hz, width_hz, voiced):
    """Closure, burst, and the breath that follows where there is no voice."""
    noise = dict(noise_hz=hz, noise_width_hz=width_hz)
    closed = Stretch(45, formants, voicing=0.15 if voiced else 0.0, damping=3)
    opened = Stretch(12, formants, frication=burst, **noise)
    after = Stretch(8, formants, voicing=0.5)
    if not voiced:
        after = Stretch(25, breath=0.35, frication=0.15 * burst, **noise)
    return [closed, opened, after]


LIPS, RIDGE, PALATE = (250, 900, 2200), (250, 1750, 2650), (250, 2000, 2300)

PHONES = {
    # Silence, at a comma
    "SIL": [Stretch(150, (500, 1500, 2500))],
    # Vowels, by the word that has them
    "IY": vowel(95, (270, 2290, 3010)),  # see
    "IH": vowel(70, (390, 1990, 2550)),  # sit
    "EH": vowel(80, (530, 1840, 2480)),  # bed
    "AE": vowel(105, (660, 1720, 2410)),  # cat
    "AA": vowel(110, (730, 1090, 2440)),  # father
    "AO": vowel(110, (570, 840, 2410)),  # door
    "UH": vowel(75, (440, 1020, 2240)),  # book
    "UW": vowel(95, (300, 870, 2240)),  # two
    "AH": vowel(80, (640, 1190, 2390)),  # sun
    "ER": vowel(95, (490, 1350, 1690)),  # bird
    "AX": vowel(50, (500, 1450, 2450)),  # the
    "EY": vowel(110, (480, 2000, 2600), (330, 2200, 2850)),  # day
    "AY": vowel(125, (730, 1250, 2450), (400, 1950, 2550)),  # by
    "OW": vowel(115, (540, 950, 2400), (390, 820, 2300)),  # go
    "AW": vowel(125, (720, 1300, 2450), (430, 950, 2350)),  # house
    "OY": vowel(130, (550, 850, 2400), (400, 1900, 2550)),  # boy
    # Glides and nasals
    "L": glide(55, 360, 1000, 2700),
    "R": glide(55, 330, 1150, 1550),
    "W": glide(55, 290, 650, 2200),
    "Y": glide(50, 270, 2250, 3000),
    "M": nasal(60, 270, 950, 2200),
    "N": nasal(55, 270, 1600, 2600),
    "NG": nasal(65, 270, 2100, 2500),
    # Fricatives; an h is a voiceless onset of the next vowel
    "HH": [Stretch(50, breath=0.5)],
    "F": fricative(80, LIPS, 0.09, 5500, 3500),
    "TH": fricative(75, (300, 1400, 2600), 0.08, 6200, 2600),
    "S": fricative(90, RIDGE, 0.35, 6300, 1100),
    "SH": fricative(90, (300, 1850, 2500), 0.35, 3300, 900),
    "V": fricative(50, LIPS, 0.05, 5500, 3500, voicing=0.35),
    "DH": fricative(35, (300, 1400, 2600), 0.04, 6200, 2600, voicing=0.4),
    "Z": fricative(65, RIDGE, 0.2, 6300, 1100, voicing=0.25),
    # Plosives and affricates
    "P": plosive(LIPS, 0.25, 900, 900, voiced=False),
    "T": plosive(RIDGE, 0.5, 4600, 1500, voiced=False),
    "K": plosive(PALATE, 0.5, 2100, 600, voiced=False),
    "B": plosive(LIPS, 0.15, 700, 700, voiced=True),
    "D": plosive(RIDGE, 0.3, 4200, 1500, voiced=True),
    "G": plosive(PALATE, 0.3, 1900, 600, voiced=True),
    "CH": [
        Stretch(45, RIDGE),
        *fricative(65, RIDGE, 0.4, 3500, 1000),
    ],
    "JH": [
        Stretch(35, RIDGE, voicing=0.15, damping=3),
        *fricative(45, RIDGE, 0.25, 3500, 1000, voicing=0.25),
    ],
}
"""Stretches by ARPAbet symbol; AX is the vowel without stress."""

VOWELS = {phone for phone in PHONES if phone[0] in "AEIOU"}
