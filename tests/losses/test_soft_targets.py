import pytest
import torch
import torch.nn.functional as F

from ser_mtl_modules.losses.soft_targets import main_class, mix_targets


@pytest.fixture
def shares():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(5, 5, generator=generator).softmax(dim=1)


def test_equals_a_loop_over_clips_and_their_parts(shares):
    labels = [2, 0, 1, 2, 2]
    expected = torch.zeros(5, 4)
    for i in range(5):
        for j, label in enumerate(labels):
            expected[i, label] += shares[i, j]
    mixed = mix_targets(torch.tensor(labels), shares, 4)
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(mixed.sum(dim=1), torch.ones(5))


def test_unmixed_clips_have_one_class():
    labels = torch.tensor([1, 0, 2])
    assert torch.equal(
        mix_targets(labels, torch.eye(3), 3), F.one_hot(labels, 3).float()
    )


def test_a_clip_is_unknown_if_and_only_if_a_part_of_it_is():
    labels = torch.tensor([0, -1, 1])
    shares = torch.tensor([[0.7, 0, 0.3], [0, 1, 0], [0, 0.001, 0.999]])
    mixed = mix_targets(labels, shares, 2)
    torch.testing.assert_close(
        mixed, torch.tensor([[0.7, 0.3], [0, 0], [0, 0]])
    )


def test_the_main_class_is_the_greatest_share_and_unknown_stays_unknown():
    soft = torch.tensor([[0.3, 0.7, 0], [0, 0, 0], [0, 0, 1.0]])
    assert main_class(soft).tolist() == [1, -1, 2]
    labels = torch.tensor([2, -1, 0])
    assert main_class(labels) is labels


def test_distributions_are_mixed_as_classes_are(shares):
    labels = torch.tensor([2, 0, -1, 2, 1])
    whole = F.one_hot(labels.clamp(min=0), 3) * (labels >= 0)[:, None]
    torch.testing.assert_close(
        mix_targets(whole.float(), shares, 3), mix_targets(labels, shares, 3)
    )
