import pytest
import torch

from ser_mtl_modules.augment.segments import draw_segments

LENS = torch.tensor([40, 100, 7, 1, 2, 3])


def draws(prob=1.0, n=300):
    for seed in range(n):
        torch.manual_seed(seed)
        yield draw_segments(LENS, prob)


def test_segments_are_within_both_clips_and_up_to_half_of_the_first():
    for segments in draws():
        partner, length, start, source = segments
        assert (partner != torch.arange(6)).all()
        assert (length >= (LENS // 2).clamp(max=1)).all()
        assert (length <= LENS // 2).all() and (length <= LENS[partner]).all()
        assert (start >= 0).all() and (start + length <= LENS).all()
        assert (source >= 0).all() and (source + length <= LENS[partner]).all()


def test_all_lengths_and_starts_that_fit_are_drawn():
    lengths, starts, sources = set(), set(), set()
    for partner, length, start, source in draws(n=600):
        lengths.add(length[2].item())  # of 7 samples
        starts.add((length[2].item(), start[2].item()))
        if partner[4] == 2:  # a sample of the clip with 7
            sources.add(source[4].item())
    assert lengths == {1, 2, 3} and sources == {*range(7)}
    assert starts == {(n, s) for n in (1, 2, 3) for s in range(8 - n)}


def test_as_many_clips_as_asked_for_have_a_segment():
    n_clips = sum((s.length > 0).sum().item() for s in draws(prob=0.3))
    assert n_clips / (5 * 300) == pytest.approx(0.3, abs=0.04)  # one can't
    assert not any(s.length.any() for s in draws(prob=0.0, n=9))


@pytest.mark.parametrize("lens", [[9], [1], [1, 1, 1]])
def test_without_company_or_a_half_there_is_no_segment(lens):
    assert not draw_segments(torch.tensor(lens), 1.0).length.any()


def test_what_is_laid_over_is_the_partners_segment():
    values = torch.arange(600.0).view(6, 100)
    for partner, length, start, source in draws(n=20):
        segments = type(next(draws(n=1)))(partner, length, start, source)
        over, inside = segments.laid_over(values), segments.inside(100)
        for i in range(6):
            a, n, b = start[i], length[i], source[i]
            assert inside[i].nonzero().flatten().tolist() == [*range(a, a + n)]
            expected = values[partner[i], b : b + n]
            assert torch.equal(over[i, a : a + n], expected)
