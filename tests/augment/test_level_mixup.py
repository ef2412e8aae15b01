import pytest
import torch

from ser_mtl_modules.augment.level_mixup import LevelMixup
from ser_mtl_modules.errors import SerMtlError

LENS = [20, 13, 1, 2]


@pytest.fixture
def batch():
    stored = torch.randn(
        4, 20, 3, 5, generator=torch.Generator().manual_seed(0)
    )
    return stored.half(), torch.tensor(LENS) / 20


@pytest.mark.parametrize("seed", range(6))
def test_labels_are_shared_as_the_frames_are(batch, seed):
    stored, lens = batch
    torch.manual_seed(seed)
    mixed, mixed_lens, shares = LevelMixup(prob=1.0)(stored, lens)
    assert mixed.dtype == stored.dtype and torch.equal(mixed_lens, lens)
    for i, n in enumerate(LENS):
        j = shares[i].clone().index_fill_(0, torch.tensor(i), -1).argmax()
        changed = (mixed[i] != stored[i]).flatten(1).any(dim=1)
        where = changed.nonzero().flatten().tolist()
        if not where:
            assert n == 1 and shares[i, i] == 1
            continue
        a, length = where[0], len(where)
        assert where == [*range(a, a + length)] and length <= n // 2
        energy = shares[i, j].item() / (length / n)
        assert 1 / (1 + 10**1.0) <= energy <= 1 / (1 + 10**-0.5)
        candidates = [
            (1 - energy) * stored[i, a : a + length].float()
            + energy * stored[j, b : b + length].float()
            for b in range(LENS[j] - length + 1)
        ]
        segment = mixed[i, a : a + length].float()
        errors = [(segment - c).abs().max().item() for c in candidates]
        assert min(errors) < 5e-3  # half precision


def test_padding_takes_no_part(batch):
    stored, lens = batch
    dirty = stored.clone()
    for clip, n in zip(dirty, LENS):
        clip[n:] = torch.nan
    for seed in range(6):
        torch.manual_seed(seed)
        expected = LevelMixup(prob=1.0)(stored, lens)[0]
        torch.manual_seed(seed)
        mixed = LevelMixup(prob=1.0)(dirty, lens)[0]
        for i, n in enumerate(LENS):
            assert torch.equal(mixed[i, :n], expected[i, :n])


def test_a_clip_without_partner_stays_as_it_is(batch):
    mixed, _, shares = LevelMixup(prob=1.0)(batch[0][:1], batch[1][:1])
    assert torch.equal(mixed, batch[0][:1]) and shares.tolist() == [[1.0]]


def test_waves_are_refused_with_what_takes_them():
    with pytest.raises(SerMtlError, match="EnergyAdaptiveMixup"):
        LevelMixup()(torch.randn(2, 99), torch.ones(2))
