"""The one error type that users see."""

import difflib


class SerMtlError(Exception):
    """A user's mistake, or something wrong with the data.

    Its message says what is wrong, where (file, line or key), what was
    expected, and what to do. ``train.py`` and the command line print it
    without a traceback and exit with 2.
    """


def nearest(name, known):
    """Words for an unknown name: the nearest known one, and all of them.

    Arguments
    ---------
    name : str
        What was asked for.
    known : iterable of str
        What there is.

    Returns
    -------
    str
        To be appended to an error message.

    Example
    -------
    >>> nearest("sede", ["fold", "seed"])
    "Did you mean 'seed'? Known: fold, seed."
    """
    known = [str(k) for k in known]
    close = difflib.get_close_matches(str(name), known, n=1)
    guess = f"Did you mean '{close[0]}'? " if close else ""
    return f"{guess}Known: {', '.join(known)}."
