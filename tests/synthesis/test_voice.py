from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import solve_toeplitz

from ser_mtl_modules.synthesis import voice
from ser_mtl_modules.synthesis.lexicon import LEXICON
from ser_mtl_modules.synthesis.phones import PHONES, Stretch
from ser_mtl_modules.synthesis.voice import (
    Expression,
    Speaker,
    draw_speaker,
    make_tracks,
    pitch_track,
    pronounce,
    say,
)

RATE = 16000
TEXT = "Kids are talking by the door"
SPEAKER = Speaker()


@pytest.fixture
def vowel(monkeypatch):
    """Says one long, level vowel."""
    monkeypatch.setattr(voice, "USUAL_FALL_ST", 0.0)
    monkeypatch.setattr(voice, "WANDER_ST", 0.0)

    def say_vowel(speaker, expression=voice.NEUTRAL, formants=None):
        formants = formants or (500, 1500, 2500)
        long = [Stretch(600, formants, voicing=1.0)]
        monkeypatch.setitem(PHONES, "AX", long)
        return say("a", speaker, expression)[4000:-4000]

    return say_vowel


def f0_by_autocorrelation(wav):
    """F0 in Hz, between 60 and 400, with a parabola through the peak."""
    r = np.correlate(wav, wav, mode="full")[len(wav) - 1 :]
    r = r / np.arange(len(wav), 0, -1)
    # the first of the peaks that are about as high, or it would be an octave
    high = 40 + np.flatnonzero(r[40:267] > 0.85 * r[40:267].max())[0]
    lag = high + r[high : high + high // 4].argmax()
    left, top, right = r[lag - 1 : lag + 2]
    return RATE / (lag + 0.5 * (left - right) / (left - 2 * top + right))


def formants_by_prediction(wav, order=18):
    """Frequencies of the sharp poles of a linear prediction, in Hz."""
    wav = np.append(wav[0], np.diff(wav)) * np.hanning(len(wav))
    r = np.correlate(wav, wav, mode="full")[len(wav) - 1 :][: order + 1]
    poles = np.roots(np.append(1.0, -solve_toeplitz(r[:-1], r[1:])))
    poles = poles[(poles.imag > 0) & (np.abs(poles) > 0.9)]
    hz = np.sort(np.angle(poles)) * RATE / (2 * np.pi)
    return hz[hz > 200]


def mean_square_db(wav):
    return 10 * np.log10(np.mean(wav**2))


def test_the_same_is_said_bit_for_bit_again():
    once, again = (
        say(TEXT, SPEAKER, rng=np.random.default_rng(3)) for _ in "ab"
    )
    assert once.dtype == np.float32
    np.testing.assert_array_equal(once, again)
    other = say(TEXT, SPEAKER, rng=np.random.default_rng(4))
    assert len(other) != len(once) or not np.array_equal(other, once)


@pytest.mark.parametrize("f0_hz", [80.0, 120.0, 237.0, 350.0])
def test_f0_of_a_vowel_is_what_was_asked_for(vowel, f0_hz):
    wav = vowel(Speaker(f0_hz=f0_hz, accent_st=0.0))
    assert f0_by_autocorrelation(wav) == pytest.approx(f0_hz, rel=0.03)


@pytest.mark.parametrize("tract_cm", [14.0, 17.5])
def test_formants_move_with_the_length_of_the_tract(vowel, tract_cm):
    wav = vowel(Speaker(f0_hz=90.0, accent_st=0.0, tract_cm=tract_cm))
    expected = np.array([500, 1500, 2500]) * 17.5 / tract_cm
    assert formants_by_prediction(wav)[:3] == pytest.approx(expected, rel=0.06)


def test_a_longer_tract_and_own_offsets_change_no_pitch(vowel):
    a, b = (
        vowel(Speaker(accent_st=0.0, tract_cm=cm, formant_offsets=offsets))
        for cm, offsets in [(14.0, (1, 1, 1, 1)), (18.0, (1.05, 0.95, 1, 1))]
    )
    assert f0_by_autocorrelation(a) == pytest.approx(
        f0_by_autocorrelation(b), rel=0.02
    )


def pitch_of(expression):
    """F0 in semitones and the voicing of the same utterance, both [T]."""
    rng = np.random.default_rng(1)
    tracks = make_tracks(pronounce(TEXT.lower().split()), 1.0, rng)
    f0_hz = pitch_track(tracks, SPEAKER, expression, rng)
    return 12 * np.log2(f0_hz / SPEAKER.f0_hz), tracks["voicing"]


def test_pitch_range_and_contour_leave_the_mean_and_do_what_they_say():
    st, voicing = pitch_of(Expression())
    higher, _ = pitch_of(Expression(pitch_st=3.0))
    np.testing.assert_allclose(higher - st, 3.0)
    wider, _ = pitch_of(Expression(range_octaves=1.0))
    rising, _ = pitch_of(Expression(contour_st=6.0))
    for changed in (wider, rising):
        assert np.average(changed, weights=voicing) == pytest.approx(0.0)
    # twice the accents, with the same fall and wandering
    accents, _ = pitch_of(Expression(range_octaves=-50.0))
    np.testing.assert_allclose(wider - accents, 2 * (st - accents), atol=1e-9)
    assert (rising - st)[-1] - (rising - st)[0] == pytest.approx(6.0)


def test_rate_shortens_what_is_spoken():
    slow, fast = (
        len(say(TEXT, SPEAKER, Expression(rate_octaves=rate)))
        for rate in (-0.5, 0.5)
    )
    silence = 0.16 * RATE
    assert (slow - silence) / (fast - silence) == pytest.approx(2.0, rel=0.05)


def test_level_is_in_decibels_and_alone():
    soft, loud = (
        say(TEXT, SPEAKER, Expression(level_db=level)) for level in (0.0, 9.0)
    )
    assert mean_square_db(loud) - mean_square_db(soft) == pytest.approx(
        9.0, abs=0.1
    )
    higher = say(TEXT, SPEAKER, Expression(pitch_st=6.0, tension_db=2.0))
    assert mean_square_db(higher) == pytest.approx(
        mean_square_db(soft), abs=0.2
    )


def test_tension_brings_the_high_harmonics_up(vowel):
    def high_to_low_db(wav):
        power = np.abs(np.fft.rfft(wav)) ** 2
        hz = np.fft.rfftfreq(len(wav), 1 / RATE)
        high, low = power[(hz > 1000) & (hz < 4000)], power[hz < 1000]
        return 10 * np.log10(high.sum() / low.sum())

    lax, tense = (
        high_to_low_db(vowel(SPEAKER, Expression(tension_db=tension)))
        for tension in (-2.0, 2.0)
    )
    assert tense - lax > 4.0


def harmonicity(wav):
    """Correlation of a signal with itself one period later."""
    lag = round(RATE / f0_by_autocorrelation(wav))
    return max(
        np.corrcoef(wav[:-i], wav[i:])[0, 1] for i in range(lag - 1, lag + 2)
    )


def test_breath_and_roughness_make_periods_less_alike(vowel):
    speaker = Speaker(accent_st=0.0)
    usual = harmonicity(vowel(speaker))
    assert harmonicity(vowel(speaker, Expression(roughness=0.05))) < usual
    assert harmonicity(vowel(replace(speaker, breath_db=-5.0))) < usual


@pytest.mark.parametrize("level_db", [-40.0, 0.0, 60.0])
def test_nothing_clips_and_there_is_no_digital_silence(level_db):
    wav = say(TEXT, SPEAKER, Expression(level_db=level_db))
    assert np.isfinite(wav).all() and np.abs(wav).max() < 1.0
    assert wav[:800].std() > 0
    if level_db == 0.0:
        assert mean_square_db(wav) - mean_square_db(wav[:800]) > 25


def test_other_sample_rates_sound_alike():
    a = np.abs(np.fft.rfft(say(TEXT, SPEAKER, sample_rate=16000), 48000))
    b = np.abs(np.fft.rfft(say(TEXT, SPEAKER, sample_rate=24000), 72000))
    a, b = (
        20 * np.log10(x[300:21300].reshape(-1, 3000).mean(1)) for x in (a, b)
    )
    # 24 kHz has half as many samples more
    np.testing.assert_allclose(b - a, 20 * np.log10(1.5), atol=2.0)


def envelope(wav):
    """Shape of the spectrum over time: 20 bands at 24 places, without level."""
    frames = np.lib.stride_tricks.sliding_window_view(wav, 400)[::80]
    power = np.abs(np.fft.rfft(frames * np.hanning(400))) ** 2  # [T, 201]
    edges = np.geomspace(4, 201, 21).astype(int)
    bands = np.log(np.add.reduceat(power, edges[:-1], axis=1) + 1e-7)
    places = np.linspace(0, len(bands) - 1, 24).astype(int)
    smooth = np.stack([bands[max(0, p - 2) : p + 3].mean(0) for p in places])
    return smooth - smooth.mean()


def test_words_are_told_apart_by_their_nearest_template():
    """Another utterance by another man is nearest to the same word."""
    rng = np.random.default_rng(0)
    words = sorted(LEXICON)[::4]
    template = draw_speaker("male", rng)
    templates = [envelope(say(w, template, rng=rng)) for w in words]
    speaker = draw_speaker("male", rng)
    right = 0
    for i, word in enumerate(words):
        heard = envelope(say(word, speaker, rng=rng))
        right += np.argmin([np.abs(heard - t).mean() for t in templates]) == i
    assert right / len(words) > 0.5  # by chance it would be 0.03


def test_sexes_overlap_in_pitch_and_not_in_tract():
    rng = np.random.default_rng(0)
    women, men = (
        [draw_speaker(sex, rng) for _ in range(200)]
        for sex in ("female", "male")
    )
    assert min(w.f0_hz for w in women) < max(m.f0_hz for m in men)
    assert max(w.tract_cm for w in women) < min(m.tract_cm for m in men)


def test_a_speakers_own_formants_say_nothing_of_the_tracts_length():
    rng = np.random.default_rng(0)
    speakers = [draw_speaker("female", rng) for _ in range(20)]
    offsets = np.array([speaker.formant_offsets for speaker in speakers])
    np.testing.assert_allclose(offsets.mean(axis=1), 1.0)
    assert len(np.unique(offsets)) == 80


def test_a_comma_is_a_pause():
    with_pause, without = (say(text, SPEAKER) for text in ("yes, no", "yes no"))
    assert len(with_pause) - len(without) > 0.1 * RATE
