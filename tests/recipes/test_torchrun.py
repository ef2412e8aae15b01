"""Two ranks as a user starts them; one dies, and the same command goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_ravdess import RECIPE, arguments, predictions

TORCHRUN = [
    sys.executable,
    *"-m torch.distributed.run --standalone --nproc_per_node=2".split(),
]


def start(flags):
    return subprocess.Popen(
        [*TORCHRUN, str(RECIPE / "train.py"), *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # no pip either, with which each rank would list all packages
        env={**os.environ, "OMP_NUM_THREADS": "1", "PATH": ""},
    )


def process_of(rank, parent):
    """The process that is this rank, by what torchrun told it."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    for child in map(int, children.split()):
        told = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        if b"RANK=%d" % rank in told:
            return child
    raise AssertionError(f"no rank {rank} among {children}")


@pytest.mark.slow
def test_a_rank_that_dies_is_named_and_the_command_goes_on(
    tiny_ravdess, tmp_path
):
    folder = tmp_path / "run"
    flags = arguments(
        tiny_ravdess,
        folder,
        "--distributed_backend=gloo",
        "--ckpt_interval_steps=1",
        "--number_of_epochs=2",
        "--max_batch_duration=12",
    )
    run = start(flags)
    while run.poll() is None and not list(folder.glob("save/CKPT*")):
        time.sleep(0.05)
    assert run.poll() is None, run.communicate()[1]
    os.kill(process_of(1, run.pid), signal.SIGKILL)
    _, errors = run.communicate()
    cause = errors.partition("Root Cause")[2]
    assert run.returncode != 0 and "rank      : 1 " in cause
    assert "Signal 9" in cause
    assert not (folder / "results.json").exists()

    run = start(flags)
    _, errors = run.communicate()
    assert run.returncode == 0, errors
    assert "Loading a checkpoint" in (folder / "log.txt").read_text()
    results = json.loads((folder / "results.json").read_text())
    history = json.loads((folder / "history.json").read_text())
    assert results["ranks"] == 2
    assert [record["epoch"] for record in history] == [1, 2]
    # the fold's test set: 4 actors with a clip of each of 8 emotions
    assert len({row["ID"] for row in predictions(folder)}) == 32
