"""The audio files of a corpus, one of each name, and what the names say."""

from ser_mtl_modules.errors import SerMtlError, shortlist
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)

SUFFIXES = (".wav", ".flac")


def audio_files(data_folder, pattern):
    """All audio that fits a pattern, copies too.

    Arguments
    ---------
    data_folder : Path
        Where to look; hidden folders and files are left out.
    pattern : str
        As for ``Path.glob``, below the data folder.

    Yields
    ------
    Path
        In the order of depth, then of names.
    """
    n_above = len(data_folder.parts)

    def place(path):  # paths compare in this order, but slowly
        return len(path.parts), "\0".join(path.parts)

    for path in sorted(data_folder.glob(pattern), key=place):
        hidden = any(
            part.startswith((".", "__MACOSX")) for part in path.parts[n_above:]
        )
        if not hidden and path.suffix.lower() in SUFFIXES:
            yield path


def one_of_each_name(paths, name=lambda path: path.stem):
    """Leaves out copies, and says so: archives hold folders twice.

    Arguments
    ---------
    paths : iterable of Path
        Of files that have the same name, suffix aside, the first one counts.
    name : callable
        From a path to its name, where a file's own one doesn't tell clips
        apart.

    Returns
    -------
    list of Path
        Sorted by name.

    Example
    -------
    >>> from pathlib import Path
    >>> paths = [Path("wav/b.wav"), Path("wav/a.wav"), Path("copy/wav/b.wav")]
    >>> [path.as_posix() for path in one_of_each_name(paths)]
    ['wav/a.wav', 'wav/b.wav']
    """
    found = {}
    copies = []
    for path in paths:
        stem = name(path)
        if stem in found:
            copies.append(f"{path} (using {found[stem]})")
        found.setdefault(stem, path)
    if copies:
        logger.warning(
            f"{len(copies)} files are there more than once; one of each name "
            f"is used:\n{shortlist(copies, most=3)}"
        )
    return [found[stem] for stem in sorted(found)]


def read_names(files, parse_name, data_folder, corpus):
    """What the names of all files say.

    Arguments
    ---------
    files : list of Path
        Of utterances.
    parse_name : callable
        From a path to columns of the manifest; raises a `SerMtlError` where
        the corpus has no such name.
    data_folder : Path
        For messages.
    corpus : str
        For messages.

    Returns
    -------
    list of dict
        What ``parse_name`` gave, in the order of the files.

    Raises
    ------
    SerMtlError
        With all names that are wrong.
    """
    clips, wrong = [], []
    for path in files:
        try:
            clips.append(parse_name(path))
        except SerMtlError as error:
            wrong.append(str(error))
    if wrong:
        raise SerMtlError(
            f"{len(wrong)} files below {data_folder} are not named as in "
            f"{corpus}:\n{shortlist(wrong)}\nRename them as they are in "
            f"the archive, or remove what does not belong there."
        )
    return clips
