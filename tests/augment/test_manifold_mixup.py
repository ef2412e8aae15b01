import pytest
import torch

from ser_mtl_modules.augment.manifold_mixup import ManifoldMixup
from ser_mtl_modules.errors import SerMtlError

LENS = torch.tensor([1.0, 0.3, 0.6])
N_FRAMES = [10, 3, 6]


@pytest.fixture
def stored():
    return torch.randn(3, 10, 2, 4, generator=torch.manual_seed(0))


def test_equals_a_loop_over_clips_and_frames(stored):
    torch.manual_seed(1)
    mixed, lens, shares = ManifoldMixup(alpha=1.0)(stored, LENS)
    assert torch.equal(lens, LENS)
    for i, n in enumerate(N_FRAMES):
        (partner,) = (j for j in range(3) if j != i and shares[i, j] > 0)
        for t in range(n):
            other = stored[partner, t % N_FRAMES[partner]]
            expected = shares[i, i] * stored[i, t] + shares[i, partner] * other
            torch.testing.assert_close(mixed[i, t], expected)


def test_each_clip_stays_the_first_and_labels_sum_to_one(stored):
    torch.manual_seed(0)
    seen = torch.stack(
        [ManifoldMixup(alpha=1.0)(stored, LENS)[2] for _ in range(200)]
    )
    torch.testing.assert_close(seen.sum(2), torch.ones(200, 3))
    own = seen.diagonal(dim1=1, dim2=2)
    assert own.min() >= 0.5
    assert own.max() > 0.99 and own.min() < 0.51  # all shares are drawn
    # and everyone is somebody's partner
    torch.testing.assert_close(
        (seen > 0).float().sum(1), torch.full((200, 3), 2.0)
    )


def test_a_partners_padding_takes_no_part(stored):
    torch.manual_seed(1)
    expected = ManifoldMixup()(stored, LENS)[0]
    damaged = stored.clone()
    damaged[1, 3:], damaged[2, 6:] = torch.nan, torch.nan
    torch.manual_seed(1)
    mixed = ManifoldMixup()(damaged, LENS)[0]
    for i, n in enumerate(N_FRAMES):
        assert torch.equal(mixed[i, :n], expected[i, :n])


@pytest.mark.parametrize("settings", [{"prob": 0.0}, {}])
def test_nothing_to_mix_leaves_a_batch_as_it_is(stored, settings):
    clips = stored if settings else stored[:1]
    mixed, _, shares = ManifoldMixup(**settings)(clips, LENS[: len(clips)])
    assert torch.equal(mixed, clips)
    assert torch.equal(shares, torch.eye(len(clips)))


def test_half_precision_stays_and_a_seed_repeats(stored):
    torch.manual_seed(1)
    first, _, shares = ManifoldMixup()(stored.half(), LENS)
    torch.manual_seed(1)
    again, _, same_shares = ManifoldMixup()(stored.half(), LENS)
    assert first.dtype == torch.float16
    assert torch.equal(first, again) and torch.equal(shares, same_shares)


def test_waves_are_refused():
    with pytest.raises(SerMtlError, match=r"\[2, 100\].*augment.mixup.Mixup"):
        ManifoldMixup()(torch.randn(2, 100), torch.ones(2))
