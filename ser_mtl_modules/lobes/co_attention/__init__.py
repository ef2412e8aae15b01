"""How the main task sees the auxiliary ones.

Every kind is made as ``Kind(feature_size, auxiliaries)`` and called as
``fuse(main [B, T, d], {name: feats [B, T, d]}, lens [B])``; it gives features
of the main task, [B, T, d], zero where there is padding. What it took from
which task, and where in the clip, says `attention`. `CoAttention` is the
contract; a new kind is a file beside the others and its line below.

`METHODS.md`'s section on paper A (https://arxiv.org/abs/2508.17878) says what
is the paper's and what is our reading.
"""

from ser_mtl_modules.lobes.co_attention.base import (
    Attention,
    CoAttention,
    attention,
)
from ser_mtl_modules.lobes.co_attention.ca_mser import (
    CaMser,
    relu_over_time,
    softmax_over_time,
)
from ser_mtl_modules.lobes.co_attention.chain import Chain
from ser_mtl_modules.lobes.co_attention.concatenate import Concatenate
from ser_mtl_modules.lobes.co_attention.gates import (
    NoGates,
    SigmoidGates,
    SoftmaxGates,
)
from ser_mtl_modules.lobes.co_attention.nothing import Nothing
from ser_mtl_modules.lobes.co_attention.parallel_gates import ParallelGates
from ser_mtl_modules.lobes.co_attention.task_tokens import TaskTokens


def build(kind, feature_size, auxiliaries):
    """Makes a co-attention of the kind that a YAML names.

    Without auxiliary tasks there is nothing to see: every kind is `Nothing`
    then, so that emotion alone is one model, whatever the fusion.

    Arguments
    ---------
    kind : callable
        A class of this package, or one with its other arguments filled in.
    feature_size : int
        d.
    auxiliaries : list of str
        Names of the auxiliary tasks.

    Returns
    -------
    CoAttention
    """
    kind = kind if auxiliaries else Nothing
    return kind(feature_size=feature_size, auxiliaries=list(auxiliaries))
