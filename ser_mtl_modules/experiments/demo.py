"""The whole project in one command: a corpus, a training, its scores."""

import subprocess
import sys
from pathlib import Path

import rich
from rich.table import Table

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.scaffold.repository import RECIPES, need_recipes
from ser_mtl_modules.synthesis.ravdess import write_ravdess
from ser_mtl_modules.training.results import flat, read_results

# The YAML is made for real speech. The small voice has the speeds and tracts of
# its corpus and no others, and words are learned from nothing in a few epochs.
FLAGS = (
    "--number_of_epochs=8",
    "--augment={speeds: [95, 100, 105]}",
    "--encoder={warp: {stretch: 0.04}}",
    "--loss_weights={gender: 0.1, speaker: 0.1, asr: 0.5}",
)
EXPECTED = {  # per cent, at least or at most
    "emotion/UA": (">=", 70.0),
    "gender/UA": (">=", 95.0),
    "speaker/EER": ("<=", 20.0),
    "asr/WER": ("<=", 30.0),
}


def run_demo(folder, flags=()):
    """Speaks the sample corpus of RAVDESS and trains the recipe on it.

    Test has actors that were not heard in training, who say sentences that no
    other actor says. What is there already is not made again: a second call
    shows the scores.

    Arguments
    ---------
    folder : str or path-like
        Gets the corpus, the manifest and the run.
    flags : iterable of str
        For ``train.py``, such as ``--fold=2``.

    Raises
    ------
    SerMtlError
        If there are no recipes beside the package, or training failed.
    """
    folder = Path(folder).absolute()
    recipe = RECIPES / "RAVDESS"
    need_recipes(recipe)
    write_ravdess(folder / "RAVDESS")
    command = [
        sys.executable,
        "train.py",
        "hparams/mtl_fbank.yaml",
        f"--data_folder={folder / 'RAVDESS'}",
        f"--manifest={folder / 'manifest.csv'}",
        f"--output_folder={folder / 'run'}",
        *FLAGS,
        *flags,
    ]
    if subprocess.run(command, cwd=recipe).returncode:
        raise SerMtlError(
            f"The training of the demo failed; {folder / 'run' / 'log.txt'} "
            "says more. The same command goes on where it was."
        )
    rich.print(comparison(read_results(folder / "run" / "results.json")))


def comparison(results):
    """What a run reached on test beside what is expected of the demo.

    Arguments
    ---------
    results : dict
        From ``results.json``.

    Returns
    -------
    rich.table.Table
    """
    reached = dict(flat(results["metrics"]["test"]))
    table = Table(title="New actors and sentences, per cent")
    table.add_column("metric")
    table.add_column("expected", justify="right")
    table.add_column("reached", justify="right")
    table.add_column()
    for name, (sign, limit) in EXPECTED.items():
        if name not in reached:  # of a task that was left out
            continue
        fits = (
            reached[name] >= limit if sign == ">=" else reached[name] <= limit
        )
        table.add_row(
            name.replace("/", " "),
            f"{sign} {limit:.0f}",
            f"{reached[name]:.1f}",
            "as expected" if fits else "not reached",
        )
    return table
