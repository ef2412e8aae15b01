"""What a whole clip says, told to each of its frames."""

from ser_mtl_modules.lobes.masking import masked_mean, zero_padding


def broadcast_context(feats, lens):
    """Half of each frame, half of the mean over its clip.

    Hyeon-Woo et al., 2022 (https://arxiv.org/abs/2210.08457). The mean over
    the clip stays the same.

    Arguments
    ---------
    feats : torch.Tensor
        Shape [B, T, D].
    lens : torch.Tensor
        Frames of each clip, shape [B].

    Returns
    -------
    torch.Tensor
        Shape [B, T, D], zero where there is padding.

    Example
    -------
    >>> import torch
    >>> feats = torch.tensor([[[1.0], [3.0], [9.0]]])
    >>> broadcast_context(feats, torch.tensor([2])).flatten().tolist()
    [1.5, 2.5, 0.0]
    """
    mean = masked_mean(feats, lens).unsqueeze(1)  # [B, 1, D]
    return zero_padding(0.5 * feats + 0.5 * mean, lens)
