"""Audio as the models hear it: mono, finite, at one sample rate.

Everything that libsndfile reads is welcome. torchaudio's own readers are not
used: from 2.9 on they need TorchCodec.
"""

import contextlib
import hashlib
import io
import math
import os
import struct
import zipfile
from typing import NamedTuple

import fsspec
import numpy as np
import soundfile
import torch
import torchaudio

from ser_mtl_modules.errors import SerMtlError

# A windowed sinc, Kaiser's window. Chosen by comparing RAVDESS' 48 kHz originals
# with what soxr's VHQ makes of them: in none of 14 clips does a sample differ
# by more than 5 steps of 16 bits. torchaudio's default is off by up to 256,
# resampy's well-known "kaiser_best" (64, 0.948, 14.77) by 41, nearly all of it
# between 7 and 8 kHz.
RESAMPLER = {
    "resampling_method": "sinc_interp_kaiser",
    "lowpass_filter_width": 96,  # zero crossings on each side
    "rolloff": 0.955,  # cutoff, as a fraction of the lower Nyquist frequency
    "beta": 12.0,  # stop band at about -118 dB
}

# Segment times are mostly given to a hundredth of a second, so the last one of
# a recording may end this long after it.
END_TOLERANCE_S = 0.01

# Programs that write wav into a pipe can't know its length, and put 2**32 - 1
# there, or 2**31 - 1 less a header.
UNKNOWN_LENGTH = 0x7FFFF000


class AudioInfo(NamedTuple):
    """What `inspect_audio` or `inspect_header` found."""

    duration: float  # seconds
    sample_rate: int  # Hz, of the file
    channels: int
    checksum: str  # of decoded samples, channels averaged; empty: not known


def read_audio(path, sample_rate=16000, start=None, stop=None):
    """Reads a file, or a slice of it, as a mono wave.

    A slice is read without the rest of the file, and is what slicing the whole
    wave would give: to the bit, or to float32's rounding where it is resampled.

    Arguments
    ---------
    path : str or Path
        A file in any format that libsndfile reads, of any rate and number of
        channels. Channels are averaged. A file in an archive is as fsspec has
        it, ``zip://NAME::ARCHIVE``.
    sample_rate : int
        Hz, of the wave that is returned.
    start, stop : float or None
        Seconds. None is the beginning, or the end.

    Returns
    -------
    torch.Tensor
        Shape [n_samples], float32, full scale is 1.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> stereo = [[0.5, -0.5], [0.5, 0.0], [0.25, 0.25]]
    >>> soundfile.write(folder / "stereo.wav", stereo, samplerate=16000)
    >>> read_audio(folder / "stereo.wav")
    tensor([0.0000, 0.2500, 0.2500])
    """
    with _opened(path) as file:
        begin, end = _span(path, file, start, stop, sample_rate)
        # `source` samples of the file last as long as `target` of the wave.
        # Where a read begins and ends on such a block, and has the filter's
        # width to spare, the filter meets the same samples as in the whole.
        common = math.gcd(file.samplerate, sample_rate)
        source, target = file.samplerate // common, sample_rate // common
        spare = _filter_width(source, target)  # blocks
        first = max(0, begin // target - spare)
        last = -(-end // target) + spare
        samples = _decode(path, file, first * source, last * source)
    wave = torchaudio.functional.resample(
        torch.from_numpy(samples), source, target, **RESAMPLER
    )
    offset = first * target
    return wave[begin - offset : end - offset].clone()


def inspect_audio(path, start=None, stop=None):
    """Decodes a file to learn what is in it, and that it is whole.

    libsndfile takes the samples that it finds for all there are; wav and flac
    are held against their headers. Streams such as ogg and mp3 promise no
    length, so of them only damage is found.

    Arguments
    ---------
    path : str or Path
        As in `read_audio`.
    start, stop : float or None
        Seconds. Duration and checksum are those of the slice.

    Returns
    -------
    AudioInfo
        The checksum is the same for the same samples in any lossless format,
        and for a mono file and its copy with two equal channels.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ["a.wav", "a.flac"]:
    ...     soundfile.write(folder / name, [0.5, 0.0, -0.5, 0.0], 8000)
    >>> wav = inspect_audio(folder / "a.wav")
    >>> wav == inspect_audio(folder / "a.flac")
    True
    >>> wav.duration, wav.sample_rate, wav.channels
    (0.0005, 8000, 1)
    """
    with _opened(path) as file:
        _refuse_truncated_wav(path)
        rate, channels = file.samplerate, file.channels
        begin, end = _span(path, file, start, stop, rate)
        samples = _decode(path, file, begin, end)
    if len(samples) < end - begin:
        raise SerMtlError(
            f"{path}: truncated, its header promises {end - begin} samples "
            f"and {len(samples)} are there"
        )
    digest = hashlib.blake2b(f"{rate} Hz".encode(), digest_size=16)
    digest.update((samples + 0.0).astype("<f4").tobytes())  # -0.0 becomes 0.0
    return AudioInfo(len(samples) / rate, rate, channels, digest.hexdigest())


def inspect_header(path, start=None, stop=None):
    """What a file says of itself, for corpora too large to be decoded.

    A wav that is shorter than its header promises is found here too; samples
    that are NaN, and damage inside a flac, only when they are read.

    Arguments
    ---------
    path, start, stop
        As in `inspect_audio`.

    Returns
    -------
    AudioInfo
        Without a checksum.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, [0.5, 0.0, -0.5, 0.0], 8000)
    >>> inspect_header(path) == inspect_audio(path)._replace(checksum="")
    True
    """
    with _opened(path) as file:
        _refuse_truncated_wav(path)
        rate = file.samplerate
        begin, end = _span(path, file, start, stop, rate)
        return AudioInfo((end - begin) / rate, rate, file.channels, "")


@contextlib.contextmanager
def _opened(path):
    """A SoundFile; what libsndfile has to complain about names the file."""
    try:
        with _source(path) as source, soundfile.SoundFile(source) as file:
            yield file
    # TypeError: a file named .raw, whose rate only the caller could know
    except (soundfile.SoundFileError, TypeError) as error:
        reason = getattr(error, "error_string", str(error)).rstrip(".")
        raise SerMtlError(
            f"{path}: cannot be read as audio ({reason}); expected a whole "
            f"file of a kind that libsndfile reads, such as wav or flac"
        ) from error


@contextlib.contextmanager
def _source(path):
    """What soundfile opens: a path, or the bytes of a file in an archive."""
    if not str(path).startswith("zip://"):
        if not os.path.isfile(path):
            raise SerMtlError(f"{path}: there is no such file")
        yield path
        return
    try:
        with fsspec.open(str(path)) as file:
            content = io.BytesIO(file.read())
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise SerMtlError(
            f"{path}: can't be read ({error}). Is the archive whole?"
        ) from error
    yield content


def _span(path, file, start, stop, sample_rate):
    """First sample of a slice and the one after its last, at `sample_rate`."""
    if file.frames == 0:
        raise SerMtlError(f"{path}: empty, there is no sample in it")
    duration = file.frames / file.samplerate
    n_samples = -(-file.frames * sample_rate // file.samplerate)  # rounded up
    start = 0.0 if start is None else start
    stop = duration if stop is None else stop
    begin = round(start * sample_rate)
    end = n_samples if stop >= duration else round(stop * sample_rate)
    if not 0 <= begin < end or stop > duration + END_TOLERANCE_S:
        raise SerMtlError(
            f"{path}: has no slice from {start} to {stop} s; it is "
            f"{duration:.3f} s long, and a slice starts before it stops"
        )
    return begin, end


def _filter_width(source, target):
    """Half the resampler's filter in blocks of `source` samples, rounded up."""
    if source == target:
        return 0
    crossing = source / min(source, target) / RESAMPLER["rolloff"]
    return math.ceil(RESAMPLER["lowpass_filter_width"] * crossing / source) + 1


def _decode(path, file, begin, end):
    """Samples `begin` to `end` of an open file, channels averaged."""
    file.seek(min(begin, file.frames))
    samples = file.read(end - begin, dtype="float32", always_2d=True)
    bad = np.flatnonzero(~np.isfinite(samples).all(axis=1))
    if len(bad):
        raise SerMtlError(
            f"{path}: {len(bad)} of {len(samples)} samples are NaN or "
            f"infinite, the first at {(begin + bad[0]) / file.samplerate:.4f} s"
        )
    return samples.mean(axis=1)


def _refuse_truncated_wav(path):
    """Raises where the data chunk's header promises more than there is."""
    with open(path, "rb") as file:
        if file.read(4) != b"RIFF":
            return
        file.seek(12)
        while len(header := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", header)
            if name != b"data":
                file.seek(size + size % 2, os.SEEK_CUR)  # padded to even
                continue
            present = os.path.getsize(path) - file.tell()
            if present < size < UNKNOWN_LENGTH:
                raise SerMtlError(
                    f"{path}: truncated, its header promises {size} bytes of "
                    f"samples and {present} are there"
                )
            return
