"""Tasks that meet in the encoder alone."""

from ser_mtl_modules.lobes.co_attention.base import CoAttention


class Nothing(CoAttention):
    """The main task's own features.

    Arguments
    ---------
    feature_size : int
        d, not needed here.
    auxiliaries : list of str
        Names of the auxiliary tasks, not needed here.
    """

    def __init__(self, feature_size, auxiliaries):
        super().__init__()

    def forward(self, main, auxiliaries, lens):
        """Returns ``main``."""
        return main

    def amounts(self, main, auxiliaries, lens):
        """Nothing is taken from any task."""
        return {}
