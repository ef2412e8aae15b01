"""An encoder that is loaded only if something has to be computed with it."""

import functools
import hashlib
import inspect
import json
import os
import re
from pathlib import Path

import huggingface_hub
import torch

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.dataio.level_file import disk_errors
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.randomness import generator, untouched

ABOUT = (  # what a description holds
    "class",
    "checksum",
    "n_levels",
    "output_size",
    "frame_rate",
    "sample_rate",
    "frozen_shape",
    "is_trained",
)


class LazyEncoder:
    """Knows of an encoder what is needed to use its levels.

    What it knows is written down when the encoder is loaded for the first
    time: the checksum of weights of a gigabyte takes seconds, and so does
    loading them. It is valid for the same class and arguments, and as long as
    names, sizes and times of the files stay what they are: in each folder that
    an argument names, or for a name of the Hugging Face hub, in its local
    cache. (Of other files that a class may read it knows nothing.) Whenever the
    encoder is loaded, its checksum is held against the one written down.

    Arguments
    ---------
    build : callable
        Makes the encoder: ``!name:`` with its arguments in a YAML.
    folder : str or Path
        Where descriptions are kept.
    """

    def __init__(self, build, folder):
        self.build = build
        sources = sorted(set(_strings(describe(build))))
        recipe = [describe(build), [_files(name) for name in sources]]
        self.path = Path(folder) / f"{digest(recipe)}.json"
        self._encoder = None
        self.about = self._read()
        if self.about is None:
            self.about = _about(self.load())
            with disk_errors(self.path), atomic_write(self.path) as file:
                json.dump(self.about, file, indent=1)

    def load(self):
        """The encoder itself, in eval mode where nothing of it is trained."""
        if self._encoder is None:
            # a second run does not load it, and draws the same weights after
            with untouched():
                self._encoder = self.build()
            self._check()
        return self._encoder

    def forget(self):
        """Frees its memory; it can be loaded again."""
        self._encoder = None

    def _check(self):
        encoder = self._encoder
        if not any(p.requires_grad for p in encoder.parameters()):
            encoder.eval()
        known = getattr(self, "about", None)
        if known and known["checksum"] != encoder.checksum():
            self.path.unlink(missing_ok=True)
            raise SerMtlError(
                f"{known['class']}: other weights than those that {self.path} "
                "describes, with the same arguments and files. The description "
                "is deleted now; run the same command again."
            )

    def _read(self):
        try:
            about = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        whole = isinstance(about, dict) and set(about) == set(ABOUT)
        return about if whole else None


def _about(encoder):
    """What is written down of an encoder."""
    noise = torch.randn(
        1, encoder.sample_rate, generator=generator("lazy encoder")
    )
    device = next((p.device for p in encoder.parameters()), "cpu")
    with torch.no_grad():
        levels, lens = encoder.frozen(
            noise.to(device), torch.ones(1, device=device)
        )
    if levels.ndim != 4 or levels.shape[1] != 1 or lens.shape != (1,):
        raise SerMtlError(
            f"{type(encoder).__name__}: frozen() gave levels of shape "
            f"{list(levels.shape)} and lengths of shape {list(lens.shape)} for "
            "one clip; expected [L, 1, T, D] and [1]."
        )
    return {
        "class": _name(type(encoder)),
        "checksum": encoder.checksum(),
        "n_levels": encoder.n_levels,
        "output_size": encoder.output_size,
        "frame_rate": encoder.frame_rate,
        "sample_rate": encoder.sample_rate,
        "frozen_shape": [levels.shape[0], levels.shape[3]],
        "is_trained": any(p.requires_grad for p in encoder.parameters()),
    }


def describe(thing):
    """What an object of a YAML is, in JSON's types.

    Two objects with one description do the same, in the same version.

    Arguments
    ---------
    thing : object
        A value, a function, a class, ``functools.partial`` of one, or an
        object whose attributes are such things.

    Returns
    -------
    object

    Example
    -------
    >>> from ser_mtl_modules.dataio.trimming import trim_silence
    >>> describe(functools.partial(trim_silence, range_db=35.0))
    ['ser_mtl_modules.dataio.trimming.trim_silence', [], {'range_db': 35.0}]
    """
    if thing is None or isinstance(thing, (bool, int, float, str)):
        return thing
    if isinstance(thing, Path):
        return str(thing)
    if isinstance(thing, (list, tuple)):
        return [describe(part) for part in thing]
    if isinstance(thing, dict):
        return {str(key): describe(part) for key, part in thing.items()}
    if isinstance(thing, functools.partial):
        return [
            _name(thing.func), describe(thing.args), describe(thing.keywords)
        ]  # fmt: skip
    if inspect.ismethod(thing):
        return [_name(thing), describe(thing.__self__)]
    if hasattr(thing, "__qualname__"):
        return _name(thing)
    if hasattr(thing, "__dict__") and not torch.is_tensor(thing):
        return [_name(type(thing)), describe(vars(thing))]
    raise SerMtlError(
        f"{thing!r} can't be described, so nothing that depends on it can be "
        "kept on disk. Use functions, classes, and objects with plain settings."
    )


def digest(description):
    """A short name for a description."""
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _name(thing):
    name = f"{thing.__module__}.{thing.__qualname__}"
    if "<lambda>" in name or getattr(thing, "__closure__", None):
        raise SerMtlError(
            f"{name}: a function without a name, or made within another, "
            "can't be told from others; use one of a module."
        )
    return name


def _strings(description):
    if isinstance(description, str):
        yield description
    elif isinstance(description, dict):
        yield from _strings(list(description.values()))
    elif isinstance(description, list):
        for part in description:
            yield from _strings(part)


def _files(name):
    """Names, sizes and times of the files that a name may stand for."""
    path = Path(name).expanduser()
    if not path.exists() and re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        found = huggingface_hub.try_to_load_from_cache(name, "config.json")
        path = Path(found).parent if isinstance(found, str) else path
    if not path.exists():
        return []
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stats = [(file, os.stat(file)) for file in files if file.is_file()]
    return [[file.name, s.st_size, s.st_mtime_ns] for file, s in stats]
