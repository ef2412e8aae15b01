"""Contrast between frames that know the clip they are in."""

import torch

from ser_mtl_modules.lobes.context_broadcasting import broadcast_context
from ser_mtl_modules.lobes.masking import frame_mask
from ser_mtl_modules.losses.supcon import SupervisedContrastive


class FrameContrastive(torch.nn.Module):
    """Supervised contrastive loss of all frames of a batch.

    The multi-loss method (https://arxiv.org/abs/2512.04551) joins the loss
    with context broadcasting over frame features; how, is our reading. Of the
    frames F' that are pooled::

        q_t = Linear(f"_t / 2 + mean over the clip of F" / 2)

    every frame of every clip is an anchor, and the others of its clip and of
    all clips of its class are its positives. (With mean pooling first, the
    broadcasting would change nothing.) Context makes a clip's label mean
    something for a single frame.

    Arguments
    ---------
    input_size : int
        D of the frames.
    size : int
        Of q.
    temperature : float
        tau of `SupervisedContrastive`.
    block_size : int
        Anchors at a time, which is a matter of memory alone.

    Example
    -------
    >>> loss = FrameContrastive(8, size=4)
    >>> lens = torch.tensor([5, 3])
    >>> value = loss(torch.randn(2, 5, 8), lens, torch.tensor([0, 1]))
    >>> bool(value > 0)  # two classes of several frames each
    True
    """

    def __init__(self, input_size, size=64, temperature=0.1, block_size=256):
        super().__init__()
        self.project = torch.nn.Linear(input_size, size)
        self.contrast = SupervisedContrastive(temperature, block_size)

    def forward(self, frames, lens, labels):
        """Computes the loss of a batch.

        Arguments
        ---------
        frames : torch.Tensor
            Shape [B, T, D].
        lens : torch.Tensor
            Frames of each clip, shape [B].
        labels : torch.Tensor
            Class indices, shape [B]; -1 where unknown, which leaves the clip
            out.

        Returns
        -------
        torch.Tensor
            A scalar, 0 and connected to the graph without any positive pair.
        """
        inside = frame_mask(lens, frames.shape[1])  # [B, T]
        q = self.project(broadcast_context(frames, lens)[inside])
        labels = labels[:, None].expand_as(inside)[inside]
        return self.contrast(q, labels)
