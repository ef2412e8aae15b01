"""Sweeps, with a train.py that takes no time."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ser_mtl_modules.__main__ import app
from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments import report
from ser_mtl_modules.experiments.jobs import OUTPUT, Jobs
from ser_mtl_modules.experiments.sweep import Sweep, mapping
from ser_mtl_modules.training.settings import checksum

ROOT = Path(__file__).parents[2]
PROTOCOLS = ROOT / "recipes" / "RAVDESS" / "protocols.yaml"
YAML = """
card: ravdess-6fold-consecutive
fold: 1
seed: 1
output_folder: results
lr: 0.1
meets: 0
awaits: go
breaks: none
"""
# writes what a sweep reads, after each run's line in a common diary
TRAIN = """
import json, os, sys, time
from pathlib import Path

from ruamel.yaml import YAML

words = dict(arg[2:].split("=", 1) for arg in sys.argv[3:])
facts = {k: YAML(typ="safe").load(v) for k, v in words.items()}
with open("diary", "a") as diary:
    diary.write(f"{facts['fold']} {facts['seed']} {os.environ['OMP_NUM_THREADS']} {os.getppid()}\\n")
def due():
    begun = len(Path("diary").read_text().splitlines())
    return begun >= facts.get("meets", 0) and Path(facts.get("awaits", ".")).exists()

for _ in range(6000):  # a minute until as many have begun, and a file is there
    if due():
        break
    time.sleep(0.01)
else:
    sys.exit("waited in vain")
if facts.get("breaks") == facts["fold"] and not Path("mended").exists():
    sys.exit("out of paper")
folder = Path(facts["output_folder"])
folder.mkdir(exist_ok=True)
(folder / "results.json").write_text(json.dumps({
    "schema": 2,
    "yaml": Path(sys.argv[1]).name,
    "card": facts.get("card", "ravdess-6fold-consecutive"),
    "checksums": json.loads(Path("checksums").read_text()),
    "precision": facts.pop("precision", "fp32"),
    "overrides": facts,
    "metrics": {"test": {"emotion": {"UA": 50 + int(facts["fold"])}}},
}))
"""


@pytest.fixture
def recipe(tmp_path):
    folder = tmp_path / "RAVDESS"
    (folder / "hparams").mkdir(parents=True)
    (folder / "hparams" / "fast.yaml").write_text(YAML)
    (folder / "train.py").write_text(TRAIN)
    (folder / "protocols.yaml").write_text(PROTOCOLS.read_text())
    card = load_card(PROTOCOLS, "ravdess-6fold-consecutive")
    yaml = checksum(folder / "hparams" / "fast.yaml")
    known = {"card": card.checksum, "yaml": yaml}
    (folder / "checksums").write_text(json.dumps(known))
    return folder


def sweep(recipe, *flags, seeds=(1,), **settings):
    yaml = recipe / "hparams" / "fast.yaml"
    return Sweep(yaml, flags, seeds=seeds, **settings)


def diary(recipe):
    """Fold and seed of each run that was begun."""
    lines = (recipe / "diary").read_text().splitlines()
    return sorted(tuple(map(int, line.split()[:2])) for line in lines)


def everything(folds, seeds):
    return sorted((fold, seed) for fold in folds for seed in seeds)


def test_all_folds_with_all_seeds_where_a_report_finds_them(recipe):
    runs = sweep(recipe, seeds=[1, 2])
    runs.execute()
    assert diary(recipe) == everything(range(1, 7), [1, 2])
    found = sorted(runs.root.rglob("results.json"))
    assert runs.root == recipe / "results/fast/ravdess-6fold-consecutive"
    names = [str(f.parent.relative_to(runs.root)) for f in found]
    assert names[:2] == ["fold-1/seed-1", "fold-1/seed-2"]
    assert len(names) == 12


def test_what_is_finished_is_not_run_again(recipe):
    sweep(recipe, folds=["2", "5"]).execute()
    sweep(recipe, folds=["5", "2", "1"], seeds=[1, 3]).execute()
    assert diary(recipe) == everything([1, 2, 5], [1, 3])


def test_a_failed_run_stops_no_other_and_only_it_is_tried_again(recipe):
    with pytest.raises(SerMtlError, match="1 of 6 runs failed") as error:
        sweep(recipe, "--breaks=3").execute(jobs=2)
    assert "out of paper" in str(error.value)
    assert f"fold-3/seed-1/{OUTPUT}" in str(error.value)
    (recipe / "mended").touch()
    runs = sweep(recipe, "--breaks=3")
    runs.execute()
    assert diary(recipe) == sorted([*everything(range(1, 7), [1]), (3, 1)])
    assert [run.score() for run in runs.runs] == [51, 52, 53, 54, 55, 56]


def test_an_earlier_stage_is_run_before_and_the_later_only_after_it(recipe):
    yaml = recipe / "hparams" / "later.yaml"
    earlier = "earlier_yaml: hparams/fast.yaml\nearlier_folder: none\n"
    yaml.write_text(YAML + earlier)
    runs = Sweep(yaml, ["--breaks=1"], seeds=[1], folds=["1"])
    with pytest.raises(SerMtlError, match="out of paper"):
        runs.execute()
    assert diary(recipe) == [(1, 1)]
    (recipe / "mended").touch()
    runs.execute()
    assert diary(recipe) == [(1, 1)] * 3
    written = sorted(
        runs.root.rglob("results.json"), key=lambda f: f.stat().st_mtime_ns
    )
    folder = runs.runs[0].folder
    assert [f.parent for f in written] == [folder / "earlier", folder]
    found = [json.loads(f.read_text()) for f in written]
    assert [r["yaml"] for r in found] == ["fast.yaml", "later.yaml"]
    assert "earlier_folder" not in found[0]["overrides"]
    assert found[1]["overrides"]["earlier_folder"] == str(folder / "earlier")


def test_jobs_run_at_once_and_share_the_cores(recipe, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    sweep(recipe, "--meets=4", folds=["1", "2", "3", "4"]).execute(jobs=4)
    lines = (recipe / "diary").read_text().splitlines()
    share = str(max(1, os.cpu_count() // 4))
    assert [line.split()[2] for line in lines] == [share] * 4


def test_runs_of_another_experiment_are_not_counted(recipe):
    sweep(recipe, "--lr=0.2", folds=["1"], output=recipe / "out").execute()
    with pytest.raises(SerMtlError, match="another overrides.*0.2.*--output"):
        sweep(recipe, "--lr=0.3", folds=["1"], output=recipe / "out")
    # where the data lies changes no score
    results = recipe / "out/fold-1/seed-1/results.json"
    content = json.loads(results.read_text())
    content["overrides"] = {"lr": 0.2, "data_folder": "/elsewhere"}
    results.write_text(json.dumps(content))
    sweep(recipe, "--lr=0.2", folds=["1"], output=recipe / "out")
    for changes, expected in [
        (
            {"card": "older", "yaml": content["checksums"]["yaml"]},
            "of its card",
        ),
        (
            {"card": content["checksums"]["card"], "yaml": "older"},
            "of its yaml",
        ),
    ]:
        results.write_text(json.dumps({**content, "checksums": changes}))
        with pytest.raises(SerMtlError, match=f"another content {expected}"):
            sweep(recipe, "--lr=0.2", folds=["1"], output=recipe / "out")


def test_another_precision_is_another_experiment(recipe):
    sweep(recipe, "--precision=bf16", folds=["1"]).execute()
    sweep(recipe, "--precision=bf16", folds=["1", "2"]).execute()
    with pytest.raises(
        SerMtlError, match="precision: bf16, and fp32 is wanted"
    ):
        sweep(recipe, folds=["1"])
    assert diary(recipe) == [(1, 1), (2, 1)]


def test_a_mistake_is_told_before_anything_runs(recipe):
    for flags, settings, expected in [
        (["--lrr=1"], {}, "no such key 'lrr'.*'lr'"),
        (["--fold=2"], {}, "--fold is set by the sweep"),
        ([], {"folds": ["7"]}, "no fold 7 in ravdess-6fold-consecutive"),
    ]:
        with pytest.raises(SerMtlError, match=expected):
            sweep(recipe, *flags, **settings)
    with pytest.raises(SerMtlError, match="no train.py in"):
        Sweep(recipe.parent / "nowhere/x.yaml", [], seeds=[1])
    with pytest.raises(SerMtlError, match="no such file"):
        Sweep(recipe / "hparams" / "slow.yaml", [], seeds=[1])
    assert not (recipe / "diary").exists()


def test_a_killed_sweep_goes_on_and_none_joins_runs_it_left(recipe):
    code = (
        "import sys; from ser_mtl_modules.experiments.sweep import Sweep; "
        "Sweep(sys.argv[1], ['--awaits=go'], seeds=[1]).execute()"
    )
    yaml = recipe / "hparams" / "fast.yaml"
    process = subprocess.Popen([sys.executable, "-c", code, yaml])
    while not (recipe / "diary").exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    # its run lives on
    with pytest.raises(SerMtlError, match="another sweep is at work"):
        sweep(recipe, "--awaits=go").execute()
    (recipe / "go").touch()
    runs = sweep(recipe, "--awaits=go")
    while runs.runs[0].score() is None:
        time.sleep(0.05)
    (recipe / "diary").unlink()
    while True:
        with contextlib.suppress(SerMtlError):  # while that run's process ends
            runs.execute(jobs=6)
            break
        time.sleep(0.05)
    assert diary(recipe) == everything(range(2, 7), [1])


def test_a_terminal_gets_a_table_and_a_file_lines(recipe):
    runs = sweep(recipe, folds=["1", "2"], seeds=[1, 2])
    terminal = Console(force_terminal=True, width=80, record=True)
    with terminal.capture() as shown:
        runs.execute(console=terminal)
    assert "seed 2" in shown.get() and "52.00" in shown.get()
    again = sweep(recipe, folds=["1", "2", "3"])
    plain = Console(width=80)
    with plain.capture() as shown:
        again.execute(console=plain)
    assert shown.get() == "fold 3, seed 1: 53.00\n"


# ---- as jobs

# what submitit calls of SLURM; jobs begin when there is a file "open"
SLURM = {
    "sbatch": """
id=$(ls "$FAKE" | grep -c sh)
cp "$1" "$FAKE/$id.sh"
scontrol requeue $id
echo "Submitted batch job $id"
""",
    "scontrol": """
export SLURM_JOB_ID=$2
(until [ -e "$FAKE/open" ]; do sleep 0.05; done; . "$FAKE/$2.sh") \\
    >"$FAKE/$2.log" 2>&1 &
""",
    "srun": 'shift 5; exec "$@"',  # of five options, two with a value
    "sacct": """
echo "JobID|State|NodeList"
for script in "$FAKE"/*.sh; do echo "$(basename $script .sh)|PENDING|"; done
""",
}


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder with the scripts of jobs that were submitted, by number."""
    pytest.importorskip("submitit")
    programs, folder = tmp_path / "bin", tmp_path / "slurm"
    programs.mkdir()
    folder.mkdir()
    for name, text in SLURM.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("FAKE", str(folder))
    return folder


def jobs(runs, cluster, n_at_once=None, **resources):
    return Jobs(cluster, resources, runs.root / "jobs", n_at_once)


def wait_for(path):
    while not path.exists():
        time.sleep(0.05)


def test_runs_are_jobs_of_slurm_that_get_what_was_asked_for(recipe, slurm):
    runs = sweep(recipe, folds=["1", "2"])
    asked = {"slurm_partition": "gpu", "timeout_min": 240, "gpus_per_node": 1}
    (slurm / "open").touch()
    runs.execute(executor=jobs(runs, "slurm", **asked))
    assert diary(recipe) == [(1, 1), (2, 1)]
    scripts = sorted(slurm.glob("*.sh"))
    assert len(scripts) == 2
    for script in scripts:
        lines = script.read_text().splitlines()
        for flag in (
            "partition=gpu",
            "time=240",
            "gpus-per-node=1",
            "signal=USR1@90",
        ):
            assert f"#SBATCH --{flag}" in lines


def test_a_sweep_finds_the_jobs_that_one_before_it_left(recipe, slurm):
    before = sweep(recipe, folds=["2"])
    left = jobs(before, "slurm").executor
    left.submit(before._training(before.runs[0], 1))
    runs = sweep(recipe, folds=["1", "2", "3"])
    console = Console(width=80)
    (slurm / "open").touch()
    with console.capture() as shown:
        runs.execute(console=console, executor=jobs(runs, "slurm"))
    assert "fold 2, seed 1: job 0\n" in shown.get()
    assert diary(recipe) == [(1, 1), (2, 1), (3, 1)]
    assert len(list(slurm.glob("*.sh"))) == 3


@pytest.mark.parametrize("cluster", ["slurm", "local"])
def test_a_preempted_job_is_requeued(recipe, slurm, cluster):
    runs = sweep(recipe, "--awaits=go", folds=["4"])
    (slurm / "open").touch()

    def preempt():
        wait_for(recipe / "diary")
        begun = (recipe / "diary").read_text().split()
        os.kill(int(begun[3]), signal.SIGUSR1)  # the job's process
        (recipe / "go").touch()

    threading.Thread(target=preempt).start()
    runs.execute(executor=jobs(runs, cluster))
    assert diary(recipe) == [(4, 1)] * 2
    assert runs.runs[0].score() == 54


def test_a_failed_job_stops_no_other_and_only_it_is_tried_again(recipe):
    pytest.importorskip("submitit")
    runs = sweep(recipe, "--breaks=3", folds=["2", "3"])
    with pytest.raises(SerMtlError, match="1 of 2 runs failed") as error:
        runs.execute(executor=jobs(runs, "local", n_at_once=2))
    assert "out of paper" in str(error.value)
    (recipe / "mended").touch()
    runs.execute(executor=jobs(runs, "local"))
    assert diary(recipe) == [(2, 1), (3, 1), (3, 1)]


def test_a_job_that_was_killed_has_failed(recipe, monkeypatch):
    submitit = pytest.importorskip("submitit")
    monkeypatch.setattr(submitit.LocalJob, "_results_timeout_s", 0)
    runs = sweep(recipe, "--awaits=go", folds=["1"])

    def kill():
        wait_for(recipe / "diary")
        begun = (recipe / "diary").read_text().split()
        os.kill(int(begun[3]), signal.SIGKILL)
        (recipe / "go").touch()

    threading.Thread(target=kill).start()
    with pytest.raises(SerMtlError, match="broke off"):
        runs.execute(executor=jobs(runs, "local"))


def test_what_a_job_can_not_have_is_told_before_it_is_submitted(
    recipe, monkeypatch
):
    pytest.importorskip("submitit")
    runs = sweep(recipe)
    for cluster, resources, expected in [
        ("local", {"slurm_partitions": "gpu"}, "'partitions'.*partition"),
        ("local", {"timeout_min": "long"}, "timeout_min.*int"),
        ("local", {"tasks_per_node": 2}, "--nproc"),
        ("slurm", {}, "--executor slurm.*srun.*--executor local"),
    ]:
        monkeypatch.setattr("shutil.which", lambda name: None)
        with pytest.raises(SerMtlError, match=f"(?s){expected}"):
            jobs(runs, cluster, **resources)
    with pytest.raises(SerMtlError, match="expected names and values"):
        mapping("gpu", "--resources")


def test_without_submitit_it_says_how_to_get_it(recipe, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(SerMtlError, match=r"pip install 'ser-mtl\[slurm\]'"):
        jobs(sweep(recipe), "slurm")


def test_several_processes_of_a_run_are_started_by_torchrun(recipe):
    runs = sweep(recipe, n_ranks=2)
    (command,) = runs.commands(runs.runs[0])
    launcher = command[1 : command.index("train.py")]
    assert "--nproc_per_node=2" in launcher
    assert any("SIGUSR1" in word for word in launcher)  # goes to the ranks


def test_the_command_makes_jobs_of_runs(recipe, monkeypatch):
    pytest.importorskip("submitit")
    monkeypatch.setattr(report, "report_on", lambda folders: folders)
    monkeypatch.setattr(report, "as_table", lambda folders: "its report")

    def call(*flags):
        yaml = str(recipe / "hparams" / "fast.yaml")
        return CliRunner().invoke(app, ["sweep", yaml, "--folds=1", *flags])

    asked = "--resources={timeout_min: 5}"
    assert "give --executor" in str(call(asked).exception)
    result = call(asked, "--executor=local", "--seeds=1,2", "--jobs=2")
    assert result.exit_code == 0, result.output
    assert "seed 2: job" in result.output and "its report" in result.output
    assert diary(recipe) == [(1, 1), (1, 2)]
