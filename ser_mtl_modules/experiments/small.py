"""Sizes with which recipes train in seconds: to try them out, not to learn."""

# Flags for train.py
FBANK_ENCODER = "--encoder={channels: [4, 4], n_blocks: 1, n_mels: 40}"
EMOTION = "--emotion={hidden_size: 16}"
SPEAKER = "--speaker={channels: [8, 8, 8, 8, 16], embedding_size: 16}"
INTEGRATION = "--integration={bottleneck: 4}"

# For the config of a WavLM, HuBERT or wav2vec 2.0
TRANSFORMER = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": [8] * 7,
    "num_conv_pos_embedding_groups": 2,
    "initializer_range": 0.3,  # so that attention isn't all but uniform
}
