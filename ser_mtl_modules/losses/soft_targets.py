"""Labels of mixed clips."""

import torch.nn.functional as F


def mix_targets(labels, shares, n_classes):
    """Distributions over classes, of clips that were mixed.

    Arguments
    ---------
    labels : torch.Tensor
        Class indices of the clips before mixing, shape [B]; -1 where unknown.
        Or distributions, shape [B, C]; rows of 0 where unknown.
    shares : torch.Tensor
        How much of each clip's label belongs to each mixed clip, shape
        [n, B] for n mixed clips; rows sum to 1.
    n_classes : int
        C.

    Returns
    -------
    torch.Tensor
        Shape [n, C]. Rows sum to 1, or to 0 where any part is unknown.

    Example
    -------
    >>> import torch
    >>> shares = torch.tensor([[0.75, 0.25], [0.0, 1.0]])
    >>> mix_targets(torch.tensor([2, 0]), shares, 3)
    tensor([[0.2500, 0.0000, 0.7500],
            [1.0000, 0.0000, 0.0000]])
    """
    if labels.dim() == 1:
        known = (labels >= 0).to(shares)
        hard = F.one_hot(labels.clamp(min=0), n_classes).to(shares)
        parts = hard * known[:, None]
    else:
        known = (labels.sum(dim=1) > 0).to(shares)
        parts = labels.to(shares)
    whole = (shares @ (1 - known) == 0).to(shares)
    return (shares @ parts) * whole[:, None]


def main_class(targets):
    """The class that most of each clip belongs to.

    Arguments
    ---------
    targets : torch.Tensor
        Class indices, shape [B], which stay as they are; or distributions,
        shape [B, C].

    Returns
    -------
    torch.Tensor
        Class indices, shape [B]; -1 where unknown.

    Example
    -------
    >>> import torch
    >>> main_class(torch.tensor([[0.3, 0.7], [0.0, 0.0]])).tolist()
    [1, -1]
    """
    if targets.dim() == 1:
        return targets
    return targets.argmax(dim=1).where(targets.sum(dim=1) > 0, -1)
