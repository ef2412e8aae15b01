"""Sample-weighted focal contrastive loss (SWFC)."""

import torch
import torch.nn.functional as F


class SampleWeightedFocalContrastive(torch.nn.Module):
    """Draws the utterances of a class together, hard pairs and rare classes more.

    Shi and Huang, 2023 (MultiEMO), as their code computes it; the paper of the
    method (https://arxiv.org/abs/2508.17878) names the loss without a formula
    that we could read. With z on the unit sphere, P(i) the other utterances of
    i's class, and n_c the clips of class c in train::

        p_ij = exp(z_i.z_j / tau) / sum over k != i of exp(z_i.z_k / tau)
        w_c  = (n / n_c)^alpha / sum over classes of (n / n_c)^alpha
        L    = -1/B sum_i w_{y_i} / |P(i)| sum_{j in P(i)} (1 - p_ij)^gamma log p_ij

    Easy to get wrong: the focal factor is not detached; the sum over anchors
    is divided by B, also where an anchor has no positive; the class weights
    sum to one, so with C classes the loss is about C times smaller than
    supervised contrastive loss, which it is for alpha = gamma = 0 up to that.

    Arguments
    ---------
    class_counts : list of int
        Clips per class in the train set. A class without any weighs nothing.
    temperature : float
        tau.
    gamma : float
        Focal exponent, 0 for none.
    alpha : float
        Exponent of the class weights, 0 for equal ones.

    Example
    -------
    >>> loss = SampleWeightedFocalContrastive([4, 4], gamma=0.0, alpha=0.0)
    >>> same = torch.ones(2, 3)  # the only pair is a positive one: p = 1
    >>> loss(same, torch.tensor([1, 1]))
    tensor(0.)
    """

    def __init__(self, class_counts, temperature=0.8, gamma=2.0, alpha=0.8):
        super().__init__()
        self.temperature = temperature
        self.gamma = gamma
        counts = torch.tensor(class_counts, dtype=torch.float)
        weights = (counts.sum() / counts.clamp(min=1)) ** alpha * (counts > 0)
        self.register_buffer("class_weights", weights / weights.sum())

    def forward(self, embeddings, labels):
        """Computes the loss of a batch.

        Arguments
        ---------
        embeddings : torch.Tensor
            Shape [B, D], of any norm: they are put on the unit sphere here.
        labels : torch.Tensor
            Class indices, shape [B]; -1 where unknown, which leaves the
            utterance out.

        Returns
        -------
        torch.Tensor
            A scalar, 0 and connected to the graph without any positive pair.
        """
        known = labels >= 0
        embeddings, labels = embeddings[known].float(), labels[known]
        if len(labels) < 2:
            return embeddings.sum() * 0.0
        z = F.normalize(embeddings, dim=-1, eps=1e-6)
        itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
        positive = (labels[:, None] == labels) & ~itself  # [B, B]
        logits = (z @ z.T / self.temperature).masked_fill(itself, -torch.inf)
        # -inf on the diagonal times 0 would be NaN, hence the second fill
        log_p = logits.log_softmax(dim=1).masked_fill(itself, 0.0)
        # the clamp keeps the slope finite where p is 1 and gamma below 1
        focal = (1 - log_p.exp()).clamp(min=1e-6) ** self.gamma
        n_positives = positive.sum(dim=1).clamp(min=1)
        per_anchor = -(focal * log_p * positive).sum(dim=1) / n_positives
        return (self.class_weights[labels] * per_anchor).sum() / len(z)
