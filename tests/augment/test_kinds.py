"""Kinds of augmentation in a batch, against one clip at a time."""

import pytest
import torch

from ser_mtl_modules.augment.kinds import Mask, Noise, RandomKind, Speed
from ser_mtl_modules.augment.noises import SPECTRA, shaped_noise
from ser_mtl_modules.augment.views import Speed as SpeedOfOne
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.lobes.masking import frame_mask

LENS = torch.tensor([8000, 4001, 6500, 1600, 7000, 2, 8000, 3000])
WAV_LENS = LENS / 8000


@pytest.fixture
def wavs():
    """Clips of several levels and lengths, with garbage in the padding."""
    rng = torch.Generator().manual_seed(0)
    levels = torch.rand(len(LENS), 1, generator=rng)
    return levels * torch.randn(len(LENS), 8000, generator=rng)


def alone(wavs):
    """The clips without padding."""
    return [wav[:n] for wav, n in zip(wavs, LENS.tolist())]


def empty_padding(wavs):
    return wavs * frame_mask(LENS, wavs.shape[1])


def augmented(kinds, wavs, seed=0):
    torch.manual_seed(seed)
    return RandomKind(kinds)(wavs, WAV_LENS)


ALL = {"speed": Speed(), "noise": Noise(), "mask": Mask()}


def ratio_db(clip, noise):
    return (10 * (clip.square().sum() / noise.square().sum()).log10()).item()


def test_noise_is_that_of_a_slow_reference_clip_by_clip(wavs):
    wavs = empty_padding(wavs)
    torch.manual_seed(3)
    found = Noise(snr_low=5.0, snr_high=15.0)(wavs, LENS)
    torch.manual_seed(3)  # the same draws, in the same order
    names = list(SPECTRA)
    drawn = torch.randint(3, (len(LENS),)).tolist()
    snr_db = 5 + 10 * torch.rand(len(LENS))
    for i, name in enumerate(names):
        rows = [row for row, j in enumerate(drawn) if i == j]
        noise = shaped_noise(wavs[rows], name)
        for row, other in zip(rows, noise):
            n = LENS[row]
            clip, other = wavs[row, :n].double(), other[:n].double()
            wanted = clip.norm() * 10 ** (-snr_db[row].double() / 20)
            other = other * wanted / other.norm()
            assert ratio_db(clip, other) == pytest.approx(
                snr_db[row].item(), abs=1e-4
            )
            noisy = clip + other
            expected = noisy * clip.norm() / noisy.norm()
            torch.testing.assert_close(
                found.wavs[row, :n].double(), expected, atol=1e-5, rtol=1e-4
            )
    assert torch.equal(found.clean, wavs)
    assert torch.equal(found.n_samples, LENS)


def test_speed_is_that_of_each_clip_alone_cut_to_its_own_length(wavs):
    wavs = empty_padding(wavs)
    torch.manual_seed(1)
    found = Speed([80, 110])(wavs, LENS)
    torch.manual_seed(1)
    percents = [[80, 110][i] for i in torch.randint(2, (len(LENS),)).tolist()]
    assert set(percents) == {80, 110}
    for i, (clip, percent) in enumerate(zip(alone(wavs), percents)):
        n = found.n_samples[i].item()
        assert n == max(1, min(len(clip), len(clip) * 100 // percent))
        expected = SpeedOfOne(percent)(clip, "a clip")[:n]
        torch.testing.assert_close(found.wavs[i, :n], expected)
        assert not found.wavs[i, n:].any()
    assert torch.equal(found.clean, found.wavs)


def test_masks_in_time_leave_all_else_as_it_is(wavs):
    wavs = empty_padding(wavs)
    torch.manual_seed(0)
    found = Mask(n_bands=0, n_stretches=2, max_share=0.1)(wavs, LENS)
    different = (found.wavs - wavs).abs() > 1e-4
    for row, n in enumerate(LENS.tolist()):
        starts = different[row].int().diff(prepend=torch.zeros(1)).clamp(min=0)
        assert different[row].sum() <= 0.2 * n + 2
        if n >= 1600:
            assert different[row].any()
        assert starts.sum() < n / 3  # together, not here and there
        assert not different[row, n:].any()


def test_masks_in_frequency_leave_other_bands_as_they_are():
    torch.manual_seed(0)
    wavs, lens = torch.randn(4, 8192), torch.full((4,), 8192)
    found = Mask(n_stretches=0, n_bands=1)(wavs, lens).wavs
    before, after = torch.fft.rfft(wavs), torch.fft.rfft(found)
    gone = (before - after).abs() > 1e-2 * before.abs()
    hz = torch.linspace(0, 8000, gone.shape[1])
    mels = 2595 * (1 + hz / 700).log10()
    for row in gone:
        inside = mels[row]
        assert inside.max() - inside.min() <= 350
        between = (mels >= inside.min()) & (mels <= inside.max())
        assert row[between].float().mean() > 0.9
    # and what is there instead is as loud
    torch.testing.assert_close(
        found.norm(dim=1), wavs.norm(dim=1), rtol=0.1, atol=0
    )


def test_a_mask_is_not_told_by_silence(wavs):
    found = Mask(n_stretches=2, max_share=0.4)(empty_padding(wavs), LENS).wavs
    for row, n in enumerate(LENS.tolist()):
        if n >= 1600:
            frames = found[row, : n // 160 * 160].view(-1, 160)
            levels = frames.square().mean(dim=1)
            assert levels.min() > 0.1 * levels.mean()


def test_labels_say_what_was_done(wavs):
    seen = set()
    for seed in range(20):
        out, wav_lens, made = augmented(ALL, wavs, seed)
        clean, clean_lens = made["clean"]
        kinds = made["augmentation"]
        seen |= set(kinds)
        assert torch.equal(clean_lens, wav_lens)
        lens = (wav_lens * out.shape[1]).round().long()
        for row, kind in enumerate(kinds):
            same = torch.equal(out[row], empty_padding(wavs)[row])
            assert same == (kind == "none")
            assert (lens[row] == LENS[row]) or kind == "speed"
            undisturbed = out if kind == "speed" else empty_padding(wavs)
            assert torch.equal(clean[row], undisturbed[row])
            assert not out[row, lens[row] :].any()
    assert seen == {"none", *ALL}


def test_each_kind_is_as_probable_as_none():
    wavs, counts = torch.randn(2000, 50), {}
    noise = {"a": Noise(), "b": Noise(), "c": Noise()}
    torch.manual_seed(0)
    for kind in RandomKind(noise)(wavs, torch.ones(2000))[2]["augmentation"]:
        counts[kind] = counts.get(kind, 0) + 1
    assert set(counts) == {"none", "a", "b", "c"}
    assert all(420 < n < 580 for n in counts.values())


def test_the_same_seed_gives_the_same_and_another_seed_does_not(wavs):
    first, again, other = (augmented(ALL, wavs, seed) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert first[2]["augmentation"] == again[2]["augmentation"]
    assert not torch.equal(first[0], other[0])


def test_garbage_in_padding_changes_nothing(wavs):
    first, again = (augmented(ALL, w) for w in (wavs, empty_padding(wavs)))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[2]["clean"][0], again[2]["clean"][0])


def test_what_cannot_be_augmented_has_no_kind():
    silent, short = torch.zeros(50, 5000), torch.randn(50, 1599)
    for wavs, kind in ((silent, Noise()), (silent, Mask()), (short, Mask())):
        out, _, made = RandomKind({"it": kind})(wavs, torch.ones(50))
        assert torch.equal(out, wavs)
        assert set(made["augmentation"]) == {"none"}


def test_without_kinds_nothing_is_done(wavs):
    out, wav_lens, made = augmented({}, wavs)
    assert torch.equal(out, empty_padding(wavs))
    assert set(made["augmentation"]) == {"none"}
    torch.testing.assert_close(wav_lens, WAV_LENS)


def test_half_precision_of_the_model_is_not_that_of_the_waves(wavs):
    plain = augmented(ALL, wavs)
    with torch.autocast("cpu", torch.bfloat16):
        under = augmented(ALL, wavs)
    assert under[0].dtype == torch.float32
    assert torch.equal(under[0], plain[0])


def test_stored_levels_are_refused_with_what_to_put_instead():
    with pytest.raises(SerMtlError, match="--augment=.*NoAugment.*views"):
        RandomKind(ALL)(torch.randn(2, 5, 3, 4), torch.ones(2))
