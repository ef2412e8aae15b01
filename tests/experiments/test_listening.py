import numpy as np
import pytest
import torch

from ser_mtl_modules.experiments.listening import (
    SAMPLE_RATE,
    from_two_means,
    mean_f0_and_energy,
    ua,
)


def tone(f0_hz, amplitude=0.1, seconds=0.5):
    """Ten harmonics."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    waves = [np.sin(2 * np.pi * k * f0_hz * time) for k in range(1, 11)]
    return amplitude * np.sum(waves, axis=0)


@pytest.mark.parametrize("f0_hz", [100.0, 160.0, 320.0])
def test_f0_is_that_of_the_tone(f0_hz):
    assert mean_f0_and_energy(tone(f0_hz))[0] == pytest.approx(
        np.log2(f0_hz), abs=0.02
    )


def test_energy_is_in_decibels_and_silence_does_not_count():
    wav = tone(160.0)
    f0, energy = mean_f0_and_energy(wav)
    expected_db = 10 * np.log10(np.mean(wav**2))
    assert energy == pytest.approx(expected_db, abs=0.1)
    padded = np.concatenate([np.zeros(9000), wav, np.zeros(9000)])
    assert mean_f0_and_energy(padded)[0] == pytest.approx(f0, abs=0.05)
    assert mean_f0_and_energy(padded)[1] == pytest.approx(energy, abs=1.0)
    assert mean_f0_and_energy(10 * wav)[1] == pytest.approx(energy + 20)


def test_two_means_tell_what_differs_in_them_and_nothing_else():
    rng = np.random.default_rng(0)
    labels = torch.tensor([0, 1] * 20)
    train = torch.arange(40) < 24
    pitch = [
        tone(120 + 60 * n + 20 * rng.random(), 0.1) for n in labels.tolist()
    ]
    assert ua(labels, from_two_means(pitch, labels, train)) == 100.0
    # the same mean, going up or down
    same = [tone(150.0)[:: 1 - 2 * n] for n in labels.tolist()]
    said = from_two_means(same, labels, train)
    assert ua(labels[~train], said[~train]) <= 60.0
