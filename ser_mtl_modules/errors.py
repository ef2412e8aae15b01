"""The one error type that users see."""

import contextlib
import difflib
import importlib
import sys


class SerMtlError(Exception):
    """A user's mistake, or something wrong with the data.

    Its message says what is wrong, where (file, line or key), what was
    expected, and what to do. ``train.py`` and the command line print it
    without a traceback and exit with 2.
    """


@contextlib.contextmanager
def said_plainly():
    """Ends a script with the message of a user's mistake, and exit code 2.

    Example
    -------
    >>> try:
    ...     with said_plainly():
    ...         raise SerMtlError("a.yaml: there is no such file.")
    ... except SystemExit as end:
    ...     end.code
    2
    """
    try:
        yield
    except SerMtlError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)


def import_optional(package, extra, purpose):
    """A package that not everybody needs, or how to get it.

    Arguments
    ---------
    package : str
        To be imported.
    extra : str
        Of this package, which installs it.
    purpose : str
        What needs it: the beginning of the message.

    Returns
    -------
    module

    Raises
    ------
    SerMtlError
        If it can't be imported.

    Example
    -------
    >>> import_optional("torch", "slurm", "--executor").__name__
    'torch'
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise SerMtlError(
            f"{purpose} needs {package}, which can't be imported ({error}). "
            f"pip install 'ser-mtl[{extra}]' gets it."
        ) from None


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


def shortlist(items, most=20):
    """Words for many things: the first ones, a line each, and how many more.

    Arguments
    ---------
    items : list of str
        What is wrong, one thing an item.
    most : int
        So many are shown.

    Returns
    -------
    str
        Indented lines.

    Example
    -------
    >>> print(shortlist(["a.wav: empty", "b.wav: empty", "c.wav: empty"], 2))
      a.wav: empty
      b.wav: empty
      and 1 more
    """
    lines = list(items[:most])
    if len(items) > most:
        lines.append(f"and {len(items) - most} more")
    return "\n".join(f"  {line}" for line in lines)
