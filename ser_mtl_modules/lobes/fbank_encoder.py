"""An encoder of log-mels that needs no pre-trained weights."""

import torch
import torch.nn.functional as F

from ser_mtl_modules.lobes.logmels import LogMels
from ser_mtl_modules.lobes.masking import frame_mask, masked_mean


class MaskedBatchNorm(torch.nn.Module):
    """Batch norm whose statistics see the frames of clips, not their padding.

    Arguments
    ---------
    n_channels : int
        C.

    Example
    -------
    >>> norm = MaskedBatchNorm(2)
    >>> feats = torch.randn(3, 4, 5, 2)
    >>> mask = frame_mask(torch.tensor([4, 2, 1]), 4)
    >>> out = norm(feats, mask)
    >>> torch.allclose(out[mask].mean(dim=(0, 1)), torch.zeros(2), atol=1e-6)
    True
    >>> out[~mask].any().item()
    False
    """

    def __init__(self, n_channels):
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(n_channels)

    def forward(self, feats, mask):
        """Normalises the last dimension.

        Arguments
        ---------
        feats : torch.Tensor
            Shape [B, T, ..., C].
        mask : torch.Tensor
            True where a frame belongs to its clip, shape [B, T].

        Returns
        -------
        torch.Tensor
            As ``feats``, zero where there is padding.
        """
        shape = feats.shape
        feats = feats.reshape(mask.numel(), -1, shape[-1])  # [B T, ..., C]
        if not self.training:  # no statistics are taken
            padding = ~mask.flatten()[:, None, None]
            return self._normalise(feats).masked_fill(padding, 0.0).view(shape)
        if mask.all():
            return self._normalise(feats).view(shape)
        where = mask.flatten().nonzero().squeeze(1)
        valid = self._normalise(feats.index_select(0, where))
        return torch.zeros_like(feats).index_copy(0, where, valid).view(shape)

    def _normalise(self, valid):
        """Batch norm of [frames, ..., C] over all but the last dimension."""
        return self.norm(valid.flatten(0, -2)).view_as(valid)


def _no_graph_unless_wanted(tensor):
    """Nothing is trained up to here; an attack wants a gradient all the same."""
    wanted = torch.is_grad_enabled() and tensor.requires_grad
    return torch.set_grad_enabled(wanted)


class ConvBlock(torch.nn.Module):
    """3x3 convolution over time and frequency, batch norm, ReLU.

    Arguments
    ---------
    in_channels : int
        Of the input.
    out_channels : int
        Of the output.
    stride : tuple of int
        Over time and over frequency.
    """

    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.stride = stride
        self.conv = torch.nn.Conv2d(
            in_channels, out_channels, 3, stride, padding=1, bias=False
        )
        self.norm = MaskedBatchNorm(out_channels)

    def forward(self, feats, lens):
        """Convolves a batch.

        Arguments
        ---------
        feats : torch.Tensor
            Shape [B, T, M, C], zero where there is padding.
        lens : torch.Tensor
            Frames of each clip, shape [B].

        Returns
        -------
        tuple of torch.Tensor
            Features [B, T', M', C'], zero where there is padding, and frames
            of each clip.
        """
        # the permuted tensor has torch's channels-last layout: no copy
        feats = self.conv(feats.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        lens = (lens - 1) // self.stride[0] + 1
        mask = frame_mask(lens, feats.shape[1])
        return F.relu(self.norm(feats, mask)), lens


class TimeBlock(torch.nn.Module):
    """Dilated convolution over time with squeeze and excitation, residual.

    What ECAPA-TDNN (Desplanques et al., 2020) does in a block, without its
    splitting into scales: convolution, ReLU, batch norm, then a gate for each
    channel that sees the channels' means over the clip.

    Arguments
    ---------
    size : int
        D.
    kernel_size : int
        Frames that the convolution sees, odd.
    dilation : int
        Distance between them.
    dropout : float
        Before the sum.
    """

    def __init__(self, size, kernel_size, dilation, dropout):
        super().__init__()
        self.conv = torch.nn.Conv1d(
            size,
            size,
            kernel_size,
            padding=dilation * (kernel_size // 2),
            dilation=dilation,
            bias=False,
        )
        self.norm = MaskedBatchNorm(size)
        self.gate = torch.nn.Sequential(
            torch.nn.Linear(size, size // 4),
            torch.nn.ReLU(),
            torch.nn.Linear(size // 4, size),
            torch.nn.Sigmoid(),
        )
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, feats, lens):
        """Transforms feats [B, T, D] of clips of lens [B]; the same shape."""
        mask = frame_mask(lens, feats.shape[1])
        hidden = F.relu(self.conv(feats.transpose(1, 2)).transpose(1, 2))
        hidden = self.norm(hidden, mask)
        gate = self.gate(masked_mean(hidden, lens))  # [B, D]
        return feats + self.dropout(hidden * gate.unsqueeze(1))


class FbankEncoder(torch.nn.Module):
    """Log-mels, convolutions over time and frequency, blocks over time.

    The levels are what enters the first block over time and what each block
    gives. Padding takes no part: frames are counted as the STFT counts them,
    batch norms see clips alone, and every convolution gets zeros outside.

    Log-mels enter as three channels, in units of 10 dB: as they are (loudness
    counts), less the clip's mean (loudness is gone), and less the clip's mean
    in each band (the channel and the long-term spectrum are gone). Each window
    gives three: a short one sees when something happens, a long one tells the
    harmonics of a low voice apart.

    Arguments
    ---------
    n_mels : int
        Bands.
    sample_rate : int
        Of the waves, in Hz.
    windows : list of float
        Of the STFTs, in ms; their hop is 10 ms.
    channels : list of int
        Of the convolutions; the first and the last halve time, each halves
        frequency.
    size : int
        D of the levels.
    n_blocks : int
        Blocks over time; one level more than that comes out.
    kernel_size : int
        Of the blocks, in frames of 40 ms; the n-th one is dilated by n.
    dropout : float
        In the blocks.
    warp : callable, optional
        Changes log-mels [B, T, M] in dB in training.
    mask : list of callable
        Change a tensor of ones [B, T, M] in training, by which each channel is
        multiplied: SpeechBrain's ``SpectrogramDrop``, say.

    Example
    -------
    >>> encoder = FbankEncoder(size=16, channels=[4, 8], n_blocks=2).eval()
    >>> levels, lens = encoder(torch.randn(2, 16000), torch.tensor([1.0, 0.5]))
    >>> levels.shape, lens.tolist()
    (torch.Size([3, 2, 26, 16]), [26, 13])
    """

    STEP = 32  # frames of 10 ms, to a multiple of which training pads

    def __init__(
        self,
        n_mels=80,
        sample_rate=16000,
        windows=(25,),
        channels=(24, 48),
        size=192,
        n_blocks=3,
        kernel_size=3,
        dropout=0.15,
        warp=None,
        mask=(),
    ):
        super().__init__()
        self.sample_rate = sample_rate
        self.fbanks = LogMels(n_mels, sample_rate, windows)
        self.warp = warp
        self.mask = torch.nn.ModuleList(mask)
        strides = [(2, 2)] + [(1, 2)] * (len(channels) - 2) + [(2, 2)]
        self.convs = torch.nn.ModuleList()
        n_bands, previous = n_mels, 3 * len(windows)
        for n, stride in zip(channels, strides):
            self.convs.append(ConvBlock(previous, n, stride))
            n_bands, previous = (n_bands - 1) // 2 + 1, n
        self.project = torch.nn.Linear(n_bands * previous, size)
        self.norm = MaskedBatchNorm(size)
        self.blocks = torch.nn.ModuleList(
            TimeBlock(size, kernel_size, 1 + i, dropout)
            for i in range(n_blocks)
        )
        self.n_levels = n_blocks + 1
        self.output_size = size
        self.frame_rate = 25.0  # Hz

    def logmels(self, wavs, wav_lens):
        """Log-mels of each window.

        Arguments
        ---------
        wavs : torch.Tensor
            Shape [B, N].
        wav_lens : torch.Tensor
            Relative lengths in (0, 1], shape [B].

        Returns
        -------
        tuple of torch.Tensor
            Log-mels [B, T, W, M] in dB, and frames of each clip [B].
        """
        with _no_graph_unless_wanted(wavs):
            logmels, lens = self.fbanks(wavs, wav_lens)  # [B, W, T, M]
        return logmels.transpose(1, 2), lens

    def features(self, wavs, wav_lens):
        """Three channels of log-mels for each window.

        Arguments
        ---------
        wavs : torch.Tensor
            Shape [B, N].
        wav_lens : torch.Tensor
            Relative lengths in (0, 1], shape [B].

        Returns
        -------
        tuple of torch.Tensor
            Features [B, T, M, C], zero where there is padding, and frames of
            each clip [B].
        """
        logmels, lens = self.logmels(wavs, wav_lens)
        return self.channels(logmels, lens), lens

    def channels(self, logmels, lens):
        """Those that `features` makes of log-mels.

        Arguments
        ---------
        logmels : torch.Tensor
            Shape [B, T, W, M], in dB.
        lens : torch.Tensor
            Frames of each clip, shape [B].

        Returns
        -------
        torch.Tensor
            Shape [B, T, M, C], zero where there is padding.
        """
        with _no_graph_unless_wanted(logmels):
            logmels = logmels.transpose(1, 2)
            mask = frame_mask(lens, logmels.shape[2])[:, None, :, None]
            if self.training and self.warp is not None:
                # all windows hear the same voice
                logmels = self.warp(logmels.flatten(1, 2)).view_as(logmels)
            bands = (logmels * mask).sum(2, keepdim=True)
            bands = bands / lens[:, None, None, None]
            feats = torch.stack(
                [
                    logmels + 30,
                    logmels - bands.mean(3, keepdim=True),
                    logmels - bands,
                ],
                dim=-1,
            )
            keep = mask / 10  # in units of 10 dB
            if self.training:
                ones = torch.ones_like(logmels[:, 0])  # masks change it
                for drop in self.mask:
                    ones = drop(ones)
                keep = keep * ones.unsqueeze(1)
            feats = feats * keep.unsqueeze(-1)  # [B, W, T, M, 3]
            return feats.permute(0, 2, 3, 1, 4).flatten(3)

    def forward(self, wavs, wav_lens):
        """Encodes a batch of waves.

        Arguments
        ---------
        wavs : torch.Tensor
            Shape [B, N].
        wav_lens : torch.Tensor
            Relative lengths in (0, 1], shape [B].

        Returns
        -------
        tuple of torch.Tensor
            Levels [L, B, T, D], zero where there is padding, and frames of
            each clip [B].
        """
        with torch.autocast(wavs.device.type, enabled=False):
            logmels, lens = self.logmels(wavs, wav_lens)
        return self.of_logmels(logmels, lens)

    def of_logmels(self, logmels, lens):
        """Levels of what `logmels` gives, as `forward` gives them."""
        with torch.autocast(logmels.device.type, enabled=False):
            feats = self.channels(logmels, lens)
        if self.training:
            # oneDNN makes kernels for each new shape, which takes a good part
            # of a step; so there are a few shapes only
            feats = F.pad(feats, (0, 0, 0, 0, 0, -feats.shape[1] % self.STEP))
        feats = feats.contiguous()  # channels last: convolutions are faster
        for conv in self.convs:
            feats, lens = conv(feats, lens)
        feats = F.relu(self.project(feats.flatten(2)))  # [B, T, D]
        levels = [self.norm(feats, frame_mask(lens, feats.shape[1]))]
        for block in self.blocks:
            levels.append(block(levels[-1], lens))
        return torch.stack(levels), lens
