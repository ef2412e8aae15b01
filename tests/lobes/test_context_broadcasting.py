import torch

from ser_mtl_modules.lobes.context_broadcasting import broadcast_context
from ser_mtl_modules.lobes.masking import frame_mask, masked_mean

LENS = torch.tensor([6, 3, 1])


def test_equals_the_formula_clip_by_clip_and_keeps_the_mean():
    feats = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(0))
    told = broadcast_context(feats, LENS)
    for clip, out, n in zip(feats, told, LENS.tolist()):
        expected = [0.5 * x + 0.5 * sum(clip[:n]) / n for x in clip[:n]]
        torch.testing.assert_close(out[:n], torch.stack(expected))
    assert not told[~frame_mask(LENS, 6)].any()
    torch.testing.assert_close(
        masked_mean(told, LENS), masked_mean(feats, LENS)
    )


def test_padding_changes_neither_value_nor_gradient():
    results = []
    for content in (1.0, torch.nan):
        feats = torch.randn(3, 6, 4, generator=torch.Generator().manual_seed(0))
        feats[~frame_mask(LENS, 6)] = content
        feats.requires_grad_()
        out = broadcast_context(feats, LENS)
        results.append((out, *torch.autograd.grad(out.sin().sum(), feats)))
    torch.testing.assert_close(*results)
    assert not results[0][1][~frame_mask(LENS, 6)].any()


def test_of_a_single_frame_nothing_changes():
    feats = torch.randn(2, 1, 4)
    ones = torch.ones(2, dtype=torch.long)
    torch.testing.assert_close(broadcast_context(feats, ones), feats)
