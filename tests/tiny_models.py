"""Random models of all families, small enough to train in seconds."""

import torch
import transformers

from ser_mtl_modules.experiments import small

POSITIONS = {"num_conv_pos_embeddings": 16}
LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
WHISPER = {
    "d_model": 16,
    "encoder_layers": 3,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 8,
    "vocab_size": 10,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "max_source_positions": 100,  # 2 s, in place of 30
    "init_std": 0.3,
}


def wave(kind, do_normalize, **changes):
    """A random model's class, config and feature extractor."""
    config = getattr(transformers, f"{kind}Config")(
        **{**small.TRANSFORMER, **changes}
    )
    return (
        getattr(transformers, f"{kind}Model"),
        config,
        transformers.Wav2Vec2FeatureExtractor(do_normalize=do_normalize),
    )


def whisper():
    """As `wave`."""
    return (
        transformers.WhisperModel,
        transformers.WhisperConfig(**WHISPER),
        transformers.WhisperFeatureExtractor(chunk_length=2),
    )


MODELS = {
    "wavlm-base": wave("WavLM", False, **POSITIONS),
    "wavlm-large": wave("WavLM", True, **POSITIONS, **LARGE),
    "hubert-base": wave("Hubert", True, **POSITIONS),
    "hubert-large": wave("Hubert", True, **POSITIONS, **LARGE),
    "hubert-batch-norm": wave(
        "Hubert", True, conv_pos_batch_norm=True, **POSITIONS
    ),
    "wav2vec2-base": wave("Wav2Vec2", True, **POSITIONS),
    "wav2vec2-large": wave("Wav2Vec2", True, **POSITIONS, **LARGE),
    "data2vec": wave("Data2VecAudio", True, conv_pos_kernel_size=19),
    "data2vec-even": wave("Data2VecAudio", True, conv_pos_kernel_size=4),
    "whisper": whisper(),
}


def write_model(name, folder):
    """One of `MODELS`, as save_pretrained leaves it."""
    kind, config, extractor = MODELS[name]
    torch.manual_seed(1)
    model = kind(config)
    for key, value in model.named_parameters():  # as if it were trained
        if key.endswith("bias") or "norm" in key:
            torch.nn.init.normal_(value, 0.5, 0.3)
    for key, value in model.named_buffers():
        if "running" in key:
            torch.nn.init.uniform_(value, 0.5, 2.0)
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder
