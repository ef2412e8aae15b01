import math

import pytest
import torch
import torch.nn.functional as F

from ser_mtl_modules.augment.energy_mixup import (
    EnergyAdaptiveMixup,
    EnergyBasedMixup,
    time_alone,
)
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.losses.soft_targets import mix_targets

LENS = [400, 1000, 700, 2, 1, 900]
HIGHEST = 0.5 / (1 + 10**-0.5)  # of lambda, 0.3799


@pytest.fixture
def batch():
    """Clips of different levels and lengths, zero in padding."""
    wavs = torch.randn(6, 1000, generator=torch.Generator().manual_seed(0))
    wavs *= torch.tensor([[1.0], [0.1], [0.01], [0.5], [0.2], [0.2]])
    for row, n in zip(wavs, LENS):
        row[n:] = 0
    return wavs, torch.tensor(LENS) / 1000


def reference(wavs, prob, snr_of, seed, whole=False):
    """Clip by clip: what is mixed where, at which ratio, and lambda."""
    torch.manual_seed(seed)
    n = len(wavs)
    length_u, chosen_u, start_u, source_u = torch.rand(
        4, n, dtype=torch.float64
    ).tolist()
    shift = torch.randint(1, n, ()).item()
    snrs = snr_of(n).tolist()
    for i, wave in enumerate(wavs):
        j = (i + shift) % n
        mixed, half = wave.clone().double(), LENS[i] // 2
        length = min(1 + int(length_u[i] * half), half, LENS[j])
        if chosen_u[i] >= prob or length == 0:
            yield mixed, i, j, slice(0, 0), 0.0, snrs[i]
            continue
        a = int(start_u[i] * (LENS[i] - length + 1))
        b = int(source_u[i] * (LENS[j] - length + 1))
        mine, other = mixed[a : a + length], wavs[j, b : b + length].double()
        power = mine.square().sum() / length
        power_of_other = other.square().sum() / length
        if whole:
            power = wave.double().square().sum() / LENS[i]
            power_of_other = wavs[j].double().square().sum() / LENS[j]
        wanted = power / 10 ** (snrs[i] / 10)  # of the other
        mixed[a : a + length] = mine + (wanted / power_of_other).sqrt() * other
        share = length / LENS[i] * (wanted / (power + wanted)).item()
        yield mixed, i, j, slice(a, a + length), share, snrs[i]


def uniform(low=-5.0, high=10.0):
    return lambda n: low + (high - low) * torch.rand(n)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("prob", [1.0, 0.5])
def test_equals_clip_by_clip_and_measures_as_it_was_drawn(batch, seed, prob):
    wavs, wav_lens = batch
    clips = list(reference(wavs, prob, uniform(), seed))
    torch.manual_seed(seed)
    mixed, lens, shares = EnergyAdaptiveMixup(prob=prob)(wavs, wav_lens)
    assert torch.equal(lens, wav_lens)
    for expected, i, j, segment, share, snr_db in clips:
        torch.testing.assert_close(
            mixed[i].double(), expected, atol=1e-6, rtol=1e-5
        )
        row = torch.zeros(6)
        row[i], row[j] = 1 - share, share
        torch.testing.assert_close(shares[i], row)
        assert 0 <= share <= HIGHEST < 0.38
        # outside of the segment, padding included, not a bit is changed
        outside = torch.ones(1000, dtype=torch.bool)
        outside[segment] = False
        assert torch.equal(mixed[i, outside], wavs[i, outside])
        if share:
            speech, added = wavs[i, segment], (mixed[i] - wavs[i])[segment]
            ratio = (
                speech.double().square().sum() / added.double().square().sum()
            )
            assert 10 * math.log10(ratio) == pytest.approx(snr_db, abs=1e-3)


def test_lambda_is_that_of_the_closed_form_and_near_its_bound_at_most():
    torch.manual_seed(0)
    wavs, wav_lens = torch.randn(64, 50), torch.ones(64)
    found = []
    for _ in range(40):
        mixed, _, shares = EnergyAdaptiveMixup(prob=1.0)(wavs, wav_lens)
        length = (mixed != wavs).sum(dim=1)
        added = (mixed - wavs).double().square().sum(dim=1)
        speech = wavs.where(mixed != wavs, torch.tensor(0.0)).double()
        ratio = speech.square().sum(dim=1) / added
        closed = length / 50 / (1 + ratio)
        share = 1 - shares.diag()
        torch.testing.assert_close(share.double(), closed, atol=1e-4, rtol=1e-3)
        found.append(share)
    found = torch.cat(found)
    assert 0.37 < found.max() <= HIGHEST and found.min() > 0


def test_targets_sum_to_one_also_when_classes_coincide(batch):
    torch.manual_seed(1)
    mix = EnergyAdaptiveMixup(prob=1.0)
    _, _, shares = mix(*batch)
    labels = torch.tensor([2, 0, 1, 1, 0, 2])
    mixed = mix_targets(labels, shares, 3)
    torch.testing.assert_close(mixed.sum(dim=1), torch.ones(6))
    assert torch.equal(mixed.argmax(dim=1), labels)  # as lambda is below 0.5
    same = mix_targets(torch.full((6,), 2), shares, 3)
    expected = F.one_hot(torch.full((6,), 2), 3).float()
    torch.testing.assert_close(same, expected)


@pytest.mark.parametrize("mix", [EnergyAdaptiveMixup, EnergyBasedMixup])
@pytest.mark.parametrize("garbage", [1e3, torch.nan, torch.inf])
def test_padding_of_neither_clip_takes_part(batch, mix, garbage):
    wavs, wav_lens = batch
    dirty = wavs.clone()
    for row, n in zip(dirty, LENS):
        row[n:] = garbage
    for seed in range(8):
        torch.manual_seed(seed)
        clean_mix, _, clean_shares = mix(prob=1.0)(wavs, wav_lens)
        torch.manual_seed(seed)
        mixed, _, shares = mix(prob=1.0)(dirty, wav_lens)
        assert torch.equal(shares, clean_shares)
        for i, n in enumerate(LENS):
            assert torch.equal(mixed[i, :n], clean_mix[i, :n])
            torch.testing.assert_close(  # and it stays what it was
                mixed[i, n:], dirty[i, n:], equal_nan=True, atol=0, rtol=0
            )


@pytest.mark.parametrize("mix", [EnergyAdaptiveMixup, EnergyBasedMixup])
def test_silence_is_not_mixed_and_nothing_is_mixed_with_it(batch, mix):
    wavs, wav_lens = batch
    wavs[2] = 0
    wavs[5] *= 1e-6  # as good as silent
    for seed in range(12):
        torch.manual_seed(seed)
        mixed, _, shares = mix(prob=1.0)(wavs, wav_lens)
        assert mixed.isfinite().all() and mixed.abs().max() < 20
        for quiet in (2, 5):
            assert torch.equal(mixed[quiet], wavs[quiet])
            one = F.one_hot(torch.tensor(quiet), 6).float()
            assert torch.equal(shares[quiet], one)
            assert torch.equal(shares[:, quiet], one)


def test_a_sample_has_no_half_and_of_two_one_may_be_mixed(batch):
    wavs, wav_lens = batch
    n_mixed = 0
    for seed in range(12):
        torch.manual_seed(seed)
        mixed, _, shares = EnergyAdaptiveMixup(prob=1.0)(wavs, wav_lens)
        assert torch.equal(mixed[4], wavs[4]) and shares[4, 4] == 1
        changed = (mixed[3] != wavs[3]).nonzero().flatten()
        assert len(changed) <= 1 and (changed < 2).all()
        n_mixed += len(changed)
    assert n_mixed > 6


@pytest.mark.parametrize("mix", [EnergyAdaptiveMixup, EnergyBasedMixup])
def test_a_clip_without_partner_stays_as_it_is(batch, mix):
    wavs, wav_lens = batch[0][:1], batch[1][:1]
    mixed, _, shares = mix(prob=1.0)(wavs, wav_lens)
    assert torch.equal(mixed, wavs) and shares.tolist() == [[1.0]]


@pytest.mark.parametrize("mix", [EnergyAdaptiveMixup, EnergyBasedMixup])
def test_the_same_seed_gives_the_same_and_another_another(batch, mix):
    results = []
    for seed in (4, 4, 5):
        torch.manual_seed(seed)
        results.append(mix(prob=1.0)(*batch)[0])
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_time_alone_shares_labels_by_the_segment(batch):
    torch.manual_seed(3)
    mix = EnergyAdaptiveMixup(prob=1.0, share=time_alone)
    mixed, _, shares = mix(*batch)
    length = (mixed != batch[0]).sum(dim=1)
    torch.testing.assert_close(1 - shares.diag(), length / torch.tensor(LENS))


@pytest.mark.parametrize("seed", range(4))
def test_energy_based_mixup_takes_whole_clips_energies_and_hard_labels(
    batch, seed
):
    def whole_numbers(n):
        return torch.randint(-5, 6, (n,))

    wavs, wav_lens = batch
    clips = list(reference(wavs, 1.0, whole_numbers, seed, whole=True))
    torch.manual_seed(seed)
    mixed, lens, shares = EnergyBasedMixup()(wavs, wav_lens)
    assert torch.equal(lens, wav_lens) and torch.equal(shares, torch.eye(6))
    for expected, i, *_ in clips:
        torch.testing.assert_close(
            mixed[i].double(), expected, atol=1e-6, rtol=1e-5
        )


@pytest.mark.parametrize(
    "mix, instead",
    [(EnergyAdaptiveMixup, "LevelMixup"), (EnergyBasedMixup, "NoMixup")],
)
def test_stored_levels_are_refused_with_what_takes_them(mix, instead):
    with pytest.raises(SerMtlError, match=f"--mixup=.*{instead}"):
        mix()(torch.randn(2, 9, 3, 4), torch.ones(2))
