import pytest
import torch

from ser_mtl_modules.augment.mixup import Mixup, NoMixup


@pytest.fixture
def batch():
    """Clips of different levels and lengths, zero in padding."""
    wavs = torch.randn(5, 1000, generator=torch.Generator().manual_seed(0))
    wavs *= torch.tensor([[1.0], [0.1], [0.01], [0.5], [0.2]])
    wav_lens = torch.tensor([0.4, 1.0, 0.7, 0.1, 0.9])
    for row, length in zip(wavs, wav_lens):
        row[round(1000 * length.item()) :] = 0
    return wavs, wav_lens


@pytest.mark.parametrize("seed", range(6))
def test_waves_lengths_and_shares_belong_together(batch, seed):
    wavs, lens = batch
    torch.manual_seed(seed)
    mixed, mixed_lens, shares = Mixup(alpha=1.0, prob=1.0)(wavs, lens)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(5))
    for i in range(5):
        j = shares[i].clone().index_fill_(0, torch.tensor(i), 0).argmax().item()
        assert (shares[i] > 0).sum() <= 2 and shares[i, i] >= 0.5
        # the partner at the clip's level, each measured over its own length
        n_i, n_j = (round(1000 * lens[k].item()) for k in (i, j))
        level_i = wavs[i, :n_i].square().mean().sqrt()
        level_j = wavs[j, :n_j].square().mean().sqrt()
        expected = shares[i, i] * wavs[i]
        expected = expected + shares[i, j] * wavs[j] * level_i / level_j
        torch.testing.assert_close(mixed[i], expected, atol=1e-5, rtol=1e-4)
        assert mixed_lens[i] == max(lens[i], lens[j])
        assert not mixed[i, max(n_i, n_j) :].any()


def test_everyone_has_another_partner_and_all_partners_are_met(batch):
    partners = set()
    for seed in range(40):
        torch.manual_seed(seed)
        _, _, shares = Mixup(alpha=1.0, prob=1.0)(*batch)
        found = (shares - shares.diag().diag()).argmax(dim=1).tolist()
        assert sorted(found) == [*range(5)]  # each clip is partner once
        partners |= set(enumerate(found))
    assert partners == {(i, j) for i in range(5) for j in range(5) if i != j}


def test_as_many_batches_as_asked_for_are_mixed(batch):
    torch.manual_seed(0)
    mix, n_mixed = Mixup(prob=0.3), 0
    for _ in range(300):
        mixed, lens, shares = mix(*batch)
        if torch.equal(shares, torch.eye(5)):
            assert torch.equal(mixed, batch[0]) and torch.equal(lens, batch[1])
        else:
            n_mixed += 1
    assert n_mixed / 300 == pytest.approx(0.3, abs=0.08)


def test_the_same_seed_gives_the_same(batch):
    results = []
    for _ in range(2):
        torch.manual_seed(4)
        results.append(Mixup(prob=1.0)(*batch))
    torch.testing.assert_close(*results, atol=0, rtol=0)


def test_padding_takes_no_part(batch):
    wavs, lens = batch
    dirty = wavs.clone()
    for row, length in zip(dirty, lens):
        row[round(1000 * length.item()) :] = torch.nan
    results = []
    for content in (wavs, dirty):
        torch.manual_seed(4)
        results.append(Mixup(prob=1.0)(content, lens))
    torch.testing.assert_close(*results, atol=0, rtol=0)


def test_a_silent_clip_mixes_without_nan(batch):
    wavs, lens = batch
    wavs[2] = 0
    mixed, _, _ = Mixup(prob=1.0)(wavs, lens)
    assert mixed.isfinite().all() and mixed.abs().max() < 10


@pytest.mark.parametrize("mix", [NoMixup(), Mixup(prob=0.0)])
def test_without_mixing_all_stays(batch, mix):
    wavs, lens, shares = mix(*batch)
    assert torch.equal(wavs, batch[0]) and torch.equal(lens, batch[1])
    assert torch.equal(shares, torch.eye(5))


def test_a_clip_without_partner_stays_as_it_is(batch):
    wavs, lens = batch[0][:1], batch[1][:1]
    mixed, _, shares = Mixup(prob=1.0)(wavs, lens)
    assert torch.equal(mixed, wavs) and shares.tolist() == [[1.0]]
