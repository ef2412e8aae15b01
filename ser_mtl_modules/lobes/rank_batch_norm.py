"""Batch norms whose batch is that of all ranks."""

import torch
import torch.distributed as dist
from torch.distributed.nn.functional import all_reduce

from ser_mtl_modules.ranks import n_ranks


class RankBatchNorm(torch.nn.BatchNorm1d):
    """A batch norm with the statistics of all ranks' batches together.

    torch's own ``SyncBatchNorm`` runs on GPUs alone. This one is the same
    anywhere; it sends two vectors of C numbers forward and two backward. Mean
    first, then squared distances from it: sums of squares would lose digits.

    In evaluation it is the batch norm that it was.
    """

    def forward(self, feats):
        """Normalises.

        Arguments
        ---------
        feats : torch.Tensor
            Shape [B, C] or [B, C, T]; every rank has at least one clip.

        Returns
        -------
        torch.Tensor
            As ``feats``.
        """
        if not self.training or n_ranks() == 1:
            return super().forward(feats)
        x = feats.float()
        over = [d for d in range(x.dim()) if d != 1]
        shape = [-1 if d == 1 else 1 for d in range(x.dim())]
        n = x.new_tensor([x.numel() / self.num_features])
        dist.all_reduce(n)
        mean = all_reduce(x.sum(over)) / n  # [C]
        centred = x - mean.view(shape)
        variance = all_reduce(centred.square().sum(over)) / n  # [C]
        self._remember(mean, variance * n / (n - 1).clamp(min=1))
        scale = self.weight * (variance + self.eps).rsqrt()
        out = torch.addcmul(self.bias.view(shape), centred, scale.view(shape))
        return out.to(feats.dtype)

    @torch.no_grad()
    def _remember(self, mean, variance):
        """As in torch: running averages, of the unbiased variance."""
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def join_batch_norms(module):
    """Makes the batch norms in a module those of all ranks.

    Weights and statistics stay the very tensors that they were, so optimizers
    and checkpoints know them.

    Arguments
    ---------
    module : torch.nn.Module
        Changed in place; not a batch norm itself.
    """
    for name, child in module.named_children():
        if isinstance(child, torch.nn.BatchNorm1d):
            setattr(module, name, _joined(child))
        else:
            join_batch_norms(child)


def _joined(norm):
    """The same batch norm as a `RankBatchNorm`."""
    joined = RankBatchNorm(norm.num_features, norm.eps, norm.momentum)
    for name, parameter in norm.named_parameters():
        setattr(joined, name, parameter)
    for name, buffer in norm.named_buffers():
        setattr(joined, name, buffer)
    return joined.train(norm.training)
