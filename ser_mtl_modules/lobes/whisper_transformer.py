"""Whisper's encoder, on as many frames as a clip has."""

import torch
import torch.nn.functional as F
from transformers import WhisperFeatureExtractor
from transformers.masking_utils import create_bidirectional_mask

from ser_mtl_modules.lobes.masking import frame_mask, zero_padding


class LogMels(torch.nn.Module):
    """Log-mels as ``WhisperFeatureExtractor`` makes them, on any device.

    Its maximum over 30 s becomes the maximum over the clip's own frames. As
    there, a clip begins with its mirror image and silence follows it, and the
    last frame is one whose hop lies within the clip.

    Arguments
    ---------
    extractor : transformers.WhisperFeatureExtractor
        Says the sizes and has the filters.
    """

    def __init__(self, extractor):
        super().__init__()
        self.n_fft = extractor.n_fft
        self.hop = extractor.hop_length
        filters = torch.tensor(extractor.mel_filters, dtype=torch.float32)
        # both follow from the settings: no part of a checkpoint
        self.register_buffer("filters", filters, persistent=False)  # [F, M]
        window = torch.hann_window(self.n_fft)
        self.register_buffer("window", window, persistent=False)

    def n_frames(self, n_samples):
        """Frames of clips of so many samples [B]."""
        return (n_samples // self.hop).clamp(min=1)

    def forward(self, wavs, n_samples):
        """Waves [B, N], zero in the padding, and samples of each clip [B].

        Returns log-mels [B, T, M], zero where there is padding, and frames of
        each clip [B].
        """
        wavs = F.pad(wavs, (0, max(0, self.n_fft - wavs.shape[1])))
        # the mirror image at the row's end would not be there in a longer row
        wavs = F.pad(wavs[:, None], (self.n_fft // 2, 0), "reflect")[:, 0]
        wavs = F.pad(wavs, (0, self.n_fft // 2))
        with torch.autocast(wavs.device.type, enabled=False):
            spectra = torch.stft(
                wavs.float(),
                self.n_fft,
                self.hop,
                window=self.window,
                center=False,
                return_complex=True,
            )
            power = spectra[..., :-1].abs().square().transpose(1, 2)
            logmels = (power @ self.filters).clamp(min=1e-10).log10()
        lens = self.n_frames(n_samples)
        padding = ~frame_mask(lens, logmels.shape[1])[..., None]  # [B, T, 1]
        loudest = logmels.masked_fill(padding, -torch.inf).amax((1, 2))
        logmels = logmels.maximum(loudest[:, None, None] - 8)  # 80 dB
        return ((logmels + 4) / 4).masked_fill(padding, 0.0), lens


class WhisperConvolutions(torch.nn.Module):
    """From waves to frames: log-mels and two convolutions.

    Arguments
    ---------
    encoder : transformers' WhisperEncoder
        Has the convolutions.
    logmels : LogMels
        Come before them.
    """

    def __init__(self, encoder, logmels):
        super().__init__()
        self.logmels = logmels
        self.conv1 = encoder.conv1
        self.conv2 = encoder.conv2
        self.stride = logmels.hop * encoder.conv2.stride[0]  # samples

    def n_frames(self, n_samples):
        """Frames of clips of so many samples [B], before padding."""
        return (self.logmels.n_frames(n_samples) - 1) // 2 + 1

    def forward(self, wavs, n_samples):
        """Waves [B, N], zero in the padding, and samples of each clip [B].

        Returns features [B, T, D] and frames of each clip [B].
        """
        feats, lens = self.logmels(wavs, n_samples)
        feats = F.gelu(self.conv1(feats.transpose(1, 2))).transpose(1, 2)
        feats = zero_padding(feats, lens).transpose(1, 2)
        feats = F.gelu(self.conv2(feats)).transpose(1, 2)
        return feats, self.n_frames(n_samples)


class WhisperTransformer(torch.nn.Module):
    """The parts of Whisper's encoder, with the methods of `WaveTransformer`.

    transformers' own ``forward`` takes 30 s and nothing else; the convolutions,
    positions and layers also work on a part of that, at a part of the price.

    Arguments
    ---------
    model : transformers.WhisperModel
        As `load_model` gives it.
    settings : dict or None
        Of its feature extractor; None takes Whisper's own.
    """

    parts = ("encoder.",)

    def __init__(self, model, settings):
        super().__init__()
        encoder, config = model.get_encoder(), model.config
        extractor = WhisperFeatureExtractor.from_dict(
            settings or {"feature_size": config.num_mel_bins}
        )
        self.config = config
        self.cnn = WhisperConvolutions(encoder, LogMels(extractor))
        self.position_embeddings = encoder.embed_positions
        self.dropout = torch.nn.Dropout(config.dropout)
        self.layers = encoder.layers
        self.last_norm = encoder.layer_norm
        self.size = config.d_model
        self.sample_rate = extractor.sampling_rate  # Hz
        self.frame_rate = self.sample_rate / self.cnn.stride  # Hz
        self.max_samples = config.max_source_positions * self.cnn.stride

    def embed(self, feats, lens):
        """As `WaveTransformer.embed`: adds the positions."""
        positions = self.position_embeddings.weight[: feats.shape[1]]
        return zero_padding(self.dropout(feats + positions), lens)

    def layer_arguments(self, hidden, lens):
        """As `WaveTransformer.layer_arguments`: the mask."""
        mask = frame_mask(lens, hidden.shape[1])
        return (create_bidirectional_mask(self.config, hidden, mask),)

    def apply_layer(self, layer, hidden, mask):
        """As `WaveTransformer.apply_layer`."""
        return layer(hidden, mask)
