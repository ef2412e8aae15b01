"""What the kill test notices, with trainings that are no trainings."""

import json
import time
from multiprocessing.sharedctypes import RawArray
from types import SimpleNamespace

import pytest
from executors import Here
from tqdm import tqdm

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.experiments import kill_test, killing
from ser_mtl_modules.training.results import SCHEMA

N_STEPS = 10


def finish(output, learned):
    (output / "predictions.csv").write_text(f"ID,p\na,{learned}\n")
    results = {"schema": SCHEMA, "metrics": {}, "seconds": time.monotonic()}
    with atomic_write(output / "results.json") as file:
        json.dump(results, file)


def safe(output, phase):
    """Saves a step and what it learned in one instant."""
    state = output / "state"
    if state.exists():
        step, learned = map(int, state.read_text().split())
    else:
        step, learned = 0, 1
    while step < N_STEPS:
        phase.value = b"training"
        time.sleep(0.01)
        step, learned = step + 1, (31 * learned + step) % 10007
        phase.value = b"saving"
        with atomic_write(state) as file:
            file.write(f"{step} {learned}")
    finish(output, learned)


def unsafe(output, phase):
    """Saves what it learned, and later on how far it was."""
    paths = [output / "step", output / "learned"]
    step, learned = (int(p.read_text()) if p.exists() else 0 for p in paths)
    while step < N_STEPS:
        step, learned = step + 1, (31 * learned + step) % 10007
        with atomic_write(paths[1]) as file:
            file.write(str(learned))
        time.sleep(0.01)
        with atomic_write(paths[0]) as file:
            file.write(str(step))
    finish(output, learned)


def only_once(output, phase):
    """Does not go on from what it left."""
    (output / "begun").mkdir()
    time.sleep(0.1)
    finish(output, 1)


@pytest.fixture
def kill(tmp_path, monkeypatch):
    """A function that kills one of the above, and gives the tally."""

    def kill(training, n_kills=12):
        def train(arguments, phase):
            output = tmp_path / arguments[0]
            output.mkdir(exist_ok=True)
            training(output, phase)

        monkeypatch.setattr(kill_test, "train", train)
        scenario = SimpleNamespace(
            name="no training",
            n_ranks=1,
            commands=lambda root, folder: [[folder / "output"]],
        )
        test = kill_test.KillTest(scenario, tmp_path, [Here()], seed=1)
        return test.execute(n_kills, tqdm(disable=True))

    return kill


def test_one_that_saves_in_one_instant_passes(kill, tmp_path):
    tally = kill(safe)
    assert tally.phases.total() == tally.n_restarts == 12
    assert set(tally.phases) <= {"starting", "training", "saving"}
    assert tally.n_finished >= 1 and not tally.wrong
    kept = [path.name for path in (tmp_path / "no training").iterdir()]
    assert kept == ["undisturbed"]


def test_one_that_does_a_step_twice_is_found_and_kept(kill, tmp_path):
    tally = kill(unsafe)
    assert tally.wrong and "output/predictions.csv differ" in tally.wrong[0]
    folder = tally.wrong[0].partition(":")[0]
    assert folder.startswith(str(tmp_path))
    assert (tmp_path / folder / "output" / "predictions.csv").exists()


def test_one_that_fails_after_a_kill_is_found(kill):
    tally = kill(only_once)
    assert tally.wrong and "failed, see said.txt" in tally.wrong[0]


def test_phases_are_those_of_what_is_at_work(tmp_path):
    phase = RawArray("c", 32)

    class Brain:
        def fit(self):
            print(phase.value.decode())
            self._fit_valid()
            print(phase.value.decode())

        def _fit_valid(self):
            print(phase.value.decode())

        def evaluate(self):
            raise KeyError

    script = SimpleNamespace(
        MultiTaskBrain=Brain, open_fold=print, finish=print
    )

    def main():  # in a process of its own, as classes are changed
        phase.value = b"starting"
        kill_test.tell(script, phase)
        Brain().fit()
        with pytest.raises(KeyError):
            Brain().evaluate()
        print(phase.value.decode())

    assert killing.run(main, tmp_path / "log") == killing.ENDED
    assert (tmp_path / "log").read_text().split() == [
        "training", "validating", "training", "starting"
    ]  # fmt: skip


def test_a_stage_is_told_where_the_one_before_it_is(tmp_path):
    (stages,) = (s for s in kill_test.SCENARIOS if s.name == "stages")
    first, second = stages.commands(tmp_path, tmp_path / "run")
    output = tmp_path / "run" / "ari_stage1"
    assert f"--output_folder={output}" in first
    assert f"--earlier_folder={output}" in second
