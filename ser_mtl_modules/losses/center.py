"""Center loss."""

import torch


class CenterLoss(torch.nn.Module):
    """Draws each utterance to the center of its class, and centers to them.

    Wen et al., 2016, in the form of the code that the multi-loss method
    (https://arxiv.org/abs/2512.04551) builds on: without the factor 1/2 and
    with centers that are learned by gradients, under an optimizer of their
    own::

        L = 1/B sum_b || f_b - c_{y_b} ||^2

    A center whose class is not in the batch gets no gradient, though Adam's
    momentum may still move it.

    Arguments
    ---------
    classes : list of str
        Names; how many there are is what counts.
    size : int
        E of the embeddings.

    Example
    -------
    >>> loss = CenterLoss(["calm", "sad"], 3)
    >>> loss(loss.centers[[1, 0, 1]], torch.tensor([1, 0, 1])).item()
    0.0
    """

    def __init__(self, classes, size):
        super().__init__()
        self.centers = torch.nn.Parameter(torch.randn(len(classes), size))

    def forward(self, embeddings, labels):
        """Computes the loss of a batch.

        Arguments
        ---------
        embeddings : torch.Tensor
            Shape [B, E].
        labels : torch.Tensor
            Class indices, shape [B]; -1 where unknown, which leaves the
            utterance out.

        Returns
        -------
        torch.Tensor
            A scalar, 0 and connected to the graph without any label.
        """
        known = labels >= 0
        offsets = embeddings[known].float() - self.centers[labels[known]]
        return offsets.square().sum() / known.sum().clamp(min=1)
