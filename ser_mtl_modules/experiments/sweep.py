"""All folds and seeds of one experiment, each in a process of its own.

A sweep holds no state: what is finished is what has a ``results.json``. The
same command goes on after a kill, and runs that were cut off go on from their
last checkpoint. Where a YAML names an earlier stage, a run is both, one after
the other.
"""

import contextlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

import speechbrain as sb
from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.errors import SerMtlError, shortlist
from ser_mtl_modules.experiments.report import kept_overrides
from ser_mtl_modules.locks import locked
from ser_mtl_modules.training import settings
from ser_mtl_modules.training.results import flat, read_results

OUTPUT = "train.out"  # in a run's folder: what it said on the terminal
OWN_FLAGS = ("fold", "seed", "output_folder", "earlier_folder")


def numbers(text, flag):
    """Seeds as a user writes them.

    Example
    -------
    >>> numbers("1986,1987", "--seeds")
    [1986, 1987]
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise SerMtlError(
            f"{flag}={text}: expected whole numbers with commas between them."
        ) from None


@dataclass(frozen=True)
class Run:
    """One fold with one seed.

    Arguments
    ---------
    fold : str
        As the card calls it.
    seed : int
        Of the experiment.
    folder : Path
        Gets the run's output.
    """

    fold: str
    seed: int
    folder: Path

    def results(self):
        """What a finished run wrote; None of another."""
        path = self.folder / "results.json"
        return read_results(path) if path.exists() else None

    def score(self):
        """UA on test of a finished run, in per cent; None of another.

        Of a stage without emotion, the first score that there is.
        """
        results = self.results()
        return results and next(flat(results["metrics"]["test"]))[1]


class Sweep:
    """Folds and seeds of a YAML, with overrides.

    Arguments
    ---------
    yaml_file : str or path-like
        In the ``hparams`` of a recipe.
    flags : list of str
        For ``train.py``; not fold, seed and output folder.
    seeds : list of int
        Each of them runs on each fold.
    folds : list of str, optional
        Those of the card; all by default.
    output : str or path-like, optional
        The folder of the sweep, which is one row of a report; by default
        ``results/<yaml>/<card>`` in the recipe. Runs lie in
        ``fold-<fold>/seed-<seed>`` there.

    Raises
    ------
    SerMtlError
        If a flag is not in the YAML, the card has no such fold, or runs of
        another experiment are in the folder.
    """

    def __init__(self, yaml_file, flags, seeds, folds=None, output=None):
        self.yaml = Path(yaml_file).absolute()
        self.recipe = self.yaml.parents[1]
        self.flags = list(flags)
        if not (self.recipe / "train.py").is_file():
            raise SerMtlError(
                f"{yaml_file}: there is no train.py in {self.recipe}. Give a "
                "YAML in the hparams of a recipe, such as "
                "recipes/RAVDESS/hparams/mtl_frozen.yaml."
            )
        if not self.yaml.is_file():
            raise SerMtlError(f"{yaml_file}: there is no such file.")
        _, run_opts, text = sb.parse_arguments([str(self.yaml), *self.flags])
        self.precision = run_opts["precision"]
        overrides = settings.parse(text)
        if own := [flag for flag in OWN_FLAGS if flag in overrides]:
            raise SerMtlError(
                f"--{own[0]} is set by the sweep for each run. Choose with "
                "--folds, --seeds and --output."
            )
        options = settings.plain_settings(
            settings.override(self.yaml, overrides), later=settings.FOUND
        )
        self.overrides = settings.as_dict(overrides)
        self.earlier = options.get("earlier_yaml")
        self.card = load_card(self.recipe / "protocols.yaml", options["card"])
        self.root = Path(
            output or self.recipe / "results" / self.yaml.stem / options["card"]
        ).absolute()
        self.runs = [
            Run(fold, seed, self.root / f"fold-{fold}" / f"seed-{seed}")
            for seed in dict.fromkeys(seeds)
            for fold in self._chosen(folds)
        ]
        for run in self.runs:
            self._check(run)

    def _chosen(self, folds):
        there = list(self.card.folds)
        for fold in folds or ():
            if fold not in there:
                raise SerMtlError(
                    f"--folds: there is no fold {fold} in {self.card.name}, "
                    f"which has {', '.join(there)}."
                )
        return list(dict.fromkeys(folds or there))

    def _check(self, run):
        """Refuses to count a run of another experiment as one of ours."""
        found = run.results()
        if found is None:
            return
        theirs = {
            "yaml": found["yaml"],
            "content of its yaml": found["checksums"]["yaml"],
            "card": found["card"],
            "content of its card": found["checksums"]["card"],
            "overrides": kept_overrides(found["overrides"]),
            "precision": found["precision"],
        }
        ours = {
            "yaml": self.yaml.name,
            "content of its yaml": settings.checksum(self.yaml),
            "card": self.card.name,
            "content of its card": self.card.checksum,
            "overrides": kept_overrides(self.overrides),
            "precision": self.precision,
        }
        for name, wanted in ours.items():
            if theirs[name] != wanted:
                raise SerMtlError(
                    f"{run.folder} holds a finished run with another {name}: "
                    f"{theirs[name]}, and this sweep wants {wanted}. Give "
                    "another --output, or remove that run."
                )

    def commands(self, run):
        """The command lines of one run, for the recipe's folder.

        The last one is that of the run. One before it trains the stage that
        the YAML names as ``earlier_yaml``, in a folder within the run's, with
        those of the flags that this stage has, too.
        """
        yaml, flags = str(self.yaml.relative_to(self.recipe)), self.flags
        if self.earlier is None:
            return [self._command(yaml, flags, run, run.folder)]
        folder = run.folder / "earlier"
        common = settings.flags_for(self.recipe / self.earlier, flags)
        return [
            self._command(self.earlier, common, run, folder),
            self._command(
                yaml, [*flags, f"--earlier_folder={folder}"], run, run.folder
            ),
        ]

    @staticmethod
    def _command(yaml, flags, run, folder):
        return [
            sys.executable,
            "train.py",
            yaml,
            "--noprogressbar",
            *flags,
            f"--fold={run.fold}",
            f"--seed={run.seed}",
            f"--output_folder={folder}",
        ]

    def execute(self, jobs=1, console=None):
        """Runs what is not finished.

        Arguments
        ---------
        jobs : int
            Runs at a time. Each gets its share of the processor's cores,
            unless OMP_NUM_THREADS is set.
        console : rich.console.Console, optional
            Shows a live table, or a line for each run where it is not a
            terminal.

        Raises
        ------
        SerMtlError
            If runs failed, when all others are done, or if another sweep is
            at work in the folder.
        """
        console = console or Console()
        scores = {run: run.score() for run in self.runs}
        missing = [run for run, score in scores.items() if score is None]
        states = {
            run: "waits" if score is None else f"{score:.2f}"
            for run, score in scores.items()
        }
        failed = []
        with _alone(self.root) as lock, _Shown(self, states, console) as shown:

            def train(run):
                shown.change(run, "runs")
                return self._train(run, jobs, lock)

            pool = ThreadPoolExecutor(jobs)
            try:
                work = {pool.submit(train, run): run for run in missing}
                for done in as_completed(work):
                    run = work[done]
                    score = run.score()
                    if done.result() or score is None:
                        failed.append(run)
                        shown.change(run, "failed")
                    else:
                        shown.change(run, f"{score:.2f}")
            finally:  # after Ctrl-C, nothing new begins
                pool.shutdown(cancel_futures=True)
        if failed:
            lines = [f"{run.folder / OUTPUT}: {_end(run)}" for run in failed]
            raise SerMtlError(
                f"{len(failed)} of {len(self.runs)} runs failed:\n"
                f"{shortlist(lines)}\nThe same command tries them again, and "
                "no other."
            )

    def _train(self, run, jobs, lock):
        """The exit code of a run's process, or of the stage before it."""
        n_threads = max(1, (os.cpu_count() or 1) // jobs)
        environment = {"OMP_NUM_THREADS": str(n_threads), **os.environ}
        run.folder.mkdir(parents=True, exist_ok=True)
        with open(run.folder / OUTPUT, "w", encoding="utf-8") as output:
            for command in self.commands(run):
                code = subprocess.run(
                    command,
                    cwd=self.recipe,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # a run that outlives its sweep keeps the lock
                    pass_fds=[lock.fileno()],
                ).returncode
                if code:
                    break
            return code

    def table(self, states):
        """UA by fold and seed, or what a run is doing."""
        table = Table(title=f"{self.yaml.name}, {self.card.name}: UA on test")
        seeds = list(dict.fromkeys(run.seed for run in self.runs))
        table.add_column("fold")
        for seed in seeds:
            table.add_column(f"seed {seed}", justify="right")
        cells = {}
        for run in self.runs:
            cells.setdefault(run.fold, []).append(states[run])
        for fold, row in cells.items():
            table.add_row(str(fold), *row)
        return table


class _Shown:
    """A live table on a terminal, and lines elsewhere."""

    def __init__(self, sweep, states, console):
        self.sweep = sweep
        self.states = states
        self.console = console
        self.live = contextlib.nullcontext()
        if console.is_terminal:
            self.live = Live(sweep.table(states), console=console)

    def __enter__(self):
        self.live.__enter__()
        return self

    def __exit__(self, *error):
        self.live.__exit__(*error)

    def change(self, run, state):
        self.states[run] = state
        if self.console.is_terminal:
            self.live.update(self.sweep.table(self.states))
        elif state != "runs":
            self.console.print(f"fold {run.fold}, seed {run.seed}: {state}")


@contextlib.contextmanager
def _alone(root):
    """Holds the lock of a sweep's folder; gives its file."""
    root.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(locked(root / "lock"))
        except BlockingIOError:
            raise SerMtlError(
                f"{root}: another sweep is at work here, or runs that it left "
                "behind. Wait for them, or end them."
            ) from None
        yield file


def _end(run):
    """The last line that a run said."""
    text = (run.folder / OUTPUT).read_text(encoding="utf-8", errors="replace")
    return (text.strip().splitlines() or ["it said nothing"])[-1]
