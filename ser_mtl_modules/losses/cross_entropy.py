"""Cross-entropy over the utterances that have a label, and its focal form."""

import torch
import torch.nn.functional as F


class CrossEntropy(torch.nn.Module):
    """Cross-entropy with class weights, focal factor and label smoothing.

    With the defaults it is torch's own. ``weighting="inverse"`` weighs class c
    by n / (C n_c) and divides by the sum of the weights in the batch, as the
    baseline of the MSP-Podcast challenge does. ``gamma`` is that of Lin et
    al., 2017 (https://arxiv.org/abs/1708.02002), eq. 4.

    Arguments
    ---------
    class_counts : list of int
        Clips per class in the train set. Only needed for weights.
    weighting : str
        ``"inverse"`` or ``"none"``.
    gamma : float
        Focal exponent; 0 for none, 2 is the value Lin et al. found best.
    label_smoothing : float
        Share of the target that is spread over all classes.

    Example
    -------
    >>> loss = CrossEntropy()
    >>> logits = torch.tensor([[2.0, 0.0], [0.0, 2.0]])
    >>> loss(logits, torch.tensor([0, -1])) == loss(
    ...     logits[:1], torch.tensor([0])
    ... )
    tensor(True)
    """

    def __init__(
        self,
        class_counts=None,
        weighting="none",
        gamma=0.0,
        label_smoothing=0.0,
    ):
        super().__init__()
        if weighting not in ("inverse", "none"):
            raise ValueError(f"weighting {weighting}: 'inverse' or 'none'")
        self.gamma = gamma
        self.label_smoothing = label_smoothing
        weights = None
        if weighting == "inverse":
            counts = torch.tensor(class_counts, dtype=torch.float)
            weights = counts.sum() / (len(counts) * counts.clamp(min=1))
            weights = weights * (counts > 0)
        self.register_buffer("class_weights", weights)

    def forward(self, logits, targets):
        """Computes the loss of a batch.

        Arguments
        ---------
        logits : torch.Tensor
            Shape [B, C].
        targets : torch.Tensor
            Class indices, shape [B], with -1 where unknown; or soft labels,
            shape [B, C], whose rows sum to 1, or to 0 where unknown.

        Returns
        -------
        torch.Tensor
            A scalar, 0 and connected to the graph without any label that
            has a weight.
        """
        if targets.dim() == 1:
            known = targets >= 0
            soft = F.one_hot(targets[known], logits.shape[1]).float()
        else:
            known = targets.sum(dim=1) > 0
            soft = targets[known].float()
        # a hard target weighs its class, a soft one its mixture of classes
        weights = soft.new_ones(soft.shape[1])
        if self.class_weights is not None:
            weights = self.class_weights
        total = (soft @ weights).sum()
        if total == 0:  # no label, or only those that train doesn't have
            return logits.sum() * 0.0
        log_p = logits[known].float().log_softmax(dim=1)
        smooth = self.label_smoothing
        soft = (1 - smooth) * soft + smooth / soft.shape[1]
        focal = (1 - log_p.exp()).clamp(min=1e-6) ** self.gamma
        return -(soft * weights * focal * log_p).sum() / total
