"""What every co-attention can do, and how to read what it did."""

from typing import NamedTuple

import torch

from ser_mtl_modules.lobes.masking import frame_mask


class CoAttention(torch.nn.Module):
    """Lets the main task's features see those of the auxiliary tasks.

    Made as ``Kind(feature_size, auxiliaries, ...)``, d and the names of the
    auxiliary tasks, at least one (`build` sees to none). Padding takes no
    part: a clip gets the same alone and in a batch.
    """

    def forward(self, main, auxiliaries, lens):
        """Fuses the features of a batch.

        Arguments
        ---------
        main : torch.Tensor
            The main task's features, shape [B, T, d].
        auxiliaries : dict of str to torch.Tensor
            The auxiliary tasks' features, each of shape [B, T, d].
        lens : torch.Tensor
            Frames of each clip, shape [B].

        Returns
        -------
        torch.Tensor
            Shape [B, T, d], zero where there is padding.
        """
        raise NotImplementedError

    def amounts(self, main, auxiliaries, lens):
        """How much each frame of the main task takes from each other task.

        Where features are added to those of the main task, it is the length
        (Euclidean norm) of what is added: attention weights alone would count
        frames whose values are next to nothing (Kobayashi et al., 2020,
        https://arxiv.org/abs/2004.10102). A kind that takes something else
        says what.

        Arguments
        ---------
        main, auxiliaries, lens
            As for `forward`.

        Returns
        -------
        dict of str to torch.Tensor
            By auxiliary task, [B, T], not negative; in units that are the
            same for all tasks of a clip. Padding may hold anything.
        """
        raise NotImplementedError


class Attention(NamedTuple):
    """What the main task takes from the others, for people to look at."""

    # by task [B, T]: the frame's share in what is taken from that task; sums
    # to 1 over the clip's frames (0 if nothing is taken), 0 in padding
    over_time: dict
    # by task [B]: its share in what is taken from all; sums to 1 over tasks
    over_tasks: dict


def attention(fuse, main, auxiliaries, lens):
    """Where, and from which task, a co-attention takes what it takes.

    Computed apart from the forward pass, which it leaves as fast as it is; in
    eval mode, unless dropout is to be seen too.

    Arguments
    ---------
    fuse : CoAttention
        Of any kind; of `Nothing` both dicts are empty.
    main, auxiliaries, lens
        As for `CoAttention.forward`.

    Returns
    -------
    Attention
    """
    padding = ~frame_mask(lens, main.shape[1])
    amounts = {
        name: amount.float().masked_fill(padding, 0.0)  # [B, T]
        for name, amount in fuse.amounts(main, auxiliaries, lens).items()
    }
    totals = {name: amount.sum(dim=1) for name, amount in amounts.items()}
    return Attention(
        {name: _share(a, totals[name][:, None]) for name, a in amounts.items()},
        {name: _share(t, sum(totals.values())) for name, t in totals.items()},
    )


def _share(part, whole):
    """part / whole, and 0 of nothing."""
    return part / whole.clamp(min=torch.finfo(whole.dtype).tiny)
