"""Several processes that train one model: who is there, and what all know.

``torchrun`` starts them and SpeechBrain's ``ddp_init_group`` joins them; each
is a *rank*. One process alone is rank 0 of 1, and nothing is sent anywhere.
"""

import torch.distributed as dist

from speechbrain.utils.distributed import is_distributed_initialized


def n_ranks():
    """How many processes train this model.

    Example
    -------
    >>> n_ranks()
    1
    """
    return dist.get_world_size() if is_distributed_initialized() else 1


def rank():
    """Which of them this one is, counted from 0."""
    return dist.get_rank() if is_distributed_initialized() else 0


def sum_over_ranks(tensor):
    """The sum of all ranks' tensors, without a gradient.

    Arguments
    ---------
    tensor : torch.Tensor
        Of one shape and type on all ranks.

    Returns
    -------
    torch.Tensor
        The same on all ranks, bit for bit.

    Example
    -------
    >>> import torch
    >>> sum_over_ranks(torch.tensor(3.0))
    tensor(3.)
    """
    tensor = tensor.detach().clone()
    if n_ranks() > 1:
        dist.all_reduce(tensor)
    return tensor


def collect(thing):
    """What every rank has, on the first one.

    Arguments
    ---------
    thing : object
        That can be pickled.

    Returns
    -------
    list or None
        The things in the order of the ranks; None on all but the first.

    Example
    -------
    >>> collect("a")
    ['a']
    """
    if n_ranks() == 1:
        return [thing]
    things = [None] * n_ranks() if rank() == 0 else None
    dist.gather_object(thing, things)
    return things
