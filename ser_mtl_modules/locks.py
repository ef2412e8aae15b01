"""One process at a time."""

import contextlib
import fcntl
import logging

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def locked(path, waiting_for=None):
    """Holds a lock that other processes see; the kernel lets go if this ends.

    Arguments
    ---------
    path : str or path-like
        The lock's file, which is made and stays.
    waiting_for : str, optional
        Who has the lock, for the log while this process waits. Without it,
        nobody waits.

    Yields
    ------
    file object
        Whose descriptor, in a child that inherits it, keeps the lock.

    Raises
    ------
    BlockingIOError
        If another process has the lock, and there is no ``waiting_for``.

    Example
    -------
    >>> path = getfixture("tmp_path") / "lock"
    >>> with locked(path):
    ...     try:
    ...         with locked(path):
    ...             print("two at a time")
    ...     except BlockingIOError:
    ...         print("one")
    one
    """
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting_for is None:
                raise
            logger.info(f"{path}: waiting for {waiting_for}.")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file
