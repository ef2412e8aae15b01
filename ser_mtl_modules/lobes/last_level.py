"""The output of an encoder as it is."""

import torch

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.lobes.masking import zero_padding


class LastLevel(torch.nn.Module):
    """A layer fusion (see ``layer_fusion.py``) without a weight of its own.

    Where an encoder is fine-tuned its output can become what a task wants;
    ``layer_fusion.Last`` is the same level behind a projection.

    Arguments
    ---------
    n_levels : int
        L, not needed here.
    input_size : int
        D of the levels.
    output_size : int
        d of the features, which is D.
    dropout : float
        On the features, in training.
    """

    def __init__(self, n_levels, input_size, output_size, dropout=0.0):
        super().__init__()
        if output_size != input_size:
            raise SerMtlError(
                f"feature_size: {output_size}, and the encoder's output, which "
                f"layer_fusion takes as it is, has {input_size} dimensions. "
                f"Give --feature_size={input_size}, or a layer fusion that "
                "projects, such as --layer_fusion="
                "'!name:ser_mtl_modules.lobes.layer_fusion.Last'."
            )
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, levels, lens):
        """The last of levels [L, B, T, D] as feats [B, T, D]."""
        return zero_padding(self.dropout(levels[-1]), lens)
