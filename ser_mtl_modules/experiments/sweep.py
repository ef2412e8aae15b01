"""All folds and seeds of one experiment, each in a process or job of its own.

A sweep holds no state: what is finished is what has a ``results.json``. The
same command goes on after a kill, and runs that were cut off go on from their
last checkpoint. Where a YAML names an earlier stage, a run is both, one after
the other.
"""

import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

import speechbrain as sb
from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.errors import SerMtlError, shortlist
from ser_mtl_modules.experiments.jobs import OUTPUT, Processes, Training
from ser_mtl_modules.experiments.report import refuse_another
from ser_mtl_modules.locks import locked
from ser_mtl_modules.training import settings
from ser_mtl_modules.training.results import flat, read_results

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


def mapping(text, flag):
    """Names and values as a user writes them.

    Example
    -------
    >>> mapping("{timeout_min: 240, slurm_partition: gpu}", "--resources")
    {'timeout_min': 240, 'slurm_partition': 'gpu'}
    """
    with contextlib.suppress(YAMLError):
        found = YAML(typ="safe").load(text)
        if isinstance(found, dict):
            return found
    raise SerMtlError(
        f"{flag}={text}: expected names and values, as '{{timeout_min: 240}}'."
    )


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
    n_ranks : int
        Processes that train a run, under ``torchrun`` if there are several.

    Raises
    ------
    SerMtlError
        If a flag is not in the YAML, the card has no such fold, or runs of
        another experiment are in the folder.
    """

    def __init__(
        self, yaml_file, flags, seeds, folds=None, output=None, n_ranks=1
    ):
        self.yaml = Path(yaml_file).absolute()
        self.n_ranks = n_ranks
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
        self.stages = self._stages(options)
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

    def _stages(self, options):
        """YAML and flags of the run, after those of a stage before it.

        That stage gets those of the flags that its YAML has a key for.
        """
        stages = [(self.yaml, self.flags)]
        if options.get("earlier_yaml"):
            earlier = self.recipe / options["earlier_yaml"]
            common = settings.flags_for(earlier, self.flags)
            stages.insert(0, (earlier, common))
        return stages

    def _folders(self, run):
        """Those of a run's stages; that of an earlier one is in the run's."""
        return [run.folder / "earlier", run.folder][-len(self.stages) :]

    def _check(self, run):
        """Refuses to count a run of another experiment as one of ours."""
        for (yaml, flags), folder in zip(self.stages, self._folders(run)):
            _, _, text = sb.parse_arguments([str(yaml), *flags])
            overrides = settings.as_dict(text)
            refuse_another(folder, yaml, self.card, overrides, self.precision)

    def commands(self, run):
        """The command lines of one run, for the recipe's folder.

        The last one is that of the run; one before it trains an earlier stage.
        """
        folders = self._folders(run)
        commands = [
            [
                sys.executable,
                *self._launcher(),
                "train.py",
                str(yaml.relative_to(self.recipe)),
                "--noprogressbar",
                *flags,
                f"--fold={run.fold}",
                f"--seed={run.seed}",
                f"--output_folder={folder}",
            ]
            for (yaml, flags), folder in zip(self.stages, folders)
        ]
        for earlier in folders[:-1]:
            commands[-1].append(f"--earlier_folder={earlier}")
        return commands

    def _launcher(self):
        """What starts the ranks of a run, and hands a signal on to them."""
        if self.n_ranks == 1:
            return []
        signals = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"
        return [
            *("-m", "torch.distributed.run", "--standalone"),
            f"--nproc_per_node={self.n_ranks}",
            f"--signals_to_handle={signals}",
        ]

    def execute(self, jobs=1, console=None, executor=None):
        """Runs what is not finished.

        Arguments
        ---------
        jobs : int
            Runs at a time. Each gets its share of the processor's cores,
            unless OMP_NUM_THREADS is set.
        console : rich.console.Console, optional
            Shows a live table, or a line for each run where it is not a
            terminal.
        executor : Jobs, optional
            Carries out the runs, as many at a time as it says; by default
            processes on this machine.

        Raises
        ------
        SerMtlError
            If runs failed, when all others are done, or if another sweep is
            at work in the folder.
        """
        console = console or Console()
        executor = executor or Processes(jobs)
        scores = {run: run.score() for run in self.runs}
        trainings = {
            run: self._training(run, executor.n_shares)
            for run, score in scores.items()
            if score is None
        }
        states = {
            run: "waits" if score is None else f"{score:.2f}"
            for run, score in scores.items()
        }
        failed = []
        with _alone(self.root) as lock, _Shown(self, states, console) as shown:
            work = executor.run(trainings, shown.change, lock)
            with contextlib.closing(work):
                for run, code in work:
                    score = run.score()
                    if code or score is None:
                        failed.append(run)
                        shown.change(run, "failed")
                    else:
                        shown.change(run, f"{score:.2f}")
        if failed:
            lines = [f"{run.folder / OUTPUT}: {_end(run)}" for run in failed]
            raise SerMtlError(
                f"{len(failed)} of {len(self.runs)} runs failed:\n"
                f"{shortlist(lines)}\nThe same command tries them again, and "
                "no other."
            )

    def _training(self, run, n_shares):
        shares = n_shares * self.n_ranks
        return Training(self.commands(run), self.recipe, run.folder, shares)

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
