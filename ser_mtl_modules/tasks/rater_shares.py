"""Labels as raters gave them: a share of each clip for each class."""

import torch
import torch.nn.functional as F

from ser_mtl_modules.errors import SerMtlError
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

# What a rater's word is among the cards' classes: the first that is one of them
CLASSES = {
    "angry": ["anger"],
    "excited": ["excited", "happiness"],
    "happy": ["happiness"],
    "neutral state": ["neutral"],
    "sad": ["sadness"],
}


class RaterShares:
    """Soft labels: of the raters' votes, the share of each class.

    Votes are those that the manifest counts (``angry:3|neutral:2``). Votes for
    what is no class of the card, as other, are left out, and shares are of
    those that remain; excited counts as happiness where it is no class. A
    clip without any such vote has all of its hard label. Which clips there
    are is up to the card: those that raters don't agree on stay out.

    Example
    -------
    >>> shares = RaterShares()
    >>> shares.of("angry:3|neutral:1|other:2", ["anger", "neutral"])
    [0.75, 0.25]
    """

    def check(self, rows, classes):
        """Refuses a train set without votes, and logs how many clips have any.

        Arguments
        ---------
        rows : dict of str to dict
            Of the manifest, by ID.
        classes : list of str
            Of the card.

        Raises
        ------
        SerMtlError
        """
        n = sum(any(self.of(row["raters"], classes)) for row in rows.values())
        if not n:
            raise SerMtlError(
                "soft_labels: RaterShares, and no clip of train has raters' "
                f"votes for {', '.join(classes)} in the manifest: the corpus, "
                "or this release of it, has none (of MSP-Podcast they are in "
                "labels_detailed.csv). Leave soft_labels out."
            )
        logger.info(
            f"Soft labels: {n} of {len(rows)} clips of train have raters' "
            "votes, the others their hard label."
        )

    def of(self, votes, classes):
        """The share of each class.

        Arguments
        ---------
        votes : str
            As the manifest has them; empty where there are none.
        classes : list of str
            C names.

        Returns
        -------
        list of float
            C shares with a sum of 1, or all 0 without a vote for any.
        """
        counts = dict.fromkeys(classes, 0)
        for vote in filter(None, votes.split("|")):
            word, _, count = vote.rpartition(":")
            for name in CLASSES.get(word, [word]):
                if name in counts:
                    counts[name] += int(count)
                    break
        total = max(sum(counts.values()), 1)
        return [count / total for count in counts.values()]

    def __call__(self, hard, votes, classes):
        """The labels of a batch.

        Arguments
        ---------
        hard : torch.Tensor
            Class indices, shape [B]; -1 where unknown.
        votes : list of str
            Of each clip.
        classes : list of str
            C names.

        Returns
        -------
        torch.Tensor
            Shape [B, C]. Rows sum to 1, or to 0 where nothing is known.
        """
        soft = torch.tensor(
            [self.of(v, classes) for v in votes], device=hard.device
        )
        voted = soft.sum(dim=1, keepdim=True) > 0
        known = (hard >= 0).float()[:, None]
        return soft.where(
            voted, known * F.one_hot(hard.clamp(min=0), len(classes))
        )
