"""SIGKILL at random points, and the same command again.

Three kills of one training by default; ``SER_MTL_KILLS=100`` shares as many
among all of the kill test's.
"""

import contextlib
import os

import pytest
from executors import Here

from ser_mtl_modules.experiments import kill_test


@pytest.mark.slow
def test_killed_runs_end_bit_for_bit_as_one_that_was_not(monkeypatch, capsys):
    # forked from here, where all is imported already
    here = contextlib.nullcontext([Here()])
    monkeypatch.setattr(kill_test, "warm_processes", lambda n: here)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    kills = os.environ.get("SER_MTL_KILLS")
    flags = [f"--kills={kills}"] if kills else ["--kills=3", "--only=workers"]
    assert kill_test.main(flags) == 0, capsys.readouterr().out
