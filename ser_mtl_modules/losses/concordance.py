"""Concordance of what is predicted with what raters said, as a loss."""

import torch


def concordance_loss(predictions, targets):
    """One minus Lin's concordance correlation, mean over attributes.

    Lin, 1989 (https://doi.org/10.2307/2532051), of the utterances of a batch;
    variances and covariance divide by n, as there::

        CCC = 2 cov(x, y) / (var(x) + var(y) + (mean(x) - mean(y))^2)

    An attribute takes part if two utterances or more have a label of it.

    Arguments
    ---------
    predictions : torch.Tensor
        Shape [B, A], of A attributes.
    targets : torch.Tensor
        Shape [B, A], on the same scale; NaN where unknown.

    Returns
    -------
    torch.Tensor
        A scalar in [0, 2]; 0 and connected to the graph where no attribute
        takes part.

    Example
    -------
    >>> rated = torch.tensor([[1.0], [2.0], [4.0]])
    >>> (
    ...     concordance_loss(rated, rated) < 1e-6,
    ...     concordance_loss(-rated, rated) > 1,
    ... )
    (tensor(True), tensor(True))
    """
    known = targets.isfinite()  # [B, A]
    losses = []
    for x, y, mine in zip(predictions.float().T, targets.float().T, known.T):
        if mine.sum() < 2:
            continue
        x, y = x[mine], y[mine]
        dx, dy, apart = x - x.mean(), y - y.mean(), x.mean() - y.mean()
        spread = dx.square().mean() + dy.square().mean() + apart.square()
        # the floor is for predictions and labels that are all one number
        ccc = 2 * (dx * dy).mean() / spread.clamp(min=1e-8)
        losses.append(1 - ccc)
    if not losses:
        return predictions.sum() * 0.0
    return torch.stack(losses).mean()
