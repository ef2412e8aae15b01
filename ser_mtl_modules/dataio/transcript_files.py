"""Transcripts that lie in a text file for each utterance."""

from concurrent.futures import ThreadPoolExecutor

from tqdm import tqdm

from ser_mtl_modules.dataio.transcripts import normalise
from ser_mtl_modules.errors import SerMtlError

AT_ONCE = 4096  # files that wait for a thread


def read_transcripts(paths):
    """Normalised text by the name of its file, suffix aside.

    Arguments
    ---------
    paths : list of Path
        Of text files, one utterance each.

    Returns
    -------
    dict of str to str

    Example
    -------
    >>> path = getfixture("tmp_path") / "clip.txt"
    >>> _ = path.write_text("I don't know.")
    >>> read_transcripts([path])
    {'clip': "I DON'T KNOW"}
    """
    texts = {}
    with ThreadPoolExecutor() as pool:
        # disable=None: no bar where the output is a file
        bar = tqdm(
            total=len(paths), desc="Transcripts", unit="file", disable=None
        )
        for i in range(0, len(paths), AT_ONCE):
            some = paths[i : i + AT_ONCE]
            for path, content in zip(some, pool.map(_read, some)):
                texts[path.stem] = normalise(content)
                bar.update()
        bar.close()
    return texts


def _read(path):
    """A file's text, in UTF-8 or as Windows wrote it."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SerMtlError(
            f"{path}: this transcript can't be read ({error.strerror})."
        ) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")
