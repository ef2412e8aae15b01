"""Arrays of many clips in one file, which a kill or a full disk can't spoil."""

import contextlib
import json
import os
import zlib
from pathlib import Path

import numpy as np
import torch

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.errors import SerMtlError


@contextlib.contextmanager
def disk_errors(path):
    """Says what to do about a full disk or a folder of somebody else's."""
    try:
        yield
    except BlockingIOError:
        raise  # a lock of another process
    except OSError as error:
        raise SerMtlError(
            f"{path}: cannot be written ({error.strerror or error}). What was "
            "written before is kept. Make room there, or name another folder "
            "for stored levels."
        ) from error


class LevelFile:
    """Levels in half precision of every clip, in one view.

    Three files: ``<path>.f16`` has the clips' numbers one after the other,
    ``<path>.index`` a line for each clip, and ``<path>.seal`` the sizes and
    times of the two when they were last complete.

    Numbers are written before their line in the index, and a line counts when
    it is whole and the checksum in it is that of the numbers. So a kill costs
    the clip at hand. As long as the seal fits, checksums need not be looked
    at: opening takes no time. When it doesn't, because of a kill or because
    somebody changed a file, all of them are, and what is damaged is not there.

    One process writes at a time; the caller sees to it. Others may read.

    Arguments
    ---------
    path : str or Path
        Without the ending.
    frame_shape : tuple of int
        Of the numbers of one frame, such as (levels, dimensions).

    Example
    -------
    >>> file = LevelFile(getfixture("tmp_path") / "as-is", (2, 3))
    >>> with file.writing():
    ...     file.append("a clip", np.ones((5, 2, 3)))
    >>> file.read("a clip").shape
    torch.Size([5, 2, 3])
    """

    def __init__(self, path, frame_shape):
        self.data = Path(f"{path}.f16")
        self.index = Path(f"{path}.index")
        self.seal = Path(f"{path}.seal")
        self.frame_shape = tuple(frame_shape)
        self.frame_bytes = 2 * int(np.prod(self.frame_shape))
        self.clips = {}  # ID -> first frame, frames, checksum
        self._map = None

    # ---- what there is

    def is_sealed(self):
        """Whether both files are as they were when they were complete."""
        try:
            return json.loads(self.seal.read_text()) == self._state()
        except (OSError, ValueError):
            return False

    def load(self):
        """Finds out which clips are there, and whole."""
        self._map = None
        sealed = self.is_sealed()
        try:
            content = self.index.read_bytes()
            n_frames = os.path.getsize(self.data) // self.frame_bytes
        except OSError:
            content, n_frames = b"", 0
        clips = dict(filter(None, map(_parse, content.split(b"\n"))))
        self.clips = {
            utterance: (first, n, checksum)
            for utterance, (first, n, checksum) in clips.items()
            if first + n <= n_frames
            and (sealed or checksum == self._checksum(utterance, first, n))
        }

    def read(self, utterance):
        """The numbers of a clip, from the memory map.

        Arguments
        ---------
        utterance : str
            One of ``clips``.

        Returns
        -------
        torch.Tensor
            Half precision, shape [T, *frame_shape].
        """
        if utterance not in self.clips:
            raise SerMtlError(
                f"{self.data}: there are no levels of {utterance}; prepare() "
                "computes those of all clips of a fold."
            )
        first, n_frames, _ = self.clips[utterance]
        # a copy: nobody can change the file, and pages may go again
        return torch.from_numpy(self._frames(first, n_frames).copy())

    def _frames(self, first, n_frames):
        if self._map is None:
            # whole frames: after a kill there may be a part of one
            n = os.path.getsize(self.data) // self.frame_bytes
            shape = (n, *self.frame_shape)
            self._map = np.memmap(self.data, "<f2", mode="r", shape=shape)
        return self._map[first : first + n_frames]

    def _checksum(self, utterance, first, n_frames):
        return _checksum(utterance, self._frames(first, n_frames))

    def _state(self):
        """What changes when somebody writes: sizes and times."""
        stats = [os.stat(path) for path in (self.data, self.index)]
        return [[stat.st_size, stat.st_mtime_ns] for stat in stats]

    def __getstate__(self):
        # a memory map would be pickled with all that it maps
        return {**self.__dict__, "_map": None}

    # ---- writing

    @contextlib.contextmanager
    def writing(self):
        """For `append` within; leaves the files sealed.

        Cuts off first what is not a whole clip.
        """
        with contextlib.ExitStack() as stack:
            with disk_errors(self.data):
                self.data.parent.mkdir(parents=True, exist_ok=True)
                self._write_index()
                # unbuffered: a line must not be there before its numbers
                self._files = [
                    stack.enter_context(open(path, "ab", buffering=0))
                    for path in (self.data, self.index)
                ]
                self._end = max(
                    (first + n for first, n, _ in self.clips.values()),
                    default=0,
                )
                self._files[0].truncate(self._end * self.frame_bytes)
            self._map = None
            yield
            with disk_errors(self.data):
                for file in self._files:
                    os.fsync(file.fileno())
        with disk_errors(self.seal), atomic_write(self.seal) as file:
            json.dump(self._state(), file)

    def append(self, utterance, frames):
        """Writes a clip.

        Arguments
        ---------
        utterance : str
            Its ID.
        frames : numpy.ndarray
            Shape [T, *frame_shape], of at least one frame; half precision
            holds numbers up to 65504.
        """
        if frames.ndim != 3 or frames.shape[1:] != self.frame_shape:
            raise SerMtlError(
                f"{utterance}: levels of shape {frames.shape}, expected "
                f"[frames, {', '.join(map(str, self.frame_shape))}]."
            )
        if not len(frames):
            raise SerMtlError(f"{utterance}: the encoder gives no frame.")
        greatest = np.abs(frames).max()
        if not greatest <= np.finfo(np.float16).max:  # NaN is not, either
            raise SerMtlError(
                f"{utterance}: its levels reach {greatest}, beyond what half "
                "precision holds. Train without stored levels, or leave the "
                "level out that does (levels)."
            )
        frames = np.ascontiguousarray(frames, dtype="<f2")
        clip = self._end, len(frames), _checksum(utterance, frames)
        with disk_errors(self.data):
            _write_all(self._files[0], frames.tobytes())
            _write_all(self._files[1], _line(utterance, clip))
        self.clips[utterance] = clip
        self._end += len(frames)

    def _write_index(self):
        """The lines that count and no others."""
        content = b"".join(_line(*item) for item in self.clips.items())
        if not self.index.exists() or self.index.read_bytes() != content:
            with atomic_write(self.index) as file:
                file.write(content.decode())


def _line(utterance, clip):
    return json.dumps([utterance, *clip]).encode() + b"\n"


def _parse(line):
    """A clip's entry, or None where the line is damaged."""
    try:
        utterance, *clip = json.loads(line)
    except (ValueError, TypeError):
        return None
    whole = [type(n) is int and n >= 0 for n in clip]
    if type(utterance) is not str or whole != [True] * 3 or clip[1] == 0:
        return None
    return utterance, tuple(clip)


def _checksum(utterance, frames):
    # of the ID, too: a line with another name is another clip
    return zlib.crc32(
        np.ascontiguousarray(frames), zlib.crc32(utterance.encode())
    )


def _write_all(file, content):
    """A single write may take a part of it only."""
    content = memoryview(content)
    while len(content):
        content = content[file.write(content) :]
