"""Randomness as a function of what it is for, not of what came before.

Every random choice of this project is drawn from a generator whose seed is a
hash of (seed, purpose, epoch, step or utterance ID). Nothing has to be saved to
resume a run, the number of workers changes nothing, and epochs differ.
"""

import contextlib
import hashlib
import random

import numpy as np
import torch


def key(*parts):
    """A seed in [0, 2**63) that depends on every part and on their order.

    Arguments
    ---------
    *parts : int, str, float or None
        What the randomness is for, such as ``(seed, "batches", epoch)``.

    Returns
    -------
    int

    Example
    -------
    >>> key(1986, "batches", 1) == key(1986, "batches", 1)
    True
    >>> key(1986, "batches", 1) == key(1986, "batches", 2)
    False
    """
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator(*parts, device="cpu"):
    """A generator of its own for one purpose.

    Arguments
    ---------
    *parts : int, str, float or None
        As for `key`.
    device : str or torch.device
        Where the numbers are wanted.

    Returns
    -------
    torch.Generator

    Example
    -------
    >>> torch.randperm(5, generator=generator(1986, "order", 1)).tolist()
    [4, 0, 3, 2, 1]
    """
    return torch.Generator(device=device).manual_seed(key(*parts))


def seed_everything(*parts):
    """Seeds the global generators of torch (all devices) and of Python.

    For what draws from them and takes no generator: dropout, and
    SpeechBrain's augmentations.

    Arguments
    ---------
    *parts : int, str, float or None
        As for `key`.
    """
    torch.manual_seed(key(*parts))
    random.seed(key(*parts))


@contextlib.contextmanager
def untouched():
    """Gives the global generators (CPU's) back as they were.

    For what may or may not have to be done: whatever it draws, what comes
    after it draws the same.

    Example
    -------
    >>> seed_everything(1986)
    >>> with untouched():
    ...     _ = torch.rand(3), random.random()
    >>> after = torch.rand(1), random.random()
    >>> seed_everything(1986)
    >>> after == (torch.rand(1), random.random())
    True
    """
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
