"""Reading speech: any format of libsndfile, any rate, any channels."""

import hashlib
import os
import struct
from typing import NamedTuple

import numpy as np
import soundfile
import torch
import torchaudio

from ser_mtl_modules.errors import SerMtlError


class AudioInfo(NamedTuple):
    """What a file holds, after decoding all of it."""

    duration: float  # seconds
    sample_rate: int  # Hz
    channels: int
    checksum: str  # of the decoded samples, whatever the format


def read_audio(path, sample_rate=16000, start=None, stop=None):
    """Reads a wave, mixes its channels down and resamples it.

    Arguments
    ---------
    path : str
        A file that libsndfile reads.
    sample_rate : int
        Wanted, in Hz.
    start : float, optional
        Where the slice begins, in seconds; the rest is not read.
    stop : float, optional
        Where it ends, in seconds.

    Returns
    -------
    torch.Tensor
        Shape [n_samples], in about [-1, 1].

    Raises
    ------
    SerMtlError
        If the file cannot be read, is empty, or has NaN or Inf in it.
    """
    with _open(path) as file:
        first = round((start or 0.0) * file.samplerate)
        last = file.frames if stop is None else round(stop * file.samplerate)
        file.seek(min(first, file.frames))
        samples = _decode(path, file, max(last - first, 0))
        rate = file.samplerate
    return resample(torch.from_numpy(samples.mean(axis=1)), rate, sample_rate)


def resample(wave, rate, new_rate):
    """The one resampler: a windowed sinc, 64 zero crossings wide.

    Arguments
    ---------
    wave : torch.Tensor
        Shape [..., n_samples].
    rate : int
        Its sample rate, in Hz.
    new_rate : int
        Wanted, in Hz.

    Returns
    -------
    torch.Tensor
        Shape [..., ceil(n_samples * new_rate / rate)].
    """
    if rate == new_rate:
        return wave
    return torchaudio.functional.resample(
        wave,
        rate,
        new_rate,
        lowpass_filter_width=64,
        rolloff=0.95,
        resampling_method="sinc_interp_kaiser",
        beta=14.77,
    )


def inspect_audio(path):
    """Decodes a whole file, so that a damaged one is found now.

    Arguments
    ---------
    path : str
        A file that libsndfile reads.

    Returns
    -------
    AudioInfo

    Raises
    ------
    SerMtlError
        If the file cannot be read, is empty or cut short, or has NaN or Inf.
    """
    _refuse_truncated_wav(path)
    with _open(path) as file:
        samples = _decode(path, file, file.frames)
        return AudioInfo(
            duration=len(samples) / file.samplerate,
            sample_rate=file.samplerate,
            channels=file.channels,
            checksum=hashlib.sha1(samples.tobytes()).hexdigest(),
        )


def _open(path):
    try:
        return soundfile.SoundFile(path)
    except (soundfile.SoundFileError, OSError) as error:
        reason = "no such file" if not os.path.exists(path) else str(error)
        raise SerMtlError(
            f"{path}: cannot be read as audio ({reason}). Copy the file anew."
        )


def _decode(path, file, n_samples):
    """The next samples, float32 of shape [n_samples, channels]."""
    try:
        samples = file.read(n_samples, dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise SerMtlError(
            f"{path}: cannot be decoded ({error}). Copy the file anew."
        )
    if len(samples) == 0:
        raise SerMtlError(f"{path}: no samples; a clip of speech was expected.")
    if len(samples) < n_samples:
        raise SerMtlError(
            f"{path}: ends after {len(samples)} of {n_samples} samples. Copy "
            "the file anew."
        )
    if not np.isfinite(samples).all():
        raise SerMtlError(
            f"{path}: has samples that are NaN or Inf; finite ones were "
            "expected. Convert the file anew."
        )
    return samples


def _refuse_truncated_wav(path):
    """libsndfile takes what is there; the header says what should be."""
    size = os.path.getsize(path) if os.path.exists(path) else 0
    with open(path, "rb") if size else _open(path) as file:
        if file.read(4) != b"RIFF" or size < 12:
            return
        position = 12
        while position + 8 <= size:
            file.seek(position)
            name, length = struct.unpack("<4sI", file.read(8))
            # streams that were never closed say 0 or 2**32 - 1
            if name == b"data" and 0 < length < 2**32 - 1:
                if position + 8 + length > size:
                    raise SerMtlError(
                        f"{path}: cut short; its header promises {length} "
                        f"bytes of samples, {size - position - 8} are there. "
                        "Copy the file anew."
                    )
                return
            position += 8 + length + length % 2
