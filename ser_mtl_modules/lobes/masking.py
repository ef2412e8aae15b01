"""Which frames are speech and which are padding: counted in one place."""

import torch


def relative_to_frames(wav_lens, n_frames):
    """Frames of each clip, from its relative length.

    Arguments
    ---------
    wav_lens : torch.Tensor
        Relative lengths in (0, 1], shape [B].
    n_frames : int
        Frames of the longest clip in the batch.

    Returns
    -------
    torch.Tensor
        Whole numbers in [1, n_frames], shape [B].

    Example
    -------
    >>> relative_to_frames(torch.tensor([1.0, 0.5, 0.001]), 10)
    tensor([10,  5,  1])
    """
    return (wav_lens * n_frames).round().long().clamp(1, n_frames)


def frame_mask(lens, n_frames):
    """True where a frame belongs to its clip.

    Arguments
    ---------
    lens : torch.Tensor
        Frames of each clip, shape [B].
    n_frames : int
        Frames of the batch.

    Returns
    -------
    torch.Tensor
        Booleans, shape [B, T].

    Example
    -------
    >>> frame_mask(torch.tensor([2, 3]), 3).int()
    tensor([[1, 1, 0],
            [1, 1, 1]], dtype=torch.int32)
    """
    return torch.arange(n_frames, device=lens.device) < lens[:, None]


def zero_padding(feats, lens):
    """Feats [B, T, D] with zeros from frame lens [B] on."""
    mask = frame_mask(lens, feats.shape[1])
    return feats.masked_fill(~mask.unsqueeze(-1), 0.0)


def masked_mean(feats, lens):
    """Mean over the frames of each clip.

    Arguments
    ---------
    feats : torch.Tensor
        Shape [B, T, D].
    lens : torch.Tensor
        Frames of each clip, shape [B].

    Returns
    -------
    torch.Tensor
        Shape [B, D].
    """
    return zero_padding(feats, lens).sum(dim=1) / lens[:, None]
