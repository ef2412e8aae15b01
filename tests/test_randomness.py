import random

import torch

from ser_mtl_modules.randomness import generator, key, seed_everything


def test_keys_differ_in_every_part_its_type_and_the_order():
    parts = [(1,), (2,), ("1",), (1.0,), (None,), (), (1, 2), (2, 1), (12,)]
    parts += [("a", "b"), ("b", "a"), ("ab",), ("a,", "b"), (1, "a", 1)]
    parts += [(seed, "batches", epoch) for seed in (3, 4) for epoch in (3, 4)]
    assert len({key(*p) for p in parts}) == len(parts)


def test_keys_are_seeds_and_the_same_in_every_process():
    assert key(1986, "batches", 1) == key(1986, "batches", 1)
    assert all(0 <= key(i) < 2**63 for i in range(1000))
    # written down, as Python's own hash of a string differs between processes
    assert key("a", 1) == 2817767603020893852


def test_generators_of_one_purpose_agree_and_others_do_not():
    a, b, c = generator(1, "x"), generator(1, "x"), generator(1, "y")
    draws = [torch.rand(5, generator=g) for g in (a, b, c)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_a_generator_leaves_the_global_one_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    torch.rand(9, generator=generator(1))
    assert torch.equal(torch.rand(3), expected)


def test_seeding_everything_repeats_torch_and_python():
    def draws(*parts):
        seed_everything(*parts)
        return torch.rand(3).tolist(), random.random()

    first = draws(1, "step", 5)
    assert draws(1, "step", 5) == first
    assert draws(1, "step", 6)[0] != first[0]
    assert draws(1, "step", 6)[1] != first[1]
