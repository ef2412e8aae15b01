"""Auxiliary tasks say which frames of the main task matter."""

import torch

from ser_mtl_modules.lobes.co_attention.base import CoAttention
from ser_mtl_modules.lobes.masking import frame_mask, masked_mean


def softmax_over_time(scores, mask):
    """Weights [B, T] that sum to 1 over the frames of a clip."""
    return scores.masked_fill(~mask, -torch.inf).softmax(dim=1)


def relu_over_time(scores, mask):
    """Weights [B, T] as of the ancestor: positive scores, and no competition.

    They are divided by the number of frames, which was fixed there, so that
    length doesn't change the scale. If no score is positive, all are zero.
    """
    weights = scores.masked_fill(~mask, 0.0).relu()
    return weights / mask.sum(dim=1, keepdim=True)


class CaMser(CoAttention):
    """Weights over the main task's frames, from vectors of the utterance.

    The ancestor's form: Zou et al., 2022 (https://arxiv.org/abs/2203.15326),
    whose code (CA-MSER) weighs the frames of wav2vec 2.0 by
    ReLU(Linear([spectrogram ; MFCC])), a layer with as many outputs as a
    segment of 3 s has frames. Here clips may have any length::

        q = [mean of F_1 ; ... ; mean of F_K]
        s_t = (W_q q)^T (W_k main_t) / sqrt(d)
        w = softmax over time of s
        v = sum over t of w_t main_t

    Other kinds give frames, so this one does too: U_t = T w_t main_t, T the
    frames of the clip, whose mean over time is v. Scores, tokens and this
    form are our reading.

    Arguments
    ---------
    feature_size : int
        d.
    auxiliaries : list of str
        Names of the auxiliary tasks.
    norm : callable
        ``norm(scores [B, T], mask [B, T])``, the weights w:
        `softmax_over_time` or `relu_over_time`, the ancestor's.
    dropout : float
        On q, in training; 0.1 in the ancestor.
    """

    def __init__(
        self, feature_size, auxiliaries, norm=softmax_over_time, dropout=0.1
    ):
        super().__init__()
        self.auxiliaries = auxiliaries
        self.norm = norm
        self.dropout = torch.nn.Dropout(dropout)
        # without biases, so that s is a sum of the tasks' parts
        self.query = torch.nn.Linear(
            len(auxiliaries) * feature_size, feature_size, bias=False
        )
        self.key = torch.nn.Linear(feature_size, feature_size, bias=False)

    def forward(self, main, auxiliaries, lens):
        """As `CoAttention.forward`."""
        weights = self.weights(main, auxiliaries, lens)
        fused = main * (lens[:, None] * weights).unsqueeze(-1).to(main)
        mask = frame_mask(lens, main.shape[1])
        return fused.masked_fill(~mask.unsqueeze(-1), 0.0)

    def weights(self, main, auxiliaries, lens):
        """The weight w of every frame, shape [B, T], 0 in padding."""
        scores = self._scores(main, self._vectors(auxiliaries, lens).flatten(1))
        return self.norm(scores, frame_mask(lens, main.shape[1]))

    def amounts(self, main, auxiliaries, lens):
        """Nothing is added here; it is w_t times the task's part in s_t.

        Arguments and what is returned are those of `CoAttention.amounts`; the
        part is taken without its sign.
        """
        weights = self.weights(main, auxiliaries, lens)
        vectors = self._vectors(auxiliaries, lens)  # [B, K, d]
        amounts = {}
        for k, name in enumerate(self.auxiliaries):
            alone = torch.zeros_like(vectors)
            alone[:, k] = vectors[:, k]
            part = self._scores(main, alone.flatten(1))
            amounts[name] = weights * part.abs()
        return amounts

    def _vectors(self, auxiliaries, lens):
        """One vector for each task, shape [B, K, d]."""
        vectors = [masked_mean(auxiliaries[k], lens) for k in self.auxiliaries]
        return torch.stack(vectors, dim=1)

    def _scores(self, main, vectors):
        """s [B, T], in single precision, of vectors [B, K d]."""
        query = self.query(self.dropout(vectors)).unsqueeze(-1)  # [B, d, 1]
        scores = (self.key(main) @ query).squeeze(-1).float()
        return scores / main.shape[-1] ** 0.5
