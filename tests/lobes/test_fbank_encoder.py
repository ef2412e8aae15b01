import pytest
import torch

from ser_mtl_modules.lobes.fbank_encoder import FbankEncoder, MaskedBatchNorm
from ser_mtl_modules.lobes.masking import frame_mask
from speechbrain.augment.freq_domain import SpectrogramDrop


def encoder(**kwargs):
    torch.manual_seed(0)
    encoder = FbankEncoder(
        n_mels=20, channels=[3, 4], size=8, n_blocks=2, dropout=0.0, **kwargs
    )
    for module in encoder.modules():  # as if it had been trained
        if isinstance(module, torch.nn.BatchNorm1d):
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.normal_(module.weight)
            torch.nn.init.normal_(module.bias)
    return encoder


@pytest.fixture
def clip():
    """Speech-like in that it has pauses: noise with an envelope."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(6400, generator=generator)
    return 0.1 * noise * torch.linspace(0, 12, 6400).sin().abs() ** 3


def in_a_batch(clip, n_samples):
    """A clip and garbage after it, beside a longer one."""
    generator = torch.Generator().manual_seed(3)
    wavs = torch.randn(2, n_samples, generator=generator)
    wavs[0, : len(clip)] = clip
    return wavs, torch.tensor([len(clip) / n_samples, 1.0])


@pytest.mark.parametrize("n", [1, 2, 159, 160, 161, 400, 1601, 3039, 6400])
def test_a_clip_gets_the_same_alone_as_in_a_batch_six_times_as_long(clip, n):
    model, clip = encoder().eval(), clip[-n:]
    alone, alone_lens = model(clip[None], torch.ones(1))
    levels, lens = model(*in_a_batch(clip, max(6 * n, 640)))
    t = lens[0]
    assert t == alone_lens[0] == alone.shape[2]
    torch.testing.assert_close(levels[:, 0, :t], alone[:, 0], atol=1e-5, rtol=0)
    assert not levels[:, 0, t:].any()


def test_so_does_a_clip_that_is_loudest_where_it_ends():
    # the STFT's frame after the last one of the clip alone would see it best
    model, clip = encoder().eval(), 1e-5 * torch.randn(1600 + 159)
    clip[-1] = 0.9
    alone, _ = model(clip[None], torch.ones(1))
    levels, lens = model(*in_a_batch(clip, 6 * len(clip)))
    torch.testing.assert_close(
        levels[:, 0, : lens[0]], alone[:, 0], atol=1e-5, rtol=0
    )


def test_training_does_not_depend_on_padding_either(clip):
    wavs, lens = torch.stack([clip, clip.flip(0)]), torch.tensor([0.4, 1.0])
    results = []
    for padding, content in ((0, 0.0), (20_000, 3.0)):
        model = encoder().train()
        longer = torch.nn.functional.pad(wavs, (0, padding), value=content)
        levels, n_frames = model(longer, lens * 6400 / (6400 + padding))
        levels[:, frame_mask(n_frames, levels.shape[2])].sin().sum().backward()
        results.append(
            [levels[:, :, : n_frames.max()], n_frames]
            + [b.clone() for b in model.buffers()]
            + [p.grad for p in model.parameters()]
        )
    torch.testing.assert_close(*results, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("n", [1, 159, 160, 641, 6399, 6400])
def test_there_are_as_many_frames_as_the_strides_leave(clip, n):
    levels, lens = encoder().eval()(clip[None, :n], torch.ones(1))
    halved_twice = ((n // 160) // 2) // 2 + 1
    assert lens.tolist() == [halved_twice]
    assert levels.shape == (3, 1, halved_twice, 8)


def test_gradient_reaches_every_parameter(clip):
    model = encoder().train()
    levels, _ = model(torch.stack([clip, clip.flip(0)]), torch.ones(2))
    levels[-1].sin().sum().backward()
    without = [n for n, p in model.named_parameters() if not p.grad.any()]
    assert without == []


def test_silence_has_a_finite_output_and_gradient():
    model = encoder().train()
    levels, _ = model(torch.zeros(2, 1600), torch.tensor([1.0, 0.5]))
    levels.sum().backward()
    assert levels.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_loudness_changes_the_first_channel_alone(clip):
    model, wavs = encoder().eval(), torch.stack([clip, 2 * clip])
    feats, _ = model.features(wavs, torch.ones(2))
    quiet, loud = feats.unbind()
    # 6.02 dB, in units of 10 dB
    torch.testing.assert_close(
        loud[..., 0] - 0.602, quiet[..., 0], atol=1e-3, rtol=0
    )
    torch.testing.assert_close(loud[..., 1:], quiet[..., 1:], atol=1e-4, rtol=0)


class DropFrames(torch.nn.Module):
    """As ``SpectrogramDrop``, of frames 2 and 3 and of all clips."""

    def forward(self, feats):
        feats = feats.clone()
        feats[:, 2:4] = 0
        return feats


def test_masks_and_warps_are_for_training_alone(clip):
    kwargs = {"mask": [DropFrames()], "warp": lambda logmels: logmels + 10}
    batch = torch.stack([clip, clip.flip(0)]), torch.tensor([1.0, 0.7])
    model, plain = encoder(**kwargs), encoder()
    expected = plain.eval().features(*batch)[0]
    assert torch.equal(model.eval().features(*batch)[0], expected)
    masked = model.train().features(*batch)[0]
    expected[:, :, :, 0] += 1  # the warp's 10 dB, which the means take along
    expected[:, 2:4] = 0
    valid = frame_mask(torch.tensor([41, 29]), 41)
    torch.testing.assert_close(
        masked[valid], expected[valid], atol=1e-4, rtol=0
    )
    assert not masked[~valid].any()


def test_masks_of_time_and_frequency_leave_the_rest_alone(clip):
    lengths = {"drop_length_low": 3, "drop_length_high": 4}  # exclusive
    once = {"drop_count_low": 1, "drop_count_high": 1, **lengths}
    masks = [SpectrogramDrop(dim=dim, **once) for dim in (1, 2)]
    model = encoder(mask=masks, windows=[25, 50]).train()
    torch.manual_seed(0)
    feats, _ = model.features(clip[None], torch.ones(1))
    gone = (feats == 0).all(dim=(0, 3))  # [T, M]
    frames, bands = gone.all(dim=1), gone.all(dim=0)
    assert 1 <= frames.sum() <= 3 and 1 <= bands.sum() <= 3
    assert torch.equal(gone, frames[:, None] | bands)


@pytest.mark.parametrize("shape", [(3, 4, 2), (3, 4, 5, 2)])
def test_masked_batch_norm_equals_torchs_on_valid_frames(shape):
    generator = torch.Generator().manual_seed(0)
    mask = frame_mask(torch.tensor([4, 2, 1]), 4)
    masked, plain = MaskedBatchNorm(2), torch.nn.BatchNorm1d(2)
    for _ in range(3):
        feats = 3 + 2 * torch.randn(shape, generator=generator)
        expected = torch.zeros(shape)
        expected[mask] = plain(feats[mask].reshape(-1, 2)).view_as(feats[mask])
        feats[~mask] = 1e4
        torch.testing.assert_close(masked(feats, mask), expected)
    torch.testing.assert_close(masked.norm.state_dict(), plain.state_dict())
    masked.eval(), plain.eval()
    expected[mask] = plain(feats[mask].reshape(-1, 2)).view_as(feats[mask])
    torch.testing.assert_close(masked(feats, mask), expected)
