"""A training that is asked to make room for others."""

import os
import signal

EXIT_CODE = os.EX_TEMPFAIL  # of a process that left, and can be started again


class Notice:
    """Whether this process was told to make room, by SIGUSR1.

    Within ``with`` the signal is noted, and ends nothing. Outside it does
    what it does anywhere, which is to end the process.

    Example
    -------
    >>> with Notice() as notice:
    ...     os.kill(os.getpid(), signal.SIGUSR1)
    ...     print(notice.given)
    True
    """

    def __init__(self):
        self.given = False

    def __enter__(self):
        self._before = signal.signal(signal.SIGUSR1, self._note)
        return self

    def __exit__(self, *error):
        signal.signal(signal.SIGUSR1, self._before)

    def _note(self, signal_number, frame):
        self.given = True
