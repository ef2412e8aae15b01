import numpy as np
import pytest
from scipy.signal import freqs

from ser_mtl_modules.synthesis.source_filter import (
    filter_over_time,
    glottal_pulses,
    narrowing,
    resonance,
    tract,
)

FREQUENCIES = np.arange(0.0, 8000.0, 10.0)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_pulses_are_as_many_as_periods_and_of_unit_power(rng):
    f0_hz = np.full(16000, 123.4)
    pulses, phase = glottal_pulses(f0_hz, 0.0, rng, 16000)
    spectrum = np.abs(np.fft.rfft(pulses))  # a bin a Hz
    harmonics = np.round(123.4 * np.arange(1, 40)).astype(int)
    assert spectrum[harmonics].min() > 10 * np.median(spectrum)
    assert np.mean(pulses**2) == pytest.approx(1.0, rel=0.1)
    assert phase[-1] == pytest.approx(2 * np.pi * 123.4, rel=0.001)


def test_jitter_is_the_spread_of_the_periods(rng):
    f0_hz = np.full(64000, 100.0)
    pulses, _ = glottal_pulses(f0_hz, 0.03, rng, 16000)
    times = np.flatnonzero(
        (pulses[1:-1] > 6)
        & (pulses[1:-1] >= np.maximum(pulses[2:], pulses[:-2]))
    )
    # each period is between two times that are both off by 3 per cent
    spread = np.std(np.diff(times)) / 160
    assert spread == pytest.approx(np.sqrt(2) * 0.03, rel=0.15)


def test_a_resonator_is_scipys():
    width, formant = 2 * np.pi * 90.0, 2 * np.pi * 1500.0
    _, expected = freqs(
        [formant**2], [1.0, width, formant**2], 2 * np.pi * FREQUENCIES
    )
    np.testing.assert_allclose(resonance(FREQUENCIES, 1500.0, 90.0), expected)


def test_peaks_of_the_tract_are_the_formants():
    formants = np.array([[500.0, 1500.0, 2500.0], [300.0, 2200.0, 3000.0]])
    gains = np.abs(tract(FREQUENCIES, formants, np.ones(2), np.ones(4)))
    for row, expected in zip(gains, formants):
        inner = row[1:-1]
        peaks = 1 + np.flatnonzero((inner > row[2:]) & (inner > row[:-2]))
        assert FREQUENCIES[peaks][:3] == pytest.approx(expected, abs=30)


def test_noise_of_a_narrowing_has_unit_power_and_its_centre():
    gains = narrowing(FREQUENCIES, np.array([3300.0]), np.array([900.0]))
    assert np.mean(gains**2) == pytest.approx(1.0)
    assert FREQUENCIES[gains[0].argmax()] == 3300.0


def test_a_filter_that_stays_is_that_of_the_whole_signal(rng):
    """The short-time filter against one FFT over everything."""
    source = rng.standard_normal(4000)

    def gains_at(times, frequencies):
        return [resonance(frequencies, 700.0, 200.0)]

    padded = np.fft.rfft(source, 16000)
    whole = resonance(np.fft.rfftfreq(16000, 1 / 16000), 700.0, 200.0)
    expected = np.fft.irfft(padded * whole)[:4000]
    got = filter_over_time([source], gains_at, 16000)
    assert np.abs(got - expected).max() < 0.01 * np.abs(expected).max()
