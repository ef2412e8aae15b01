import pytest
import torch

from ser_mtl_modules.augment.label_adaptive_mixup import LabelAdaptiveMixup

LENS = [400, 1000, 700, 1]


@pytest.fixture
def batch():
    """Clips of different levels and lengths, not silent in padding."""
    wavs = torch.randn(4, 1000, generator=torch.Generator().manual_seed(0))
    return wavs * torch.tensor([[1.0], [0.1], [0.01], [0.5]]), (
        torch.tensor(LENS) / 1000
    )


@pytest.mark.parametrize("seed", range(6))
def test_equals_clip_by_clip_at_the_clips_own_peak(batch, seed):
    wavs, wav_lens = batch
    torch.manual_seed(seed)
    shift = torch.randint(1, 4, ()).item()
    chosen = torch.rand(4) < 0.6
    torch.manual_seed(seed)
    mixed, lens, shares = LabelAdaptiveMixup(prob=0.6)(wavs, wav_lens)
    for i, n in enumerate(LENS):
        j = (i + shift) % 4
        row, clip, longest = torch.zeros(4), wavs[i], n
        row[i] = 1.0
        if chosen[i]:
            longest = max(n, LENS[j])
            clip, other = torch.zeros(1000), torch.zeros(1000)
            clip[:n] = wavs[i, :n]
            other[: LENS[j]] = wavs[j, : LENS[j]]
            other *= clip.abs().max() / other.abs().max()
            clip = 0.5 * clip + 0.5 * other
            row[i], row[j] = n / (n + LENS[j]), LENS[j] / (n + LENS[j])
        torch.testing.assert_close(mixed[i], clip)
        torch.testing.assert_close(shares[i], row)
        assert lens[i] == pytest.approx(longest / 1000)


def test_silence_is_not_mixed_and_nothing_is_mixed_with_it(batch):
    wavs, wav_lens = batch
    wavs[1] = 0
    for seed in range(6):
        torch.manual_seed(seed)
        mixed, _, shares = LabelAdaptiveMixup(prob=1.0)(wavs, wav_lens)
        assert mixed.isfinite().all() and not mixed[1].any()
        assert shares[1].tolist() == shares[:, 1].tolist() == [0, 1, 0, 0]


def test_a_clip_without_partner_stays_as_it_is(batch):
    wavs, wav_lens = batch[0][:1], batch[1][:1]
    mixed, _, shares = LabelAdaptiveMixup(prob=1.0)(wavs, wav_lens)
    assert torch.equal(mixed, wavs) and shares.tolist() == [[1.0]]
