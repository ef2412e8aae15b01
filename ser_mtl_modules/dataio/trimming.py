"""Silence before and after speech."""


def trim_silence(wave, sample_rate, range_db=35.0, margin=0.1):
    """Cuts away what is quiet before the first and after the last speech.

    A frame of 25 ms is speech if its energy is within ``range_db`` of the
    clip's loudest frame, so a clip's level does not matter.

    Arguments
    ---------
    wave : torch.Tensor
        Shape [n_samples].
    sample_rate : int
        In Hz.
    range_db : float
        Between the loudest frame and the quietest one that counts, in dB.
    margin : float
        Seconds kept before and after.

    Returns
    -------
    torch.Tensor
        A part of the wave; all of it where there is no frame or no sound.

    Example
    -------
    >>> import torch
    >>> tone = torch.sin(torch.arange(16000) / 5)
    >>> wave = torch.cat([torch.zeros(32000), tone, torch.zeros(16000)])
    >>> round(len(trim_silence(wave, 16000)) / 16000, 1)
    1.2
    """
    size, hop = sample_rate // 40, sample_rate // 100
    if len(wave) < size or not wave.any():
        return wave
    energies = wave.unfold(0, size, hop).square().mean(dim=1)  # [frames]
    speech = energies > energies.max() * 10 ** (-range_db / 10)
    frames = speech.nonzero().flatten()
    if not len(frames):  # all there is to hear is after the last whole frame
        return wave
    extra = round(margin * sample_rate)
    first = max(frames[0].item() * hop - extra, 0)
    last = frames[-1].item() * hop + size + extra
    return wave[first:last]
