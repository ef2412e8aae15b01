"""From frames to one vector an utterance.

Every kind is made as ``Kind(input_size)``, and `Pooling` is the contract; one
that looks at frames in the light of the others is in a file of its own,
``frame_level_attention.py``.
"""

import torch

from ser_mtl_modules.lobes.masking import frame_mask, masked_mean, zero_padding


class Pooling(torch.nn.Module):
    """What poolings have in common; padding takes part in none of them.

    ``pool(feats [B, T, D], lens [B])`` gives [B, output_size]. It is
    ``over(frames(feats, lens), lens)``: what is pooled, for those who want it,
    too, and how. ``attention``, of the same arguments as ``pool``, says what
    each frame weighs, [B, T]; each row sums to 1 and is 0 in padding.
    """

    def frames(self, feats, lens):
        """The frames that are pooled, [B, T, D], zero in padding."""
        return zero_padding(feats, lens)

    def forward(self, feats, lens):
        """Pools over the frames of each clip.

        Arguments
        ---------
        feats : torch.Tensor
            Shape [B, T, D].
        lens : torch.Tensor
            Frames of each clip, shape [B].

        Returns
        -------
        torch.Tensor
            Shape [B, output_size].
        """
        return self.over(self.frames(feats, lens), lens)


class MeanPooling(Pooling):
    """The mean over time.

    Arguments
    ---------
    input_size : int
        D of the frames.
    """

    def __init__(self, input_size):
        super().__init__()
        self.output_size = input_size

    def over(self, frames, lens):
        """Pools frames [B, T, D] to [B, D]."""
        return masked_mean(frames.float(), lens)

    def attention(self, feats, lens):
        """Every frame weighs the same."""
        return frame_mask(lens, feats.shape[1]) / lens[:, None]


class MaxPooling(Pooling):
    """The maximum over time of each dimension.

    Arguments
    ---------
    input_size : int
        D of the frames.

    Example
    -------
    >>> pool = MaxPooling(2)
    >>> feats = -torch.tensor([[[1.0, 4.0], [2.0, 3.0], [0.0, 0.0]]])
    >>> pool(feats, torch.tensor([2])).tolist()  # the third is padding
    [[-1.0, -3.0]]
    """

    def __init__(self, input_size):
        super().__init__()
        self.output_size = input_size

    def over(self, frames, lens):
        """Pools frames [B, T, D] to [B, D]."""
        return self._without_padding(frames, lens).amax(dim=1)

    def attention(self, feats, lens):
        """The share of dimensions that have their maximum in a frame."""
        first = self._without_padding(feats, lens).argmax(dim=1)  # [B, D]
        counts = torch.zeros(feats.shape[:2], device=feats.device)
        counts.scatter_add_(1, first, torch.ones_like(first, dtype=torch.float))
        return counts / feats.shape[2]

    @staticmethod
    def _without_padding(frames, lens):
        padding = ~frame_mask(lens, frames.shape[1])
        return frames.float().masked_fill(padding[..., None], -torch.inf)


class AttentiveStatisticsPooling(Pooling):
    """Weighted mean and standard deviation over time, weights by attention.

    Okabe et al., 2018 (https://arxiv.org/abs/1803.10963), in the form of the
    MSP-Podcast challenge's baseline. SpeechBrain's layer of that name has a
    batch norm that sees padded frames; here nothing does::

        w = softmax over time of v^T tanh(W x + c)
        out = [sum w x ; sqrt(sum w x^2 - (sum w x)^2)]

    Arguments
    ---------
    input_size : int
        D of the frames.
    attention_size : int
        Rows of W.

    Example
    -------
    >>> pool = AttentiveStatisticsPooling(4)
    >>> feats = torch.randn(2, 6, 4)
    >>> alone = pool(feats[:1, :3], torch.tensor([3]))
    >>> padded = pool(feats, torch.tensor([3, 6]))
    >>> torch.allclose(alone[0], padded[0], atol=1e-6)
    True
    """

    def __init__(self, input_size, attention_size=128):
        super().__init__()
        self.input_size = input_size
        self.score = torch.nn.Sequential(
            torch.nn.Linear(input_size, attention_size),
            torch.nn.Tanh(),
            torch.nn.Linear(attention_size, 1, bias=False),
        )

    @property
    def output_size(self):
        """Twice the input's size: means, then standard deviations."""
        return 2 * self.input_size

    def attention(self, feats, lens):
        """The weight of every frame, shape [B, T]; each row sums to 1."""
        scores = self.score(feats).squeeze(-1).float()  # [B, T]
        padding = ~frame_mask(lens, feats.shape[1])
        return scores.masked_fill(padding, -torch.inf).softmax(dim=1)

    def over(self, frames, lens):
        """Pools frames [B, T, D] to [B, 2 D].

        They have zeros in padding: it has weight 0, but 0 times infinity would
        still be NaN, here and in the gradient of the scores.
        """
        weights = self.attention(frames, lens).unsqueeze(-1)  # [B, T, 1]
        frames = frames.float()
        mean = (weights * frames).sum(dim=1)
        # around the mean: the difference of two squares loses digits
        variance = (weights * (frames - mean[:, None]) ** 2).sum(dim=1)
        return torch.cat([mean, variance.clamp(min=1e-5).sqrt()], dim=1)


class UtteranceNorm(torch.nn.BatchNorm1d):
    """Batch norm of pooled features; a clip alone is scaled as in evaluation.

    Means and deviations over time differ in scale by dimension, and a linear
    layer on them learns several times faster behind a batch norm, as
    ECAPA-TDNN has it there. Statistics need two clips.

    Example
    -------
    >>> norm = UtteranceNorm(3)
    >>> norm(torch.ones(1, 3)).isfinite().all()
    tensor(True)
    """

    def forward(self, pooled):
        """Normalises pooled features [B, D]; the same shape."""
        if self.training and len(pooled) > 1:
            return super().forward(pooled)
        return torch.nn.functional.batch_norm(
            pooled,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            eps=self.eps,
        )
