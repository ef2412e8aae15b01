"""Long recordings, heard in windows."""

import math

import numpy as np

from ser_mtl_modules.training.results import averaged


def spans(duration_s, window_s, overlap_s):
    """Where the windows of a recording start and stop.

    What fits into a window is one. Otherwise all windows are of one length,
    and spread evenly, so that neighbours overlap by ``overlap_s`` or more.

    Arguments
    ---------
    duration_s, window_s, overlap_s : float
        In seconds; the overlap is shorter than a window.

    Returns
    -------
    list of tuple
        Start and stop in seconds.

    Example
    -------
    >>> spans(8.0, 10.0, 2.0), spans(24.0, 10.0, 2.0)
    ([(0.0, 8.0)], [(0.0, 10.0), (7.0, 17.0), (14.0, 24.0)])
    """
    if duration_s <= window_s:
        return [(0.0, duration_s)]
    n = math.ceil((duration_s - overlap_s) / (window_s - overlap_s))
    step = (duration_s - window_s) / (n - 1)
    return [(i * step, min(i * step + window_s, duration_s)) for i in range(n)]


def combined(rows, seconds):
    """What is said of a recording, from what is said of its windows.

    Probabilities and embeddings are means over the windows, each weighed by
    the seconds that were heard of it, silence at its ends left out. The
    transcripts stand one behind the other: a word where windows overlap may
    be there twice.

    Arguments
    ---------
    rows : list of dict
        As ``SpeechModel.answers`` gives them.
    seconds : list of float
        Of each window.

    Returns
    -------
    dict
        As one of the rows.

    Example
    -------
    >>> one = {"prediction": "sad", "p_sad": 0.9, "p_calm": 0.1}
    >>> two = {"prediction": "calm", "p_sad": 0.0, "p_calm": 1.0}
    >>> combined([one, two], [1.0, 2.0])["prediction"]
    'calm'
    """
    row = averaged(rows, seconds)
    if "hypothesis" in row:
        texts = [part["hypothesis"] for part in rows]
        row = {**row, "hypothesis": " ".join(filter(None, texts))}
    if "embedding" in row:
        row = {
            **row,
            "embedding": row["embedding"] / np.linalg.norm(row["embedding"]),
        }
    return row
