"""Each rank's share of the batches that all ranks agree on."""

import logging

from ser_mtl_modules.dataio.batching import EpochBatchSampler
from ser_mtl_modules.errors import SerMtlError

logger = logging.getLogger(__name__)


class RankBatchSampler(EpochBatchSampler):
    """Those batches of another sampler that are this rank's.

    Every rank makes the same list of batches, a function of (seed, epoch);
    with N ranks, rank r takes every N-th one from the r-th on. So N batches
    that follow one another are one step of training, and evaluation sees every
    clip once.

    Arguments
    ---------
    sampler : EpochBatchSampler
        Of the batches of all ranks.
    rank : int
        Which rank this is, counted from 0.
    n_ranks : int
        How many there are.
    even : bool
        Makes the number of batches a multiple of N, as every rank has to take
        part in every step of training: the largest batch is cut in two until
        it is. A batch of fewer than four clips is not cut, as each half needs
        two clips (one and one without labels, where there are such). Where
        there are only such, the last batches are left out, others in every
        epoch.

    Example
    -------
    >>> from ser_mtl_modules.dataio.batching import DurationBatchSampler
    >>> clips = DurationBatchSampler([1.0] * 9, 5.0, shuffle=False, seed=1)
    >>> [list(RankBatchSampler(clips, rank, 2)) for rank in (0, 1)]
    [[[0, 1, 2, 3, 4]], [[5, 6, 7, 8]]]
    >>> [list(RankBatchSampler(clips, rank, 3, even=True)) for rank in range(3)]
    [[[0, 2, 4]], [[1, 3]], [[5, 6, 7, 8]]]
    """

    def __init__(self, sampler, rank, n_ranks, even=False):
        super().__init__(sampler.seed)
        self.sampler = sampler
        self.rank = rank
        self.n_ranks = n_ranks
        self.even = even

    def batches(self, epoch):
        """As of the other sampler, every N-th of them."""
        batches = self.sampler.batches(epoch)
        if self.even:
            batches = self._evened(batches, epoch)
        return batches[self.rank :: self.n_ranks]

    def _evened(self, batches, epoch):
        """A multiple of N batches; the halves of one are neighbours."""
        batches = list(batches)
        while len(batches) % self.n_ranks:
            sizes = [len(batch) for batch in batches]
            if max(sizes) < 4:
                return self._some(batches, epoch)
            largest = sizes.index(max(sizes))
            batch = batches[largest]
            # every other clip: unlabelled ones stay behind labelled ones
            batches[largest : largest + 1] = [batch[::2], batch[1::2]]
        return batches

    def _some(self, batches, epoch):
        """As many batches as all ranks can have equally many of."""
        n_left_out = len(batches) % self.n_ranks
        if n_left_out == len(batches):
            raise SerMtlError(
                f"{n_left_out} batches of fewer than four clips can't be "
                f"shared by {self.n_ranks} ranks. Take fewer ranks."
            )
        if self.rank == 0:
            logger.warning(
                f"Epoch {epoch}: {n_left_out} of {len(batches)} batches are "
                f"left out, so that {self.n_ranks} ranks have equally many; "
                "batches of fewer than four clips are not cut in two."
            )
        return batches[:-n_left_out]
