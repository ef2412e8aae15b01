"""One batch of all ranks' batches, through which gradients flow."""

import torch
import torch.distributed as dist
import torch.nn.functional as F

from ser_mtl_modules.ranks import n_ranks, rank


def gather(batch):
    """Joins the batches of all ranks, in the order of the ranks.

    Every rank gets the same, so a loss of it is the same on every rank and is
    that of one process with all the clips: also where it is no mean over
    clips, as a contrast between all of them, or a mean by class weights.

    Gradients are those that DDP wants, which averages them over the ranks.
    What this rank gave gets N times the gradient, for N ranks, as only this
    rank passes it on to the weights before; weights that come after have the
    whole gradient on every rank. The mean over the ranks of either is the
    gradient of one process. (A sum over all ranks' gradients, as the transpose
    of gathering has it, is the same here, for all have the same loss.)

    Arguments
    ---------
    batch : torch.Tensor, None, or a tuple, named tuple or dict of such
        Tensors have the clips first, as many as the rank has, and else any
        sizes; what is smaller than another rank's is padded with zeros at the
        end. Structure, numbers of dimensions and types are those of all ranks.

    Returns
    -------
    batch
        Of the same structure.
    """
    tensors = list(_tensors(batch))
    gathered = iter(_gather_all(tensors))
    return _rebuilt(batch, gathered)


def _tensors(batch):
    """The tensors in a structure, one after the other."""
    if torch.is_tensor(batch):
        yield batch
    elif batch is not None:
        parts = batch.values() if isinstance(batch, dict) else batch
        for part in parts:
            yield from _tensors(part)


def _rebuilt(batch, tensors):
    """The structure with other tensors in it."""
    if torch.is_tensor(batch):
        return next(tensors)
    if batch is None:
        return None
    if isinstance(batch, dict):
        return {k: _rebuilt(part, tensors) for k, part in batch.items()}
    parts = [_rebuilt(part, tensors) for part in batch]
    named = hasattr(batch, "_fields")
    return type(batch)(*parts) if named else tuple(parts)


def _gather_all(tensors):
    """Each tensor of all ranks."""
    shapes = _shapes(tensors)
    return [_Gather.apply(t, s) for t, s in zip(tensors, shapes)]


def _shapes(tensors):
    """Of each tensor its shape on every rank; all of them in one message."""
    sizes = [size for tensor in tensors for size in tensor.shape]
    sizes = torch.tensor(sizes, device=tensors[0].device)
    of_ranks = [torch.empty_like(sizes) for _ in range(n_ranks())]
    dist.all_gather(of_ranks, sizes)
    n_dims = [tensor.dim() for tensor in tensors]
    by_rank = [sizes.cpu().split(n_dims) for sizes in of_ranks]
    return [[s.tolist() for s in shapes] for shapes in zip(*by_rank)]


class _Gather(torch.autograd.Function):
    """Clips [B, ...] of all ranks, given the shapes that they have there."""

    @staticmethod
    def forward(ctx, tensor, shapes):
        ctx.shapes = shapes
        largest = [max(sizes) for sizes in zip(*shapes)]
        tensor = _padded(tensor.contiguous(), largest)
        parts = [torch.empty_like(tensor) for _ in shapes]
        dist.all_gather(parts, tensor)
        return torch.cat([p[: shape[0]] for p, shape in zip(parts, shapes)])

    @staticmethod
    def backward(ctx, gradient):
        sizes = [shape[0] for shape in ctx.shapes]
        own = gradient.split(sizes)[rank()]
        own = own[tuple(slice(size) for size in ctx.shapes[rank()])]
        return len(sizes) * own, None


def _padded(tensor, sizes):
    """A tensor with zeros behind it in each dimension, up to these sizes."""
    missing = [
        size - n for n, size in zip(reversed(tensor.shape), reversed(sizes))
    ]
    return F.pad(tensor, [n for m in missing for n in (0, m)])
