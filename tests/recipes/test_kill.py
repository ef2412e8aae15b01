"""SIGKILL at random points, and the same command again.

Three kills by default; ``SER_MTL_KILLS=10`` asks for more.
"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from tiny_ravdess import RECIPE, arguments, predictions

COMMAND = [sys.executable, str(RECIPE / "train.py")]


def run(flags, kill_after=None):
    """Trains in a process of its own; says whether it came to its end."""
    process = subprocess.Popen(
        [*COMMAND, *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if kill_after is not None:
        log = flags[2].partition("=")[2]
        # starting Python takes longer than training: count from the log on
        while process.poll() is None and not os.path.exists(f"{log}/save"):
            time.sleep(0.02)
        time.sleep(kill_after)
        process.send_signal(signal.SIGKILL)
    return process.wait() == 0


@pytest.mark.slow
def test_killed_runs_end_bit_for_bit_as_one_that_was_not(
    tiny_ravdess, tmp_path
):
    n_kills = int(os.environ.get("SER_MTL_KILLS", 3))
    rng = random.Random(1986)
    flags = ["--number_of_epochs=4", "--ckpt_interval_steps=1"]
    unbroken = arguments(tiny_ravdess, tmp_path / "unbroken", *flags)
    started = time.monotonic()
    assert run(unbroken)
    seconds = time.monotonic() - started
    broken = arguments(tiny_ravdess, tmp_path / "broken", *flags)
    finished = False
    for _ in range(n_kills):
        finished = run(broken, kill_after=rng.uniform(0, seconds / 3))
    if not finished:
        assert run(broken)
    assert predictions(tmp_path / "broken") == predictions(
        tmp_path / "unbroken"
    )
