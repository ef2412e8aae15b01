import pytest
import torch

from ser_mtl_modules.training.averaging import WeightAverage


@pytest.fixture
def module():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2)
    )
    module[2].requires_grad_(False)
    return module


def state(module):
    return {name: x.clone() for name, x in module.state_dict().items()}


def train(module):
    """Changes the weights and the running statistics."""
    module(torch.randn(5, 3))
    for parameter in module.parameters():
        if parameter.requires_grad:
            parameter.data += torch.randn_like(parameter)


@pytest.mark.parametrize("decay", [0.15, 0.9, 0.999])
def test_equals_a_loop_over_updates(module, decay):
    average, expected = WeightAverage(module, decay), state(module)
    for n in range(12):
        train(module)
        average.update(module)
        keep = min(decay, (1 + n) / (10 + n))
        for name, x in module.state_dict().items():
            if x.is_floating_point():
                expected[name] = keep * expected[name] + (1 - keep) * x
    average.swap(module)
    expected["1.num_batches_tracked"] = torch.tensor(12)  # a counter is as is
    torch.testing.assert_close(state(module), expected)


def test_decay_0_keeps_the_last_weights(module):
    average = WeightAverage(module, 0.0)
    for _ in range(3):
        train(module)
        average.update(module)
    last = state(module)
    train(module)
    average.swap(module)
    del last["1.num_batches_tracked"]
    assert all(torch.equal(module.state_dict()[k], v) for k, v in last.items())


def test_swapping_twice_changes_nothing(module):
    average = WeightAverage(module, 0.9)
    train(module)
    average.update(module)
    before, held = state(module), state(average)
    average.swap(module)
    assert not torch.equal(module[0].weight, before["0.weight"])
    average.swap(module)
    torch.testing.assert_close(state(module), before, atol=0, rtol=0)
    torch.testing.assert_close(state(average), held, atol=0, rtol=0)


def test_updates_leave_the_module_alone_and_what_is_frozen_is_not_held(module):
    average, before = WeightAverage(module, 0.9), state(module)
    average.update(module)
    torch.testing.assert_close(state(module), before, atol=0, rtol=0)
    shapes = [tuple(x.shape) for x in average.buffers()]
    assert shapes == [(), (4 * 3 + 5 * 4,)]


def test_its_state_can_be_saved_and_goes_on(module):
    average, again = WeightAverage(module, 0.9), WeightAverage(module, 0.9)
    train(module)
    average.update(module)
    again.load_state_dict(average.state_dict())
    train(module)
    for a in (average, again):
        a.update(module)
    torch.testing.assert_close(state(again), state(average))
