"""Transformers that hear waves: wav2vec 2.0, HuBERT, data2vec-audio, WavLM.

The weights and layers are transformers' own; what is written here is the way
between them, so that padding takes no part in it. Compared with
``Wav2Vec2Model.forward`` with an attention mask, the wave is normalised over
the clip's own samples, the first convolution's norm is taken over its own
frames, and whatever looks over time finds zeros beyond its end.
"""

import logging
import math
import warnings

import torch
import torch.nn.functional as F
from transformers.masking_utils import create_bidirectional_mask

from ser_mtl_modules.lobes.masking import frame_mask, zero_padding

logger = logging.getLogger(__name__)


def normalize_waves(wavs, n_samples):
    """Mean 0 and variance 1 for each clip, over its own samples.

    As ``Wav2Vec2FeatureExtractor`` does it.

    Arguments
    ---------
    wavs : torch.Tensor
        Shape [B, N], zero where there is padding.
    n_samples : torch.Tensor
        Of each clip, shape [B].

    Returns
    -------
    torch.Tensor
        As ``wavs``.

    Example
    -------
    >>> normalize_waves(torch.tensor([[1.0, 3.0, 0.0]]), torch.tensor([2]))
    tensor([[-1.,  1.,  0.]])
    """
    mask, n = frame_mask(n_samples, wavs.shape[1]), n_samples[:, None]
    centred = wavs - wavs.sum(1, keepdim=True) / n
    centred = centred.masked_fill(~mask, 0.0)
    variance = centred.square().sum(1, keepdim=True) / n
    return centred / (variance + 1e-7).sqrt()


def masked_group_norm(feats, norm, lens):
    """A norm of each channel over the frames of each clip.

    Arguments
    ---------
    feats : torch.Tensor
        Shape [B, C, T].
    norm : torch.nn.GroupNorm
        With a group a channel.
    lens : torch.Tensor
        Frames of each clip, shape [B].

    Returns
    -------
    torch.Tensor
        Shape [B, C, T].
    """
    mask = frame_mask(lens, feats.shape[2])[:, None]  # [B, 1, T]
    n = lens[:, None, None]
    feats = feats.float().masked_fill(~mask, 0.0)
    feats = (feats - feats.sum(2, keepdim=True) / n).masked_fill(~mask, 0.0)
    variance = feats.square().sum(2, keepdim=True) / n
    scale = norm.weight[:, None] * (variance + norm.eps).rsqrt()  # [B, C, 1]
    return torch.addcmul(norm.bias[:, None], feats, scale)


class WaveConvolutions(torch.nn.Module):
    """From waves to frames: normalised waves, strided convolutions.

    The convolutions have no padding of their own: a frame of a clip sees
    nothing but its samples. A clip too short for one frame gets zeros up to
    its first.

    Arguments
    ---------
    layers : torch.nn.ModuleList
        transformers' own.
    config : transformers.PreTrainedConfig
        Of the model.
    normalize : bool
        Whether the model wants waves of variance 1.
    """

    def __init__(self, layers, config, normalize):
        super().__init__()
        self.layers = layers
        self.normalize = normalize
        # the others norm each frame by itself
        self.norms_over_time = (
            getattr(config, "feat_extract_norm", "layer") == "group"
        )
        self.steps = list(zip(config.conv_kernel, config.conv_stride))
        self.stride = math.prod(config.conv_stride)  # samples
        self.receptive_field = 1  # samples
        for kernel, stride in reversed(self.steps):
            self.receptive_field = (self.receptive_field - 1) * stride + kernel

    def forward(self, wavs, n_samples):
        """Waves [B, N], zero in the padding, and samples of each clip [B].

        Returns features [B, T, C] and frames of each clip [B].
        """
        if self.normalize:
            wavs = normalize_waves(wavs, n_samples)
        wavs = F.pad(wavs, (0, max(0, self.receptive_field - wavs.shape[1])))
        lens = n_samples.clamp(min=self.receptive_field)
        feats = wavs[:, None]  # [B, 1, N]
        for i, (layer, (kernel, stride)) in enumerate(
            zip(self.layers, self.steps)
        ):
            lens = (lens - kernel) // stride + 1
            if self.norms_over_time and i == 0:
                feats = layer.conv(feats)
                feats = masked_group_norm(feats, layer.layer_norm, lens)
                feats = layer.activation(feats)
            else:
                feats = layer(feats)
        return feats.transpose(1, 2), lens


class WaveTransformer(torch.nn.Module):
    """wav2vec 2.0, and what the models like it have in common.

    Only the parts that the levels need are kept: no masking vector, no
    adapter, no quantiser, so every weight that is trained has a gradient.

    Arguments
    ---------
    model : transformers.PreTrainedModel
        As `load_model` gives it.
    settings : dict or None
        Of its feature extractor; None normalises waves where the convolutions
        have layer norms, as those models were trained.
    """

    # beginnings of the names of the weights that it needs
    parts = ("feature_extractor.", "feature_projection.", "encoder.")
    max_samples = None  # clips of any length

    def __init__(self, model, settings):
        super().__init__()
        config, encoder = model.config, model.encoder
        if settings is None:
            normalize = getattr(config, "feat_extract_norm", "layer") == "layer"
            settings = {"do_normalize": normalize}
            logger.warning(
                "The encoder has no preprocessor_config.json to say whether "
                "waves are normalised; by its config.json they are "
                f"{'' if normalize else 'not '}."
            )
        self.config = config
        self.cnn = WaveConvolutions(
            model.feature_extractor.conv_layers,
            config,
            settings.get("do_normalize", True),  # transformers' default
        )
        self.projection = model.feature_projection
        self.position_conv = encoder.pos_conv_embed
        # The large models norm what comes out of the last layer, the others
        # what enters the first one; by the same name.
        last = getattr(config, "do_stable_layer_norm", False)
        nothing = torch.nn.Identity()
        self.first_norm = nothing if last else encoder.layer_norm
        self.last_norm = encoder.layer_norm if last else nothing
        self.dropout = encoder.dropout
        self.layers = encoder.layers
        self.size = config.hidden_size
        self.sample_rate = settings.get("sampling_rate", 16000)  # Hz
        self.frame_rate = self.sample_rate / self.cnn.stride  # Hz

    def positions(self, hidden, lens):
        """What the convolution over time adds to hidden [B, T, D]."""
        return self.position_conv(hidden)

    def embed(self, feats, lens):
        """From the convolutions' features to the first layer's input.

        Arguments
        ---------
        feats : torch.Tensor
            Shape [B, T, C].
        lens : torch.Tensor
            Frames of each clip, shape [B].

        Returns
        -------
        torch.Tensor
            Shape [B, T, D], zero where there is padding.
        """
        hidden = self.projection(feats)
        # some give what they projected, too
        hidden = hidden if torch.is_tensor(hidden) else hidden[0]
        hidden = zero_padding(hidden, lens)
        hidden = hidden + self.positions(hidden, lens)
        return zero_padding(self.dropout(self.first_norm(hidden)), lens)

    def layer_arguments(self, hidden, lens):
        """What each layer takes besides hidden [B, T, D]: the mask."""
        mask = frame_mask(lens, hidden.shape[1])
        return (create_bidirectional_mask(self.config, hidden, mask),)

    def apply_layer(self, layer, hidden, mask):
        """What a layer makes of hidden [B, T, D]; the same shape."""
        return layer(hidden, mask)


class HubertTransformer(WaveTransformer):
    """HuBERT; the multilingual ones norm each channel before the positions."""

    def positions(self, hidden, lens):
        """As `WaveTransformer.positions`."""
        part = self.position_conv
        if part.batch_norm is None:
            return part(hidden)
        hidden = part.batch_norm(hidden.transpose(1, 2)).transpose(1, 2)
        hidden = zero_padding(hidden, lens).transpose(1, 2)
        return part.activation(part.padding(part.conv(hidden))).transpose(1, 2)

    def train(self, mode=True):
        """The batch norm keeps its statistics: a batch's would see padding."""
        super().train(mode)
        if self.position_conv.batch_norm is not None:
            self.position_conv.batch_norm.eval()
        return self


class Data2VecTransformer(WaveTransformer):
    """data2vec-audio, whose positions come from several convolutions."""

    def positions(self, hidden, lens):
        """As `WaveTransformer.positions`."""
        for layer in self.position_conv.layers:
            hidden = layer(hidden.transpose(1, 2)).transpose(1, 2)
            hidden = zero_padding(hidden, lens)
        return hidden


class WavLMTransformer(WaveTransformer):
    """WavLM, whose layers share a bias for each distance between frames."""

    def layer_arguments(self, hidden, lens):
        """As `WaveTransformer.layer_arguments`: the mask and the bias.

        The first layer has the bias' weights and would pass it on; made here,
        it is also there for those who start at a higher layer.
        """
        n_clips, n_frames, _ = hidden.shape
        attention = self.layers[0].attention
        bias = attention.compute_bias(n_frames, n_frames)  # [H, T, T]
        bias = bias.repeat(n_clips, 1, 1)  # [B H, T, T]
        return frame_mask(lens, n_frames), bias

    def apply_layer(self, layer, hidden, mask, bias):
        """As `WaveTransformer.apply_layer`."""
        with warnings.catch_warnings():
            # that the mask is of booleans and the bias is not
            warnings.filterwarnings("ignore", "Support for mismatched")
            hidden, _ = layer(hidden, mask, bias)
        return hidden
