"""A sweep's job makes room in the middle of training, and goes on later."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import train
from matplotlib.figure import Figure
from tiny_ravdess import RECIPE, arguments

import speechbrain as sb
from ser_mtl_modules.experiments.jobs import Jobs
from ser_mtl_modules.experiments.sweep import Sweep


def preempt(run, folder):
    """Sends SIGUSR1 to the job as soon as its training has a checkpoint."""
    while not list(run.folder.glob("save/CKPT*")):
        time.sleep(0.01)
    (file,) = folder.glob("*_submitted.pkl")
    controller = file.name.split("_")[0]  # starts the job's process
    children = Path(f"/proc/{controller}/task/{controller}/children")
    os.kill(int(children.read_text()), signal.SIGUSR1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_preempted_job_is_requeued_and_ends_as_an_undisturbed_run(
    tiny_ravdess, tmp_path, monkeypatch
):
    pytest.importorskip("submitit")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as in this process
    undisturbed = tmp_path / "undisturbed"
    flags = arguments(
        tiny_ravdess,
        undisturbed,
        "--auxiliary_tasks=[gender]",
        "--max_batch_duration=3",
        "--ckpt_interval_steps=2",  # the first one is soon there
    )
    # drawing, and a list of all packages, take longer than training
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: None)
    monkeypatch.setattr(
        sb.utils.logger, "get_environment_description", lambda: "none"
    )
    train.main([*flags, "--fold=1", "--seed=1986"])
    runs = Sweep(
        RECIPE / "hparams" / "mtl_fbank.yaml",
        [f for f in flags[1:] if not f.startswith("--output_folder")],
        seeds=[1986],
        folds=["1"],
        output=tmp_path / "sweep",
    )
    (run,) = runs.runs
    jobs = Jobs("local", {}, runs.root / "jobs")
    threading.Thread(target=preempt, args=(run, runs.root / "jobs")).start()
    runs.execute(executor=jobs)
    logs = (runs.root / "jobs").glob("*_log.*")
    said = "".join(path.read_text() for path in logs)
    assert "this job is preempted" in said and "Requeued job" in said
    log = (run.folder / "log.txt").read_text()
    assert "SIGUSR1 in epoch" in log and "Loading a checkpoint" in log
    for name in ("predictions.csv", "history.json"):
        expected = (undisturbed / name).read_bytes()
        assert (run.folder / name).read_bytes() == expected
