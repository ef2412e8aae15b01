"""Adversarial attacks: the smallest change that makes a model err.

White box, on the loss of the true class, in a ball of the L-infinity norm.
What is attacked, waves or log-mels, is up to the caller.
"""

import torch

from ser_mtl_modules.randomness import generator


class SignedGradient:
    """FGSM, BIM and PGD: steps along the sign of the gradient.

    FGSM (Goodfellow et al., 2015, https://arxiv.org/abs/1412.6572) is one step
    to the edge of the ball; BIM (Kurakin et al., 2017,
    https://arxiv.org/abs/1607.02533) takes many short ones and stays in the
    ball; PGD (Madry et al., 2018, https://arxiv.org/abs/1706.06083) starts
    anywhere in it. Of several steps the one that hurts a clip most counts.

    Arguments
    ---------
    kind : str
        What it is called; part of what the start depends on.
    epsilon : float
        Radius of the ball, in the caller's unit.
    steps : int
        How many.
    step : float
        How long, as a share of epsilon.
    random_start : bool
        As in PGD.
    seed : int
        Of the start.

    Example
    -------
    >>> def loss(x):
    ...     return x.square().sum(dim=1)
    >>> x = torch.tensor([[1.0, -2.0]])
    >>> SignedGradient("FGSM", 0.5)(loss, x, torch.ones(1, 1), ["a clip"])
    tensor([[ 1.5000, -2.5000]])
    """

    def __init__(
        self, kind, epsilon, steps=1, step=1.0, random_start=False, seed=0
    ):
        self.kind = kind
        self.epsilon = epsilon
        self.steps = steps
        self.step = step
        self.random_start = random_start
        self.seed = seed

    def __call__(self, loss, clean, unit, utterances):
        """Looks for a worse input near the clean one.

        Arguments
        ---------
        loss : callable
            ``loss(x)`` gives that of each clip, shape [B].
        clean : torch.Tensor
            Shape [B, ...], time before all other dimensions.
        unit : torch.Tensor
            Of epsilon, for each clip and position, of a shape that goes with
            ``clean``; 0 where nothing may change, as in padding.
        utterances : list of str
            Of the clips.

        Returns
        -------
        torch.Tensor
            As ``clean``, within ``epsilon * unit`` of it.
        """
        radius = (self.epsilon * unit).expand_as(clean)
        change = torch.zeros_like(clean)
        if self.random_start:
            change = radius * self._starts(clean, utterances)
        if self.steps == 1:
            _, gradient = _loss_and_gradient(loss, clean + change)
            return clean + self._moved(change, gradient, radius)
        worst = torch.full(clean.shape[:1], -torch.inf, device=clean.device)
        kept = change
        for i in range(self.steps):
            losses, gradient = _loss_and_gradient(loss, clean + change)
            worst, kept = _worse(worst, kept, losses, change)
            change = self._moved(change, gradient, radius)
        with torch.no_grad():
            losses = loss(clean + change)
        _, kept = _worse(worst, kept, losses, change)
        return clean + kept

    def _starts(self, clean, utterances):
        """Uniform in [-1, 1], each clip's its own, whatever the padding."""
        starts = [
            torch.rand(
                clean.shape[1:],
                generator=generator(self.seed, self.kind, utterance),
            )
            for utterance in utterances
        ]
        return 2 * torch.stack(starts).to(clean.device) - 1

    def _moved(self, change, gradient, radius):
        change = change + self.step * radius * gradient.sign()
        return change.minimum(radius).maximum(-radius)


def _loss_and_gradient(loss, x):
    x = x.detach().requires_grad_()
    # cuDNN has no gradient for a recurrent network in eval mode
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        losses = loss(x)
        (gradient,) = torch.autograd.grad(losses.sum(), x)
    return losses.detach(), gradient


def _worse(worst, kept, losses, change):
    """The higher loss of each clip, and the change that it comes from."""
    higher = losses > worst
    where = higher.view(-1, *[1] * (change.ndim - 1))
    return losses.maximum(worst), torch.where(where, change, kept)
