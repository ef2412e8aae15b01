import math
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ser_mtl_modules.dataio.audio import inspect_audio, read_audio
from ser_mtl_modules.errors import SerMtlError

RATE = 16000


def noise(n_samples=800, channels=1, seed=0):
    """In steps of 16 bits, so that every format keeps it to the bit."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(-9000, 9000, (n_samples, channels))
    return (steps / 32768).astype("float32")


def sine(rate, frequency, duration_s=0.3):
    t = np.arange(round(duration_s * rate)) / rate
    return 0.5 * np.sin(2 * math.pi * frequency * t)


@pytest.fixture
def write(tmp_path):
    def write(samples, name="clip.wav", rate=RATE, **kwargs):
        soundfile.write(tmp_path / name, samples, rate, **kwargs)
        return tmp_path / name

    return write


def test_channels_are_averaged(write):
    stereo = noise(channels=2)
    wave = read_audio(write(stereo))
    expected = torch.from_numpy(stereo).double().mean(dim=1).float()
    torch.testing.assert_close(wave, expected, atol=0, rtol=0)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.w64"])
def test_lossless_formats_give_the_same_samples(write, name):
    wave = read_audio(write(noise(), name))
    torch.testing.assert_close(wave, torch.from_numpy(noise()[:, 0]))
    assert wave.dtype == torch.float32


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
def test_a_sine_of_any_rate_is_the_same_sine_at_16_khz(write, rate):
    wave = read_audio(write(sine(rate, 1000), rate=rate, subtype="FLOAT"))
    expected = torch.from_numpy(sine(RATE, 1000)).float()
    assert abs(len(wave) - len(expected)) <= 1
    inner = slice(RATE // 20, RATE // 5)  # the filter rings at the ends
    torch.testing.assert_close(wave[inner], expected[inner], atol=1e-5, rtol=0)


def test_what_is_above_the_new_nyquist_frequency_is_gone(write):
    wave = read_audio(write(sine(48000, 9000), rate=48000, subtype="FLOAT"))
    assert wave[RATE // 20 : RATE // 5].abs().max() < 1e-5


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize(
    "start, stop",
    [(0.0, 0.1), (0.1234, 0.2345), (0.25, None), (None, 0.2), (0.1, 0.1001)],
)
def test_a_slice_equals_the_slice_of_the_whole(write, rate, start, stop):
    path = write(noise(round(0.3 * rate)), rate=rate)
    whole = read_audio(path)
    begin = round((start or 0) * RATE)
    end = len(whole) if stop is None else round(stop * RATE)
    torch.testing.assert_close(
        read_audio(path, start=start, stop=stop),
        whole[begin:end],
        atol=1e-6,  # float32; a filter that starts elsewhere is off by 1e-2
        rtol=0,
    )


def test_a_slice_is_read_without_the_rest_of_the_file(write, monkeypatch):
    path = write(noise(48000 * 2), rate=48000)
    asked = []
    read = soundfile.SoundFile.read

    def spy(self, frames=-1, **kwargs):
        asked.append(frames)
        return read(self, frames, **kwargs)

    monkeypatch.setattr(soundfile.SoundFile, "read", spy)
    read_audio(path, start=1.0, stop=1.1)
    assert len(asked) == 1 and 4800 < asked[0] < 6000


def test_a_slice_may_end_a_hundredth_after_the_file_and_no_more(write):
    path = write(noise(1600))  # 0.1 s
    assert len(read_audio(path, start=0.05, stop=0.11)) == 800
    with pytest.raises(SerMtlError, match="from 0.05 to 0.12 s; it is 0.100 s"):
        read_audio(path, start=0.05, stop=0.12)


@pytest.mark.parametrize("start, stop", [(0.1, None), (0.05, 0.05), (-0.1, 1)])
def test_a_slice_of_nothing_is_an_error(write, start, stop):
    with pytest.raises(SerMtlError, match="clip.wav: has no slice"):
        read_audio(write(noise(1600)), start=start, stop=stop)


def test_checksum_is_of_what_is_heard(write):
    mono = inspect_audio(write(noise(), "mono.wav"))
    same = [
        write(noise(), "mono.flac"),
        write(noise(), "pcm24.wav", subtype="PCM_24"),
        write(noise(), "float.wav", subtype="FLOAT"),
        write(np.repeat(noise(), 2, axis=1), "stereo.flac"),
    ]
    assert {inspect_audio(path).checksum for path in same} == {mono.checksum}
    other = [
        write(noise(seed=1), "other.wav"),
        write(noise(799), "shorter.wav"),
        write(noise(), "slower.wav", rate=8000),
    ]
    assert (
        len({inspect_audio(p).checksum for p in other} | {mono.checksum}) == 4
    )


def test_checksum_of_silence_does_not_depend_on_the_sign_of_zero(write):
    silence = np.zeros(80, dtype="float32")
    signed = write(-silence, "signed.wav", subtype="FLOAT")
    plain = write(silence, "plain.wav")
    assert inspect_audio(signed).checksum == inspect_audio(plain).checksum


def test_info_is_that_of_the_file(write):
    info = inspect_audio(write(noise(4410, channels=2), rate=44100))
    assert info[:3] == (0.1, 44100, 2)


def test_info_of_a_slice_is_that_of_the_slice(write):
    path = write(noise(1600))
    part = write(noise(1600)[400:800], "part.wav")
    assert inspect_audio(path, 0.025, 0.05) == inspect_audio(part)


@pytest.mark.parametrize("use", [read_audio, inspect_audio])
@pytest.mark.parametrize(
    "content, message",
    [
        (None, "there is no such file"),
        (b"", "cannot be read as audio"),
        (b"404: not found" * 20, "cannot be read as audio"),
    ],
)
def test_what_is_no_audio_is_named(tmp_path, use, content, message):
    path = tmp_path / "clip.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SerMtlError, match=f"clip.wav: {message}"):
        use(path)


@pytest.mark.parametrize("use", [read_audio, inspect_audio])
def test_a_file_without_samples_is_named(write, use):
    with pytest.raises(SerMtlError, match="clip.wav: empty"):
        use(write(noise(0)))


@pytest.mark.parametrize("use", [read_audio, inspect_audio])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_samples_that_are_no_numbers_are_named(write, use, value):
    samples = noise(channels=2)
    samples[160, 1] = value
    path = write(samples, subtype="FLOAT")
    message = "clip.wav: 1 of 800 samples are NaN or infinite.* at 0.0100 s"
    with pytest.raises(SerMtlError, match=message):
        use(path)


@pytest.mark.parametrize("lost", [1, 2, 800, 1599])
def test_a_wav_that_lost_its_end_is_found(write, lost):
    path = write(noise())
    path.write_bytes(path.read_bytes()[:-lost])
    message = f"clip.wav: truncated.* 1600 bytes .* {1600 - lost} are there"
    with pytest.raises(SerMtlError, match=message):
        inspect_audio(path)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9, 0.999])
def test_a_flac_that_lost_its_end_is_found(write, share):
    path = write(noise(16000), "clip.flac")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(SerMtlError, match="clip.flac: "):
        inspect_audio(path)


def test_a_damaged_flac_is_found(write):
    path = write(noise(16000), "clip.flac")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(SerMtlError, match="clip.flac: cannot be read"):
        inspect_audio(path)


def test_a_wav_written_into_a_pipe_is_whole(write):
    path = write(noise())
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    assert inspect_audio(path).duration == 0.05


def test_chunks_before_the_samples_are_passed_over(write):
    path = write(noise())
    content = path.read_bytes()
    at = content.index(b"data")
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # padded to even
    riff = struct.pack("<I", len(content) - 8 + len(odd))
    content = b"RIFF" + riff + content[8:at] + odd + content[at:]
    path.write_bytes(content)
    assert inspect_audio(path).duration == 0.05
    path.write_bytes(content[:-2])
    with pytest.raises(SerMtlError, match="truncated"):
        inspect_audio(path)


@pytest.mark.real_data
def test_ravdess_resampled_here_is_what_soxr_makes_of_it():
    """Within five steps of 16 bits, one of them for the other's rounding."""
    if "SER_MTL_DATA" not in os.environ:
        pytest.skip("SER_MTL_DATA names no folder with real data")
    data = Path(os.environ["SER_MTL_DATA"])
    originals = sorted((data / "RAVDESS_48k_excerpt").glob("*/*.wav"))
    assert originals
    for original in originals:
        name = f"{original.parent.name}/{original.stem}.flac"
        wave = read_audio(original)
        packed = read_audio(data / "RAVDESS" / name)
        assert abs(len(wave) - len(packed)) <= 1
        n_samples = min(len(wave), len(packed))
        error = (wave[:n_samples] - packed[:n_samples]).abs().max()
        assert error * 32768 < 5, name
