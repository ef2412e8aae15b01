"""Pre-trained encoders: WavLM, HuBERT, wav2vec 2.0, data2vec-audio, Whisper."""

import hashlib
import itertools

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.lobes.masking import frame_mask, zero_padding


def load_transformer(source, pretrained=True):
    """The model of a folder or a name on the hub, cut into its parts.

    Arguments
    ---------
    source, pretrained
        As for `PretrainedEncoder`.

    Returns
    -------
    WaveTransformer or WhisperTransformer
    """
    # Imported here because transformers takes seconds to import, and a run
    # whose levels are all on disk makes no encoder.
    from ser_mtl_modules.lobes import wave_transformers as waves
    from ser_mtl_modules.lobes.pretrained_model import load_model
    from ser_mtl_modules.lobes.whisper_transformer import WhisperTransformer

    kinds = {  # by what a model's config.json calls itself
        "data2vec-audio": waves.Data2VecTransformer,
        "hubert": waves.HubertTransformer,
        "wav2vec2": waves.WaveTransformer,
        "wavlm": waves.WavLMTransformer,
        "whisper": WhisperTransformer,
    }
    model, settings = load_model(
        source, {name: kind.parts for name, kind in kinds.items()}, pretrained
    )
    return kinds[model.config.model_type](model, settings)


class PretrainedEncoder(torch.nn.Module):
    """All levels of a pre-trained model; padding takes no part in them.

    Level 0 is what enters the first transformer layer, the last one is the
    model's output: ``last_hidden_state`` in transformers. Levels between are
    the layers' outputs as the next layer gets them, before any final norm.

    SpeechBrain's wrappers of these models are not used: they normalise waves,
    and the base models' features, over the padding, and what they freeze goes
    back to train mode, dropout and all, with the Brain's ``modules.train()``.

    Layers are never dropped and frames never masked here. What is frozen runs
    in eval mode and builds no graph, also after ``train()``.

    Arguments
    ---------
    source : str or Path
        A folder with config.json and weights, or a name on the Hugging Face
        hub, such as ``microsoft/wavlm-base-plus``.
    freeze : str or int
        ``all`` trains nothing; ``cnn`` all but the convolutions from wave to
        frames; ``none`` all. A number k trains the transformer layers from the
        k-th on, counted from 0, so the k lower ones and all below are frozen.
    gradient_checkpointing : bool
        Computes trained layers once more in the backward pass instead of
        keeping what they need for it: a third slower, much less memory.
    pad_to_30s : bool
        For Whisper: gives it 30 s, zeros after the clip, as it was trained,
        and returns the clip's own frames. Otherwise it gets the clip alone,
        which is several times cheaper.
    level_norm : bool
        Gives each frame of each level mean 0 and deviation 1, as layer norm
        without weights does. Levels differ in scale (Whisper's a hundredfold),
        and a mixture of them would be of the loudest alone.
    integration : callable, optional
        Makes a module of the transformer's layers and size that changes what
        enters a layer, such as `AugmentedResidualIntegration`. It is trained,
        and acts on the layers that are, or with ``freeze: all`` on all that
        have levels below.
    pretrained : bool
        False reads config.json alone: the transformer's weights are on torch's
        meta device, until ``load_state_dict(weights, assign=True)``.

    Example
    -------
    >>> from transformers import WavLMConfig, WavLMModel
    >>> config = WavLMConfig(
    ...     hidden_size=16,
    ...     num_hidden_layers=2,
    ...     num_attention_heads=2,
    ...     intermediate_size=32,
    ...     conv_dim=[8] * 7,
    ...     num_conv_pos_embeddings=4,
    ...     num_conv_pos_embedding_groups=2,
    ... )
    >>> folder = getfixture("tmp_path")
    >>> WavLMModel(config).save_pretrained(folder)
    >>> encoder = PretrainedEncoder(folder, freeze="all")
    >>> levels, lens = encoder(torch.randn(2, 16000), torch.tensor([1.0, 0.5]))
    >>> levels.shape, lens.tolist(), encoder.frame_rate
    (torch.Size([3, 2, 49, 16]), [49, 24], 50.0)
    >>> levels.requires_grad
    False
    """

    def __init__(
        self,
        source,
        freeze="cnn",
        gradient_checkpointing=False,
        pad_to_30s=False,
        level_norm=False,
        integration=None,
        pretrained=True,
    ):
        super().__init__()
        self.model = load_transformer(source, pretrained)
        self.source = str(source)
        self.n_levels = len(self.model.layers) + 1
        self.output_size = self.model.size
        self.frame_rate = self.model.frame_rate  # Hz
        self.sample_rate = self.model.sample_rate  # Hz
        self.gradient_checkpointing = gradient_checkpointing
        self.pad_to_30s = pad_to_30s
        self.level_norm = level_norm
        self.integration = None
        if integration is not None:
            n_layers = len(self.model.layers)
            self.integration = integration(n_layers, self.output_size)
        self.freeze = freeze
        self.n_frozen_levels = self._count_frozen_levels()
        self._check_padding()
        self.all_frozen = self.n_frozen_levels == self.n_levels
        for part in self._frozen_parts():
            part.requires_grad_(False)
        self.train()

    # ---- what is frozen

    def _count_frozen_levels(self):
        n_layers = self.n_levels - 1
        if self.freeze in ("cnn", "none"):
            return 0
        if self.freeze == "all":
            # nothing is integrated below the second layer
            return self.n_levels if self.integration is None else 2
        number = type(self.freeze) is int  # True and False are no numbers
        if not number or not 0 <= self.freeze < n_layers:
            raise SerMtlError(
                f"freeze: {self.freeze!r} for the encoder {self.source}; "
                "expected all, cnn, none, or how many of its "
                f"{n_layers} layers are frozen, 0 to {n_layers - 1}."
            )
        return self.freeze + 1

    def _check_padding(self):
        if self.pad_to_30s and self.model.max_samples is None:
            raise SerMtlError(
                f"pad_to_30s: True is for Whisper; {self.source} hears clips "
                "of any length. Leave it out."
            )
        if self.pad_to_30s and 0 < self.n_frozen_levels < self.n_levels:
            raise SerMtlError(
                f"pad_to_30s: True and freeze: {self.freeze} don't go "
                "together: the frozen levels hold the clip's frames alone, "
                "and the layers above need the rest of the 30 s as well. "
                "Choose freeze: all, cnn or none."
            )

    def _frozen_parts(self):
        """Modules without a trained weight."""
        model = self.model
        if self.freeze == "none":
            return []
        if self.freeze == "cnn":
            return [model.cnn]
        if self.freeze == "all":
            return [model]
        kept = {"layers", "last_norm"}
        below = [m for name, m in model.named_children() if name not in kept]
        return [*below, *model.layers[: self.freeze]]

    def train(self, mode=True):
        """As in torch, but what is frozen stays in eval mode."""
        super().train(mode)
        for part in self._frozen_parts():
            part.eval()
        return self

    def checksum(self):
        """SHA-256 of what `frozen` depends on, besides the waves.

        Returns
        -------
        str
            Of names, types, shapes and bytes of the frozen weights, and of
            the settings that change what they make of a wave. The rest of
            config.json is taken to belong to the weights.
        """
        frozen = {
            id(tensor)
            for part in self._frozen_parts()
            for tensor in itertools.chain(part.parameters(), part.buffers())
        }
        settings = [
            self.model.config.model_type,
            self.n_frozen_levels,
            self.pad_to_30s,
            getattr(self.model.cnn, "normalize", None),  # Whisper has none
            self.level_norm and self.all_frozen,
        ]
        sha = hashlib.sha256(f"{settings}\n".encode())
        named = [*self.named_parameters(), *self.named_buffers()]
        for name, tensor in sorted(named, key=lambda pair: pair[0]):
            if id(tensor) in frozen:
                shape = list(tensor.shape)
                sha.update(f"{name} {tensor.dtype} {shape}\n".encode())
                data = tensor.detach().cpu().contiguous()
                sha.update(data.flatten().view(torch.uint8).numpy().tobytes())
        return sha.hexdigest()

    # ---- from waves to levels

    def _clips(self, wavs, wav_lens):
        """Waves with zeros after each clip, and samples of each clip."""
        n_samples = (wav_lens * wavs.shape[1]).round().long().clamp(min=1)
        most = self.model.max_samples
        if most is not None and wavs.shape[1] > most:
            longest = n_samples.max().item()
            if longest > most:
                raise SerMtlError(
                    f"A clip of {longest / self.sample_rate:.1f} s; "
                    f"{self.source} hears {most / self.sample_rate:.0f} s at "
                    "most. Leave longer clips out, or cut them in parts (start "
                    "and stop in the manifest), or take another encoder."
                )
            wavs = wavs[:, :most]
        mask = frame_mask(n_samples, wavs.shape[1])
        return wavs.float().masked_fill(~mask, 0.0), n_samples

    def _climb(self, levels, lens, last):
        """All levels up to that of layer last - 1, from the lower ones."""
        levels = list(levels)
        first = len(levels) - 1
        apply_layer = self.model.apply_layer
        arguments = self.model.layer_arguments(levels[-1], lens)
        keep_little = (
            self.gradient_checkpointing
            and self.training
            and torch.is_grad_enabled()
        )
        for i in range(first, last):
            layer, hidden = self.model.layers[i], levels[-1]
            if self.integration is not None and i >= self.n_frozen_levels - 1:
                hidden = self.integration(levels, lens)
            if keep_little:
                hidden = checkpoint(
                    apply_layer, layer, hidden, *arguments, use_reentrant=False
                )
            else:
                hidden = apply_layer(layer, hidden, *arguments)
            levels.append(zero_padding(hidden, lens))
        if first < last == self.n_levels - 1:
            levels[-1] = zero_padding(self.model.last_norm(levels[-1]), lens)
        return torch.stack(levels)

    def _encode(self, wavs, n_samples, n_levels):
        """The lower `n_levels` levels, and frames of each clip."""
        below = self.freeze == "none" or wavs.requires_grad
        with torch.set_grad_enabled(torch.is_grad_enabled() and below):
            feats, lens = self.model.cnn(wavs, n_samples)
        hidden = self.model.embed(feats, lens)
        return self._climb([hidden], lens, n_levels - 1), lens

    def _finish(self, levels, lens):
        """All levels as they are given away."""
        if not self.level_norm:
            return levels
        levels = F.layer_norm(levels, levels.shape[-1:])
        mask = frame_mask(lens, levels.shape[2])
        return levels.masked_fill(~mask[..., None], 0.0)

    def _encode_clips(self, wavs, wav_lens, n_levels):
        """As `_encode`, of waves and relative lengths, padded if need be."""
        wavs, n_samples = self._clips(wavs, wav_lens)
        if not self.pad_to_30s:
            return self._encode(wavs, n_samples, n_levels)
        # a clip of 30 s for all that follows
        missing = self.model.max_samples - wavs.shape[1]
        full = torch.full_like(n_samples, self.model.max_samples)
        levels, _ = self._encode(F.pad(wavs, (0, missing)), full, n_levels)
        lens = self.model.cnn.n_frames(n_samples)
        levels = levels[:, :, : lens.max()]
        mask = frame_mask(lens, levels.shape[2])
        return levels.masked_fill(~mask[..., None], 0.0), lens

    def frozen(self, wavs, wav_lens):
        """The levels that don't change in training, for a cache.

        They build a graph only where the waves ask for a gradient.

        Arguments
        ---------
        wavs : torch.Tensor
            Shape [B, N].
        wav_lens : torch.Tensor
            Relative lengths in (0, 1], shape [B].

        Returns
        -------
        tuple of torch.Tensor
            Levels [L0, B, T, D] and frames of each clip [B]: all levels for
            ``freeze: all``, as `forward` gives them; levels 0 to k for
            ``freeze: k``, as the layers above need them.
        """
        if self.n_frozen_levels == 0:
            raise SerMtlError(
                f"No level is frozen with freeze: {self.freeze}, so there is "
                "nothing to keep. Choose freeze: all, or a number of layers."
            )
        wanted = torch.is_grad_enabled() and wavs.requires_grad
        with torch.set_grad_enabled(wanted):
            levels, lens = self._encode_clips(
                wavs, wav_lens, self.n_frozen_levels
            )
            if self.all_frozen:
                levels = self._finish(levels, lens)
        return levels, lens

    def upper(self, levels, lens):
        """The trained layers, on top of what `frozen` gave.

        Arguments
        ---------
        levels : torch.Tensor
            Shape [L0, B, T, D], in the weights' precision.
        lens : torch.Tensor
            Frames of each clip, shape [B].

        Returns
        -------
        torch.Tensor
            All levels, [L, B, T, D].
        """
        if self.n_frozen_levels == 0 or len(levels) != self.n_frozen_levels:
            raise SerMtlError(
                f"{len(levels)} levels for freeze: {self.freeze} of the "
                f"encoder {self.source}, which has {self.n_frozen_levels} "
                "frozen ones. Make them again with this setting."
            )
        if len(levels) == self.n_levels:
            return levels
        levels = self._climb(levels, lens, self.n_levels - 1)
        return self._finish(levels, lens)

    def forward(self, wavs, wav_lens):
        """Encodes a batch of waves.

        Arguments
        ---------
        wavs : torch.Tensor
            Shape [B, N], at ``sample_rate``.
        wav_lens : torch.Tensor
            Relative lengths in (0, 1], shape [B].

        Returns
        -------
        tuple of torch.Tensor
            Levels [L, B, T, D], zero where there is padding, and frames of
            each clip [B].
        """
        if self.n_frozen_levels == 0:
            levels, lens = self._encode_clips(wavs, wav_lens, self.n_levels)
            return self._finish(levels, lens), lens
        levels, lens = self.frozen(wavs, wav_lens)
        return self.upper(levels, lens), lens
