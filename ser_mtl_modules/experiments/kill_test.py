"""Small trainings get SIGKILL at random instants, and must not notice.

> python -m ser_mtl_modules.experiments.kill_test --kills 1000

There are four: log-mels with data workers, a frozen encoder whose levels are
stored, two stages, and two ranks (gloo), on sample corpora of RAVDESS and
EMODB. Each is trained once undisturbed. Then the same command is killed, with
all of its processes, and run again, until it ends; and what it answers is
compared with the undisturbed one bit for bit. That begins anew, in an empty
folder, until there were enough kills. A kill that comes after the end does not
count. A line for each training says what came out, and which phases were hit.

Runs are forked from two processes that have imported everything, by turns:
they differ in the order of their sets, as two starts of Python do. Pictures, and
the list of installed packages, would take longer than all else, and are left out.

Exit code 1 says that some run answered otherwise, or failed; its folder is kept
and named.
"""

import argparse
import contextlib
import functools
import importlib
import itertools
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.sharedctypes import RawArray
from pathlib import Path

import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from ser_mtl_modules.dataio.feature_cache import CachedLevels
from ser_mtl_modules.errors import SerMtlError, said_plainly
from ser_mtl_modules.experiments import killing, small
from ser_mtl_modules.scaffold.repository import RECIPES, need_recipes
from ser_mtl_modules.synthesis.emodb import write_emodb
from ser_mtl_modules.synthesis.ravdess import write_ravdess
from ser_mtl_modules.training.checkpoints import CrashSafeCheckpointer
from ser_mtl_modules.training.results import read_results
from speechbrain.utils import logger

# ---- what is trained

FLAGS = (
    "--noprogressbar",
    "--device=cpu",
    "--check_counts=False",
    "--ckpt_interval_steps=1",
    "--number_of_epochs=2",
    "--max_batch_size=8",
    "--feature_size=16",
)
LOG_MELS = (small.FBANK_ENCODER, small.EMOTION, small.SPEAKER)
STORED = ("--ssl_hub={encoder}", "--signal={folder: {folder}/features}")


@dataclass(frozen=True)
class Scenario:
    """A training that is killed.

    Arguments
    ---------
    name : str
        For ``--only`` and the table.
    corpus : str
        Of whose recipe it is.
    yamls : tuple of str
        In ``hparams``; each one is a stage of training after the one before.
    flags : tuple of str
        For all of them, with ``{encoder}`` and ``{folder}`` for where the small
        encoder and the run are.
    n_ranks : int
        How many processes train together.
    """

    name: str
    corpus: str
    yamls: tuple
    flags: tuple
    n_ranks: int = 1

    def commands(self, root, folder):
        """Arguments of train.py, by stage.

        Arguments
        ---------
        root : Path
            With the corpora and the encoder.
        folder : Path
            Gets all that the run writes.
        """
        given = [
            *FLAGS,
            f"--data_folder={root / self.corpus}",
            f"--manifest={folder / 'manifest.csv'}",
            *(
                flag.replace("{encoder}", str(root / "encoder")).replace(
                    "{folder}", str(folder)
                )
                for flag in self.flags
            ),
        ]
        hparams = RECIPES / self.corpus / "hparams"
        outputs = [folder / Path(yaml).stem for yaml in self.yamls]
        earlier = [[], *([f"--earlier_folder={path}"] for path in outputs)]
        return [
            [str(hparams / yaml), *given, f"--output_folder={output}", *more]
            for yaml, output, more in zip(self.yamls, outputs, earlier)
        ]


SCENARIOS = (
    Scenario(
        "workers",
        "RAVDESS",
        ("mtl_fbank.yaml",),
        (*LOG_MELS, "--num_workers=2"),
    ),
    Scenario(
        "stored levels",
        "EMODB",
        ("mtl_frozen.yaml",),
        (*STORED, small.EMOTION, small.SPEAKER),
    ),
    Scenario(
        "stages",
        "RAVDESS",
        ("ari_stage1.yaml", "ari_stage2.yaml"),
        (*STORED, small.INTEGRATION, "--frozen_layers=1"),
    ),
    Scenario(
        "ranks",
        "RAVDESS",
        ("mtl_fbank.yaml",),
        (*LOG_MELS, "--distributed_backend=gloo"),
        n_ranks=2,
    ),
)


def write_corpora(root):
    """Few clips of few words; two actors have all emotions to train on."""
    few = functools.partial(
        write_ravdess,
        root / "RAVDESS",
        sentences=["Kids see it", "We like snow"],
    )
    few(clips_per_speaker=1)
    few([9, 10], clips_per_speaker=15)
    write_emodb(root / "EMODB", clips_per_speaker=3)


def write_encoder(folder):
    """A small WavLM with random weights, as save_pretrained leaves it."""
    import transformers  # takes seconds, and the warm processes need it

    torch.manual_seed(1)
    config = transformers.WavLMConfig(**small.TRANSFORMER)
    transformers.WavLMModel(config).save_pretrained(folder)
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=False)
    extractor.save_pretrained(folder)


# ---- a run, in a process that has imported everything


def attempt(commands, n_ranks, log, seconds, gap):
    """Trains all stages, and kills what is at work when time is up.

    Arguments
    ---------
    commands : list of list of str
        Of `Scenario.commands`.
    n_ranks : int
        How many processes train together.
    log : Path
        Gets what they print.
    seconds : float
        Until the kill.
    gap : float
        Seconds that a rank outlives the one before it.

    Returns
    -------
    outcome : str
        As of `killing.run`.
    phase : str
        What the last stage was doing at the end.
    """
    until = time.monotonic() + seconds
    for arguments in commands:
        phase = RawArray("c", 32)  # shared with the process that trains
        phase.value = b"starting"
        outcome = killing.run(
            functools.partial(train, arguments, phase),
            log,
            n_ranks,
            max(until - time.monotonic(), 0),
            gap,
        )
        if outcome != killing.ENDED:
            break
    return outcome, phase.value.decode()


def train(arguments, phase):
    """As ``python train.py``; the first rank says in ``phase`` what it does."""
    script = importlib.import_module("train")
    Figure.savefig = lambda figure, path, **_: None
    logger.get_environment_description = lambda: "not listed"
    if os.environ.get("RANK", "0") == "0":
        tell(script, phase)
    try:
        script.main(arguments)
    except SerMtlError as error:
        sys.exit(f"Error: {error}")


def tell(script, phase):
    """Makes the parts of a training say which one is at work.

    Arguments
    ---------
    script : module
        train.py.
    phase : RawArray
        Gets the part's name.
    """
    brain, saves = script.MultiTaskBrain, CrashSafeCheckpointer
    for name, owner, function in (
        ("preparing the corpus", script, "open_fold"),
        ("storing levels", CachedLevels, "prepare"),
        ("training", brain, "fit"),
        ("loading", saves, "recover_if_possible"),
        ("validating", brain, "_fit_valid"),
        ("saving", saves, "save_checkpoint"),
        ("deleting", saves, "keep"),
        ("testing", brain, "evaluate"),
        ("writing results", script, "finish"),
    ):
        told = _telling(phase, name, getattr(owner, function))
        setattr(owner, function, told)


def _telling(phase, name, function):
    @functools.wraps(function)
    def told(*args, **kwargs):
        before, phase.value = phase.value, name.encode()
        try:
            return function(*args, **kwargs)
        finally:
            phase.value = before

    return told


# ---- a training, killed again and again

# results.json says of them what differs without any kill
NOT_COMPARED = {
    "seconds",
    "cpu_seconds",
    "peak_memory_mb",
    "overrides",  # have the names of folders
    "commit",  # somebody may commit meanwhile
}
FILES = ("predictions.csv", "speaker_trials.csv", "history.json")


def answers(folder):
    """What a finished training found out, by file.

    Arguments
    ---------
    folder : Path
        With the output folder of each stage in it.

    Returns
    -------
    dict
        Bytes of a file, and what `NOT_COMPARED` leaves of ``results.json``.
    """
    found = {}
    for path in folder.glob("*/*"):
        name = str(path.relative_to(folder))
        if path.name in FILES:
            found[name] = path.read_bytes()
        elif path.name == "results.json":
            results = read_results(path)
            kept = results.keys() - NOT_COMPARED
            found[name] = {field: results[field] for field in kept}
    return found


@dataclass
class Tally:
    """What came of a training's kills."""

    phases: Counter = field(default_factory=Counter)  # that were hit
    n_restarts: int = 0
    n_finished: int = 0
    wrong: list = field(default_factory=list)  # a sentence for each such run
    minutes: float = 0.0

    def line(self, name):
        """For the table that `main` prints.

        Example
        -------
        >>> tally = Tally(Counter(saving=2, training=1), 3, 1)
        >>> tally.line("workers").split()[:6]
        ['workers', '3', '3', '1', '0', '0.0']
        """
        counts = sum(self.phases.values()), self.n_restarts, self.n_finished
        hit = ", ".join(f"{p} {n}" for p, n in self.phases.most_common())
        return "".join(
            [f"{name:14}", *(f"{n:10,}" for n in (*counts, len(self.wrong)))]
            + [f"{self.minutes:10.1f}  {hit}"]
        )


HEADER = "".join(
    [f"{'training':14}"]
    + [f"{x:>10}" for x in ("kills", "restarts", "finished", "differing")]
    + [f"{'minutes':>10}  killed while"]
)
LOG = "said.txt"  # in a run's folder: what it printed
KILLS_PER_RUN = 30  # after so many a run is left alone
ENOUGH = 5  # runs that differ: more of them say nothing new


class KillTest:
    """Kills one training again and again.

    Arguments
    ---------
    scenario : Scenario
        What is trained.
    root : Path
        With the corpora and the encoder; gets the runs.
    warm : list of concurrent.futures.Executor
        Each of one process.
    seed : int
        Of the instants.
    """

    def __init__(self, scenario, root, warm, seed):
        self.scenario = scenario
        self.root = root
        self.warm = warm
        self.random = random.Random(f"{seed} {scenario.name}")
        self.tally = Tally()

    def execute(self, n_kills, bar):
        """Trains undisturbed, and then with kills.

        Arguments
        ---------
        n_kills : int
            How many have to land.
        bar : tqdm
            Advances with each.

        Returns
        -------
        Tally
        """
        began = time.monotonic()
        folder = self._folder("undisturbed")
        if self._attempt(folder, 3600) != killing.ENDED:
            raise SerMtlError(
                f"{folder}: this training does not end, and was not killed; "
                f"see {LOG} there."
            )
        self.seconds = time.monotonic() - began
        self.expected = answers(folder)
        for i in itertools.count(1):
            left = n_kills - self.tally.phases.total()
            if left <= 0 or len(self.tally.wrong) == ENOUGH:
                break
            folder = self._folder(f"run-{i}")
            outcome = self._disturb(folder, min(left, KILLS_PER_RUN), bar)
            self._judge(folder, outcome)
        self.tally.minutes = (time.monotonic() - began) / 60
        return self.tally

    def _folder(self, name):
        folder = self.root / self.scenario.name / name
        folder.mkdir(parents=True)
        return folder

    def _attempt(self, folder, seconds):
        """The outcome of the command, once more; counts a kill's phase."""
        gap = max(0.0, self.random.uniform(-0.3, 0.3))  # mostly none
        commands = self.scenario.commands(self.root, folder)
        outcome, phase = (
            self.random.choice(self.warm)
            .submit(
                attempt,
                commands,
                self.scenario.n_ranks,
                folder / LOG,
                seconds,
                gap,
            )
            .result()
        )
        if outcome == killing.KILLED:
            self.tally.phases[phase] += 1
        return outcome

    def _disturb(self, folder, n_kills, bar):
        """Kills a run until it ends, or is left alone: its last outcome."""
        for _ in range(n_kills):
            # rather early: what is behind a checkpoint isn't run again
            outcome = self._attempt(
                folder, self.seconds * self.random.random() ** 1.5
            )
            if outcome != killing.KILLED:
                return outcome
            self.tally.n_restarts += 1
            bar.update()
        return self._attempt(folder, 60 + 20 * self.seconds)

    def _judge(self, folder, outcome):
        """Compares a run, and deletes it if nothing is wrong with it."""
        if outcome != killing.ENDED:
            how = {killing.FAILED: "failed", killing.KILLED: "hung"}[outcome]
            self.tally.wrong.append(f"{folder}: {how}, see {LOG} there")
            return
        self.tally.n_finished += 1
        found = answers(folder)
        names = sorted({*found, *self.expected})
        differing = [n for n in names if found.get(n) != self.expected.get(n)]
        if differing:
            self.tally.wrong.append(f"{folder}: {', '.join(differing)} differ")
        else:
            shutil.rmtree(folder)


def import_all():
    """What takes long to import, before runs are forked."""
    # a run would import them for its encoder, optimizer and metrics
    for module in (
        "transformers.models.wavlm.modeling_wavlm",
        "torch._dynamo",
        "sklearn.metrics",
    ):
        importlib.import_module(module)
    sys.path.insert(0, str(RECIPES))
    importlib.import_module("train")


@contextlib.contextmanager
def warm_processes(n):
    """Executors of one process each, which has imported everything."""
    # not those of one executor: which of them gets a task is theirs to choose
    spawn = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        warm = [
            stack.enter_context(ProcessPoolExecutor(1, mp_context=spawn))
            for _ in range(n)
        ]
        for executor in warm:
            executor.submit(import_all).result()
        yield warm


def main(arguments):
    """Kills each training its share of times; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1986, help="of the kills")
    parser.add_argument(
        "--only", choices=[s.name for s in SCENARIOS], help="one training"
    )
    args = parser.parse_args(arguments)
    need_recipes(RECIPES)
    chosen = [s for s in SCENARIOS if args.only in (None, s.name)]
    root = Path(tempfile.mkdtemp(prefix="kill-test-"))
    write_corpora(root)
    write_encoder(root / "encoder")
    os.environ["OMP_NUM_THREADS"] = "1"  # of the processes to come
    tallies = {}
    with warm_processes(2) as warm, tqdm(total=args.kills, unit="kill") as bar:
        for i, scenario in enumerate(chosen):
            bar.set_description(scenario.name)
            share = (args.kills + i) // len(chosen)
            test = KillTest(scenario, root, warm, args.seed)
            tallies[scenario.name] = test.execute(share, bar)
    print(HEADER)
    for name, tally in tallies.items():
        print(tally.line(name))
    wrong = [line for tally in tallies.values() for line in tally.wrong]
    for line in wrong:
        print(line)
    if not wrong:
        shutil.rmtree(root)
    return int(bool(wrong))


if __name__ == "__main__":
    with said_plainly():
        sys.exit(main(sys.argv[1:]))
