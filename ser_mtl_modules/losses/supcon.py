"""Supervised contrastive loss, also of more vectors than their pairs fit."""

import torch
import torch.nn.functional as F


class SupervisedContrastive(torch.nn.Module):
    """Draws the vectors of one class together and pushes the others away.

    Equation 2 (L_out) of Khosla et al., 2020
    (https://arxiv.org/abs/2004.11362), averaged over the anchors that have a
    positive, where the paper sums over all. With z on the unit sphere and
    P(i) the other vectors of i's class::

        L = mean over i of [ log sum over k != i of exp(z_i.z_k / tau)
                             - 1/|P(i)| sum over j in P(i) of z_i.z_j / tau ]

    The second term needs the sum of each class alone. For the first one the
    similarities are computed in blocks of anchors, forward and once more
    backward, so that memory grows with N and not with its square: all frames
    of a batch can be anchors.

    Arguments
    ---------
    temperature : float
        tau.
    block_size : int
        Anchors at a time. No result depends on it, but by rounding.

    Example
    -------
    >>> z, y = torch.randn(6, 4), torch.tensor([0, 0, 1, 1, 1, 2])
    >>> whole, single = SupervisedContrastive(), SupervisedContrastive(0.1, 1)
    >>> torch.allclose(whole(z, y), single(z, y))
    True
    """

    def __init__(self, temperature=0.1, block_size=256):
        super().__init__()
        self.temperature = temperature
        self.block_size = block_size

    def forward(self, embeddings, labels):
        """Computes the loss of a batch.

        Arguments
        ---------
        embeddings : torch.Tensor
            Shape [N, E], of any norm: they are put on the unit sphere here.
        labels : torch.Tensor
            Class indices, shape [N]; -1 where unknown, which leaves the
            vector out.

        Returns
        -------
        torch.Tensor
            A scalar, 0 and connected to the graph without any positive pair.
        """
        known = labels >= 0
        embeddings, labels = embeddings[known], labels[known]
        with torch.autocast(embeddings.device.type, enabled=False):
            return self._loss(embeddings, labels)

    def _loss(self, embeddings, labels):
        if embeddings.dtype != torch.double:
            embeddings = embeddings.float()
        # a zero vector would have gradients of up to 1e12 otherwise
        z = F.normalize(embeddings, dim=-1, eps=1e-6)
        _, classes, sizes = labels.unique(
            return_inverse=True, return_counts=True
        )
        n_positives = sizes[classes] - 1  # [N]
        if not n_positives.any():
            return embeddings.sum() * 0.0
        sums = z.new_zeros(len(sizes), z.shape[1]).index_add(0, classes, z)
        others = sums[classes] - z  # of i's class but for i, [N, E]
        attract = (z * others).sum(dim=1) / n_positives.clamp(min=1)
        repel = _LogSumExpOfOthers.apply(z, self.temperature, self.block_size)
        per_anchor = repel - attract / self.temperature
        has_positives = n_positives > 0
        return per_anchor[has_positives].mean()


class _LogSumExpOfOthers(torch.autograd.Function):
    """log sum over k != i of exp(z_i.z_k / tau) for each i, by blocks of i."""

    @staticmethod
    def forward(ctx, z, temperature, block_size):
        result = torch.cat(
            [
                logits.logsumexp(dim=1)
                for _, logits in _blocks(z, temperature, block_size)
            ]
        )
        ctx.save_for_backward(z, result)
        ctx.temperature, ctx.block_size = temperature, block_size
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):
        z, result = ctx.saved_tensors
        into_z = torch.empty_like(z)
        with torch.autocast(z.device.type, enabled=False):
            for rows, logits in _blocks(z, ctx.temperature, ctx.block_size):
                # z_i is in its own sum, and by symmetry in that of every k
                own = (logits - result[rows, None]).exp_()
                own *= gradient[rows, None]
                theirs = logits.sub_(result).exp_().mul_(gradient)
                into_z[rows] = own.add_(theirs) @ z
        return into_z / ctx.temperature, None, None


def _blocks(z, temperature, block_size):
    """Slices of anchors, and their logits [b, N] with -inf at themselves."""
    for start in range(0, len(z), block_size):
        rows = slice(start, min(start + block_size, len(z)))
        logits = z[rows] @ z.T / temperature
        logits.diagonal(offset=start).fill_(-torch.inf)
        yield rows, logits
