import torch

from ser_mtl_modules.experiments.supcon_benchmark import (
    KINDS,
    SHAPE,
    compare,
    frames,
)


def test_both_are_the_same_loss_in_value_and_gradient():
    results = []
    for loss in KINDS.values():
        x, labels = frames(4, 50, 16)
        x.requires_grad_()
        value = loss(x, labels)
        results.append((value, *torch.autograd.grad(value, x)))
    torch.testing.assert_close(*results, atol=1e-6, rtol=0)


def test_blocks_take_a_quarter_of_the_memory_at_most():
    assert list(SHAPE.values()) == [16, 312, 64]
    found = compare(SHAPE.values())
    assert found["blocks"]["mb"] <= found["dense"]["mb"] / 4
