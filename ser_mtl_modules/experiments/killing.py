"""A command that gets SIGKILL, with all of its processes, and is run again.

What a command does is a function here, which runs in a process that is forked
from this one. So what this one has imported need not be imported again, which
would take most of the time.
"""

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import time
from multiprocessing import connection

FORK = multiprocessing.get_context("fork")
ENDED, KILLED, FAILED = "ended", "killed", "failed"


def run(main, log, n_ranks=1, seconds=None, gap=0.0):
    """Runs a function in a process of its own, and kills it after a while.

    Each rank is the first one of a group of processes, and killed with all of
    it. Ranks are told who they are as by ``torchrun``.

    Arguments
    ---------
    main : callable
        What to run.
    log : str or path-like
        Gets what is printed, after what is there.
    n_ranks : int
        How many processes run it together.
    seconds : float, optional
        After them it is killed; never by default.
    gap : float
        Seconds that a rank outlives the one before it.

    Returns
    -------
    str
        `ENDED`, `KILLED`, or `FAILED` if a process ended with an error.

    Example
    -------
    >>> log = getfixture("tmp_path") / "log"
    >>> run(lambda: print("done"), log), log.read_text()
    ('ended', 'done\\n')
    >>> run(lambda: time.sleep(9), log, seconds=0.1)
    'killed'
    """
    told = _environments(n_ranks)
    ranks = [
        FORK.Process(target=_begin, args=(main, log, environment))
        for environment in told
    ]
    try:
        for process in ranks:
            process.start()
            os.setpgid(process.pid, process.pid)  # before it can be killed
        if not _wait(ranks, seconds):
            return FAILED
    finally:
        _kill(ranks, gap)
    codes = {process.exitcode for process in ranks}
    return ENDED if codes == {0} else KILLED


def _environments(n_ranks):
    """What ``torchrun`` tells each of several ranks."""
    if n_ranks == 1:
        return [{}]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [
        {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(n_ranks),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        for rank in range(n_ranks)
    ]


def _begin(main, log, environment):
    os.setpgid(0, 0)
    os.environ.update(environment)
    sys.stdout = sys.stderr = file = open(log, "a", buffering=1)
    os.dup2(file.fileno(), 1)  # for what does not print by Python
    os.dup2(file.fileno(), 2)
    main()


def _wait(ranks, seconds):
    """Until all have ended, or time is up; False as soon as one failed."""
    until = None if seconds is None else time.monotonic() + seconds
    running = {process.sentinel: process for process in ranks}
    while running:
        left = None if until is None else max(until - time.monotonic(), 0)
        ended = connection.wait(list(running), left)
        if not ended:
            return True
        for sentinel in ended:
            process = running.pop(sentinel)
            process.join()
            if process.exitcode != 0:
                return False
    return True


def _kill(ranks, gap):
    for i, process in enumerate(ranks):
        if i:
            time.sleep(gap)
        with contextlib.suppress(ProcessLookupError):  # all of it has ended
            os.killpg(process.pid, signal.SIGKILL)
    for process in ranks:
        process.join()
