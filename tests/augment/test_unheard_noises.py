"""Noise for tests is what it says, and nobody trains on it."""

import numpy as np
import pytest
import soundfile
import torch

from ser_mtl_modules.augment import unheard_noises as noises
from ser_mtl_modules.augment.noises import TRAINING_NOISES
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments.robustness_conditions import generated_noises
from ser_mtl_modules.randomness import generator

RATE = 16000
SPEAKERS = {"a1": "a", "a2": "a", "b1": "b", "c1": "c", "nobody": ""}
WAVES = {
    # each speaker is a tone of its own, which comes and goes
    name: torch.sin(torch.arange(4000 + 500 * i) * (0.2 + 0.3 * i))
    for i, name in enumerate(SPEAKERS)
}


@pytest.fixture
def voices():
    return noises.Voices(WAVES.get, SPEAKERS)


@pytest.mark.parametrize("n_samples", [1, 2, 700, 20001])
def test_all_kinds_are_sound_of_any_length(voices, n_samples):
    kinds = generated_noises(RATE, voices)
    assert len({noise.kind for noise in kinds}) == len(kinds) == 10
    for noise in kinds:
        wave = noise(generator(1), n_samples, "a1")
        assert wave.shape == (n_samples,) and wave.dtype == torch.float32
        assert wave.isfinite().all()
        if n_samples > 2:
            assert wave.any(), noise.kind
        again = noise(generator(1), n_samples, "a1")
        assert torch.equal(wave, again), noise.kind


def test_no_kind_is_one_that_training_hears(voices):
    kinds = [noise.kind for noise in generated_noises(RATE, voices)]
    noises.refuse_shared(TRAINING_NOISES, kinds)
    with pytest.raises(SerMtlError, match="both in training and in the test"):
        noises.refuse_shared({"white", "babble"}, kinds)


@pytest.mark.parametrize("exponent", [-1, 1, 2])
def test_colours_fall_as_they_should(exponent):
    wave = noises.Coloured("c", exponent)(generator(0), 2**17, "a")
    power = torch.fft.rfft(wave.double()).abs().square()
    octaves = [power[2**k : 2 ** (k + 1)].mean().log2() for k in range(8, 15)]
    slopes = np.diff(octaves)
    assert np.mean(slopes) == pytest.approx(-exponent, abs=0.1)


def test_the_speaker_of_a_clip_does_not_talk_in_its_background(voices):
    own = WAVES["a1"] / WAVES["a1"].norm()
    for i in range(20):
        talk = voices.talk(generator(i), 4000, "a1", 6)
        assert abs(talk @ own) < 0.05
        # two others, each at the same level; one without a name is no speaker
        assert talk.square().sum() == pytest.approx(2, abs=0.1)


def test_one_talker_is_one(voices):
    for i in range(20):
        talk = noises.Talkers("talker", voices, 1)(generator(i), 9000, "a1")
        assert talk.norm() == pytest.approx(1, abs=1e-4)


def test_nobody_else_is_an_error():
    alone = noises.Voices(WAVES.get, {"a1": "a", "a2": "a"})
    with pytest.raises(SerMtlError, match="no other speaker"):
        alone.talk(generator(0), 100, "a1", 2)


def test_speech_shaped_noise_has_the_spectrum_of_speech(voices):
    shaped = noises.SpeechShaped("s", voices, RATE)
    noise = shaped(generator(3), 8000, "a1")
    talk = voices.talk(generator(3), 8000, "a1", shaped.TALKERS)
    torch.testing.assert_close(
        torch.fft.rfft(noise).abs()[1:-1],
        torch.fft.rfft(talk).abs()[1:-1],
        atol=1e-3,
        rtol=1e-3,
    )
    assert abs(noise @ talk) < 0.2 * noise.norm() * talk.norm()


def test_recordings_are_heard_from_anywhere_and_again(tmp_path):
    ramp = np.arange(1, 101, dtype=np.float32) / 200
    for kind in ("rain", "wind"):
        (tmp_path / kind).mkdir()
        soundfile.write(tmp_path / kind / "x.wav", ramp, RATE, subtype="FLOAT")
    found = noises.audio_files(tmp_path)
    assert list(found) == ["rain", "wind"]
    rain = noises.Recordings("rain", found["rain"], RATE)
    wave = rain(generator(2), 250, "a")
    assert torch.equal(wave[:150], wave[100:])
    assert sorted(wave[:100].tolist()) == ramp.tolist()
    before = rain.source
    soundfile.write(tmp_path / "rain" / "x.wav", ramp[::-1], RATE)
    assert noises.Recordings("rain", found["rain"], RATE).source != before


def test_a_folder_without_audio_is_named(tmp_path):
    with pytest.raises(SerMtlError, match="no audio below it"):
        noises.audio_files(tmp_path)
