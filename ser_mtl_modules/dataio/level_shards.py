"""Stored levels in shards, so that several processes can add to them."""

import zlib
from pathlib import Path

from ser_mtl_modules.dataio.level_file import LevelFile

N_SHARDS = 16  # another number is another place for nearly every clip


class LevelShards:
    """Levels in half precision of every clip, in one view.

    A clip's ID says in which shard it is. Each shard is a `LevelFile`, which
    one process writes at a time.

    Arguments
    ---------
    folder : str or Path
        Where the files are, ``00.f16`` and so on.
    frame_shape : tuple of int
        Of the numbers of one frame, such as (levels, dimensions).

    Example
    -------
    >>> shards = LevelShards(getfixture("tmp_path"), (2, 3))
    >>> parts = [rows for _, rows in shards.split({"a": 1, "b": 2, "c": 3})]
    >>> sum(map(len, parts))
    3
    """

    def __init__(self, folder, frame_shape):
        self.folder = Path(folder)
        self.shards = [
            LevelFile(self.folder / f"{i:02d}", frame_shape)
            for i in range(N_SHARDS)
        ]

    def shard(self, utterance):
        """The `LevelFile` that has a clip, or would have it."""
        return self.shards[zlib.crc32(utterance.encode()) % N_SHARDS]

    def split(self, rows):
        """Rows by shard.

        Arguments
        ---------
        rows : dict of str to object
            By the clips' IDs.

        Returns
        -------
        list of (LevelFile, dict of str to object)
            The shards that have any of them.
        """
        parts = {}
        for utterance, row in rows.items():
            parts.setdefault(self.shard(utterance), {})[utterance] = row
        return list(parts.items())

    def read(self, utterance):
        """The numbers of a clip, half precision [T, *frame_shape]."""
        return self.shard(utterance).read(utterance)

    def __contains__(self, utterance):
        return utterance in self.shard(utterance).clips

    def n_frames(self, utterance):
        """How many frames a clip has, which is stored."""
        return self.shard(utterance).clips[utterance][1]
