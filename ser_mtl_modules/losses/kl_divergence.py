"""How far predictions are from the soft labels of mixed clips."""

import torch
import torch.nn.functional as F


class KLDivergence(torch.nn.Module):
    """KL divergence of the prediction from the label, mean over utterances.

    With p the softmax of the logits and y the label's distribution::

        L = 1/B sum_b sum_c y_bc (log y_bc - log p_bc),    0 log 0 = 0

    It is cross-entropy less the entropy of the label, which is constant: the
    gradient is cross-entropy's, and the value is 0 where p is y. Of hard
    labels it is cross-entropy itself.

    Example
    -------
    >>> y = torch.tensor([[0.75, 0.25, 0.0]])
    >>> loss = KLDivergence()
    >>> loss(torch.tensor([[3.0, 1.0, 1e-9]]).log(), y) < 1e-6
    tensor(True)
    """

    def forward(self, logits, targets):
        """Computes the loss of a batch.

        Arguments
        ---------
        logits : torch.Tensor
            Shape [B, C].
        targets : torch.Tensor
            Class indices, shape [B], with -1 where unknown; or distributions,
            shape [B, C], whose rows sum to 1, or to 0 where unknown.

        Returns
        -------
        torch.Tensor
            A scalar over the utterances that are known, 0 and connected to
            the graph without any.
        """
        if targets.dim() == 1:
            known = (targets >= 0).float()
            soft = F.one_hot(targets.clamp(min=0), logits.shape[1])
            soft = soft * known[:, None]
        else:
            soft = targets.float()
        log_p = logits.float().log_softmax(dim=1)
        # not soft * soft.log(), which is NaN at 0
        total = (torch.xlogy(soft, soft) - soft * log_p).sum()
        return total / (soft.sum(dim=1) > 0).sum().clamp(min=1)
