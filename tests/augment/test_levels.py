import pytest
import torch

from ser_mtl_modules.augment.levels import DropSpans

LENS = torch.tensor([100, 37, 1])


def masked(**settings):
    levels = torch.ones(2, 3, 100, 40)
    return DropSpans(**settings)(levels, LENS)


def runs(dropped):
    """Lengths of the spans in a row of booleans."""
    edges = torch.diff(torch.nn.functional.pad(dropped.int(), (1, 1)))
    return (edges == -1).nonzero() - (edges == 1).nonzero()


def test_spans_are_no_longer_than_they_may_be_and_within_the_clip():
    torch.manual_seed(0)
    longest = [0, 0, 0]
    for _ in range(200):
        out = masked(n_spans=1, longest=0.2, n_dim_spans=0)
        for i, n in enumerate(LENS.tolist()):
            dropped = ~out[0, i].bool().any(dim=1)
            assert not dropped[n:].any()
            spans = runs(dropped)
            assert len(spans) <= 1
            longest[i] = max([longest[i], *spans.flatten().tolist()])
    assert longest == [20, 7, 0]


def test_dimensions_are_dropped_for_all_frames():
    torch.manual_seed(0)
    out = masked(n_spans=0, n_dim_spans=2, longest_dim=0.25)
    for clip in out[0]:
        assert (clip == clip[:1]).all()
        assert 0 <= (clip[0] == 0).sum() <= 20
    assert not out.all()


def test_levels_share_their_spans_and_clips_do_not():
    torch.manual_seed(0)
    out = masked(n_spans=3, longest=0.3)
    assert torch.equal(out[0], out[1])
    assert not torch.equal(out[0, 0, :37], out[0, 1, :37])


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_gives_the_same(seed):
    torch.manual_seed(seed)
    first = masked(n_spans=3)
    torch.manual_seed(seed)
    assert torch.equal(first, masked(n_spans=3))


def test_without_spans_nothing_changes():
    assert masked(n_spans=0, n_dim_spans=0).all()
