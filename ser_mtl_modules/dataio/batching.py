"""Batches of equal duration, the same ones whoever asks and whenever."""

from collections import Counter

import torch
from torch.utils.data import Sampler

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.randomness import generator

FEW = 1000  # clips; where there are more, each moves less far in their order


class EpochBatchSampler(Sampler):
    """Batches that are a function of (seed, epoch).

    A subclass says in ``batches(epoch)``, epochs counted from 1, which lists of
    indices they are: the same ones whenever it is asked.

    Arguments
    ---------
    seed : int
        Of the experiment.
    """

    def __init__(self, seed):
        self.seed = seed
        self.epoch = 1
        self._made = None  # an epoch and its batches
        self.skip = 0  # batches of this epoch that a resumed run has had

    def set_epoch(self, epoch):
        """Chooses the epoch whose batches come next."""
        self.epoch = epoch

    def __iter__(self):
        batches = self._of_this_epoch()[self.skip :]
        self.skip = 0
        return iter(batches)

    def __len__(self):
        return len(self._of_this_epoch())

    def _of_this_epoch(self):
        """Made once: every step asks how many there are."""
        if self._made is None or self._made[0] != self.epoch:
            self._made = self.epoch, self.batches(self.epoch)
        return self._made[1]


class DurationBatchSampler(EpochBatchSampler):
    """Batches whose padded duration stays within a budget.

    Clips are sorted by duration with a random jitter, cut into batches, and
    the batches are shuffled. So which clips of similar length are together is
    random, and in which order batches come. All of it is a function of
    (seed, epoch): a resumed run meets the batches that it would have met, and
    different epochs hold different batches. (SpeechBrain's
    ``DynamicBatchSampler`` repeats the composition of its batches unless
    someone calls its ``set_epoch``.)

    Arguments
    ---------
    durations : list of float
        Of each clip, in seconds.
    max_batch_duration : float
        Seconds in a batch, padding included. A longer clip is a batch of its
        own.
    max_batch_size : int, optional
        Clips in a batch at most.
    seed : int
        Of the experiment.
    shuffle : bool
        Without, batches go from short to long and are always the same.
    jitter : float
        How far a clip may move in the order by duration: its duration is
        multiplied by a factor drawn from 1 ± jitter. Nearly as large a share
        of the batches is padding. Of more than `FEW` clips, jitter is less in
        proportion: a clip then meets clips out of a few hundred, however many
        there are, and padding shrinks. Sampling by class, only as many clips
        count for this as there would be if all classes were as rare as the
        rarest; else its clips, which come several times, would meet themselves.
    labels : list, optional
        The class of each clip. With it, the clips of every batch are drawn so
        that no class has a single clip where it can be helped: losses that
        need positives then find them.
    by_class : bool
        True draws, where batches are shuffled, the clips of an epoch so that
        every class of ``labels`` comes equally often; there are as many
        batches as there would be otherwise, of about as many clips. Clips of
        a rare class come several times, each as often as the others or once
        more; of a frequent one, other clips come in each epoch.
    n_views : int
        Forms in which the dataset has each clip. With more than one, every
        clip of an epoch comes in one of them, drawn anew for each epoch; its
        index is ``clip + n_clips * view``. Without shuffling it comes in all
        of them, view by view.

    Example
    -------
    >>> sampler = DurationBatchSampler([1.0, 2.0, 2.0, 1.0], 4.0, shuffle=False)
    >>> list(sampler)
    [[0, 3], [1, 2]]
    """

    def __init__(
        self,
        durations,
        max_batch_duration,
        max_batch_size=None,
        seed=0,
        shuffle=True,
        jitter=0.2,
        labels=None,
        by_class=False,
        n_views=1,
    ):
        if not durations:
            raise SerMtlError("There is no clip to make batches of.")
        super().__init__(seed)
        self.durations = [float(d) for d in durations]
        self.max_batch_duration = max_batch_duration
        self.max_batch_size = max_batch_size or len(durations)
        self.shuffle = shuffle
        self.labels = labels
        self.by_class = by_class
        self.n_views = n_views
        self.jitter = jitter * min(1.0, FEW / self._n_different())

    def batches(self, epoch):
        """The batches of an epoch.

        Arguments
        ---------
        epoch : int
            Counted from 1.

        Returns
        -------
        list of list of int
            Indices of clips in their views; each clip is in one batch, or
            without shuffling in one of each view, or by class in any number.
        """
        rng = generator(self.seed, "batches", epoch)
        batches = self._cut(self._order(range(len(self.durations)), rng))
        if not self.shuffle:
            n_clips = len(self.durations)
            offsets = [n_clips * view for view in range(self.n_views)]
            return [
                [i + o for i in batch] for o in offsets for batch in batches
            ]
        if self.by_class:
            batches = self._drawn(len(batches), epoch)
        if self.labels is not None:
            batches = self._pair_up(batches)
        order = torch.randperm(len(batches), generator=rng).tolist()
        return self._in_views([batches[i] for i in order], epoch)

    def _n_different(self):
        """Clips of an epoch, those that come several times not counted."""
        if not self.by_class:
            return len(self.durations)
        counts = Counter(self.labels).values()
        return len(counts) * min(counts)

    def _in_views(self, batches, epoch):
        """Draws the view that each clip comes in."""
        n_clips = len(self.durations)
        rng = generator(self.seed, "views", epoch)
        views = torch.randint(self.n_views, (n_clips,), generator=rng).tolist()
        return [[i + n_clips * views[i] for i in batch] for batch in batches]

    def _drawn(self, n_batches, epoch):
        """So many batches of clips drawn by class, from short to long."""
        rng = generator(self.seed, "classes", epoch)
        batches = []
        while len(batches) < n_batches:
            more = self._cut(self._order(self._draw(rng), rng))
            order = torch.randperm(len(more), generator=rng).tolist()
            batches += [more[i] for i in order]  # any may be one too many
        return sorted(
            batches[:n_batches],
            key=lambda batch: max(self.durations[i] for i in batch),
        )

    def _draw(self, rng):
        """As many clips as there are, of every class as many."""
        clips = {}
        for i, label in enumerate(self.labels):
            clips.setdefault(label, []).append(i)
        each, rest = divmod(len(self.labels), len(clips))
        lucky = torch.randperm(len(clips), generator=rng)[:rest].tolist()
        drawn = []
        for place, mine in enumerate(clips.values()):
            n = each + (place in lucky)
            rounds = -(-n // len(mine))
            order = [
                i
                for _ in range(rounds)
                for i in torch.randperm(len(mine), generator=rng).tolist()
            ]
            drawn += [mine[i] for i in order[:n]]
        return drawn

    def _order(self, clips, rng):
        """Clips from short to long, each moved a little."""
        keys = torch.tensor([self.durations[i] for i in clips])
        if self.shuffle:
            noise = 2 * torch.rand(len(keys), generator=rng) - 1
            keys = keys * (1 + self.jitter * noise)
        return [clips[i] for i in keys.argsort(stable=True).tolist()]

    def _cut(self, order):
        """Consecutive clips that fit into the budget together."""
        batches, batch, longest = [], [], 0.0
        for i in order:
            longest = max(longest, self.durations[i])
            too_long = longest * (len(batch) + 1) > self.max_batch_duration
            if batch and (too_long or len(batch) == self.max_batch_size):
                batches.append(batch)
                batch, longest = [], self.durations[i]
            batch.append(i)
        return batches + [batch]

    def _pair_up(self, batches):
        """Swaps clips between neighbouring batches until singles are rare.

        A clip that is alone in its class is exchanged for the clip of the next
        batch that leaves the fewest alone in both, if that is fewer than
        before and both batches stay within the budget.
        """
        for here, there in zip(batches, batches[1:]):
            n_here = Counter(self.labels[i] for i in here)
            n_there = Counter(self.labels[j] for j in there)
            for position, i in enumerate(here):
                mine = self.labels[i]
                if n_here[mine] > 1:
                    continue
                fewest, best = 0, None
                for p, j in enumerate(there):
                    theirs = self.labels[j]
                    if theirs == mine or not n_here[theirs]:
                        continue  # it would be alone in its turn
                    n_more = _n_more_alone(n_here, n_there, mine, theirs)
                    if n_more < fewest and self._both_fit(
                        [*here[:position], j, *here[position + 1 :]],
                        [*there[:p], i, *there[p + 1 :]],
                    ):
                        fewest, best = n_more, p
                if best is not None:
                    theirs = self.labels[there[best]]
                    here[position], there[best] = there[best], i
                    n_here.update({mine: -1, theirs: 1})
                    n_there.update({theirs: -1, mine: 1})
        return batches

    def _both_fit(self, *batches):
        """Whether batches are within the budget, padding included."""
        return all(
            max(self.durations[i] for i in batch) * len(batch)
            <= self.max_batch_duration
            for batch in batches
        )


def _n_more_alone(n_here, n_there, mine, theirs):
    """How many more clips are alone in their class after an exchange.

    Here, one that is alone in its class goes for one of a class that is here.
    """
    return (
        -1
        - (n_here[theirs] == 1)
        + (n_there[theirs] == 2)
        - (n_there[theirs] == 1)
        + (n_there[mine] == 0)
        - (n_there[mine] == 1)
    )
