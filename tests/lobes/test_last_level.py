import pytest
import torch

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.lobes.last_level import LastLevel


def test_it_is_the_last_level_without_padding():
    levels = torch.randn(3, 2, 5, 4)
    feats = LastLevel(3, 4, 4)(levels, torch.tensor([5, 2]))
    assert torch.equal(feats[0], levels[2, 0])
    assert torch.equal(feats[1, :2], levels[2, 1, :2])
    assert not feats[1, 2:].any()


def test_another_size_is_refused_with_what_to_give():
    with pytest.raises(SerMtlError, match="--feature_size=4, or.*Last"):
        LastLevel(3, 4, 8)
