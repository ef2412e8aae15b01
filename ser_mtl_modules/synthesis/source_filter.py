"""The two halves of a voice: pulses of the glottis, and the tract's resonances.

Fant, 1960, with the tract as a cascade of resonators as in Klatt, 1980
(https://doi.org/10.1121/1.383940). Filters that change with time are applied
to short-time spectra, a whole utterance at once.
"""

import numpy as np

HOP_S = 0.008  # half a window; formants hardly move in it
# A uniform tract of 17.5 cm: F4 and what is above it up to 8 kHz, in Hz
HIGHER_FORMANTS = (3500.0, 4500.0, 5500.0, 6500.0, 7500.0)
BANDWIDTHS = (60.0, 90.0, 130.0, 200.0, 260.0, 330.0, 400.0, 500.0)  # Hz
SLOPE_FROM_HZ = 250.0  # below it the source is flat
SHIMMER = 0.05  # standard deviation of a pulse's height, relative
SINC_TAPS = 16


def glottal_pulses(f0_hz, jitter, rng, sample_rate):
    """Band-limited pulses of unit power, wherever in between samples they fall.

    Arguments
    ---------
    f0_hz : numpy.ndarray
        F0 at every sample, shape [S].
    jitter : float
        Standard deviation of a pulse's time, relative to the period.
    rng : numpy.random.Generator
        For jitter and shimmer.
    sample_rate : int
        In Hz.

    Returns
    -------
    pulses : numpy.ndarray
        Shape [S], with a flat spectrum: `source_slope` is for later. Their mean
        power is 1 at any F0, so that pitch doesn't change loudness.
    phase : numpy.ndarray
        In radians, shape [S]; a multiple of 2 pi at each pulse before jitter.
    """
    n_samples = len(f0_hz)
    cycles = np.cumsum(f0_hz) / sample_rate
    # the time at which each whole cycle is complete
    times = np.interp(
        np.arange(1, int(cycles[-1])), cycles, np.arange(n_samples)
    )
    period = sample_rate / np.interp(times, np.arange(n_samples), f0_hz)
    times = times + jitter * period * rng.standard_normal(len(times))
    heights = np.sqrt(period) * (
        1.0 + SHIMMER * rng.standard_normal(len(times))
    )
    taps = np.arange(SINC_TAPS) - SINC_TAPS // 2 + 1
    where = np.floor(times)[:, None] + taps  # [P, taps]
    distance = where - times[:, None]
    window = np.cos(np.pi * distance / (SINC_TAPS + 2)) ** 2
    pulses = np.bincount(
        np.clip(where, 0, n_samples - 1).astype(int).ravel(),
        (heights[:, None] * np.sinc(distance) * window).ravel(),
        minlength=n_samples,
    )
    return pulses, 2 * np.pi * cycles


def source_slope(frequencies, slope_db):
    """Spectrum of the voice source, with the lips' radiation in it.

    Arguments
    ---------
    frequencies : numpy.ndarray
        In Hz, shape [F].
    slope_db : float
        How far it falls in an octave, well above `SLOPE_FROM_HZ`.

    Returns
    -------
    numpy.ndarray
        Gains, shape [F].

    Example
    -------
    >>> low, high = source_slope(np.array([2000.0, 4000.0]), slope_db=6.0)
    >>> round(float(20 * np.log10(low / high)))
    6
    """
    octave_db = 20 * np.log10(2)
    squared = 1.0 + (frequencies / SLOPE_FROM_HZ) ** 2
    return squared ** (-0.5 * slope_db / octave_db)


def resonance(frequencies, formant_hz, bandwidth_hz):
    """Spectrum of one resonator, with a gain of 1 at 0 Hz."""
    square = formant_hz**2
    return square / (square - frequencies**2 + 1j * frequencies * bandwidth_hz)


def tract(frequencies, formants, damping, scale):
    """Spectrum of the vocal tract over time.

    Arguments
    ---------
    frequencies : numpy.ndarray
        In Hz, shape [F].
    formants : numpy.ndarray
        F1, F2 and F3 in Hz, shape [T, 3].
    damping : numpy.ndarray
        Factor of their bandwidths, shape [T].
    scale : numpy.ndarray
        The speaker's factors of F1, F2, F3 and of all formants above, shape
        [4].

    Returns
    -------
    numpy.ndarray
        Complex gains, shape [T, F].
    """
    gains = np.ones(len(frequencies), dtype=complex)
    for formant, width in zip(HIGHER_FORMANTS, BANDWIDTHS[3:]):
        gains = gains * resonance(frequencies, scale[3] * formant, width)
    for formant, width, factor in zip(formants.T, BANDWIDTHS, scale):
        gains = gains * resonance(
            frequencies, factor * formant[:, None], (width * damping)[:, None]
        )
    return gains


def narrowing(frequencies, centre_hz, width_hz):
    """Spectrum of the noise of a narrowing over time, with a mean power of 1.

    Arguments
    ---------
    frequencies : numpy.ndarray
        In Hz, shape [F].
    centre_hz, width_hz : numpy.ndarray
        Of a bell curve, shape [T].

    Returns
    -------
    numpy.ndarray
        Gains, shape [T, F].
    """
    off = (frequencies - centre_hz[:, None]) / width_hz[:, None]
    gains = np.exp(-0.5 * off**2)
    return gains / np.sqrt(np.mean(gains**2, axis=1, keepdims=True))


def filter_over_time(sources, gains_at, sample_rate):
    """Sums sources, each of which goes through its own filter over time.

    Arguments
    ---------
    sources : list of numpy.ndarray
        Signals of one length, shape [S].
    gains_at : callable
        From the times of the windows' centres in seconds, shape [T], and the
        frequencies in Hz, shape [F], to one gain a source, shape [F] or [T, F].
    sample_rate : int
        In Hz.

    Returns
    -------
    numpy.ndarray
        Shape [S].

    Example
    -------
    >>> noise = np.random.default_rng(0).standard_normal(4000)
    >>> def halve(times, frequencies):
    ...     return [np.full(len(frequencies), 0.5)]
    >>> halved = filter_over_time([noise], halve, 16000)
    >>> bool(np.allclose(halved, 0.5 * noise))
    True
    """
    n_samples = len(sources[0])
    hop = round(HOP_S * sample_rate)
    n_windows = -(-n_samples // hop) + 1
    n_fft = 4 * hop  # a window, and as much again for the resonators to ring
    window = np.hanning(2 * hop + 1)[:-1]  # overlapping halves sum to 1
    gains = gains_at(
        np.arange(n_windows) * hop / sample_rate,
        np.fft.rfftfreq(n_fft, 1 / sample_rate),
    )
    spectra = 0
    for source, gain in zip(sources, gains):
        padded = np.zeros((n_windows + 1) * hop)
        padded[hop : hop + n_samples] = source
        frames = np.lib.stride_tricks.sliding_window_view(padded, 2 * hop)
        spectra = spectra + gain * np.fft.rfft(frames[::hop] * window, n_fft)
    pieces = np.fft.irfft(spectra, n_fft).reshape(n_windows, 4, hop)
    out = np.zeros((n_windows + 3, hop))
    for i in range(4):  # overlap-add
        out[i : i + n_windows] += pieces[:, i]
    return out.ravel()[hop : hop + n_samples]
