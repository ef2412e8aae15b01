"""The whole project in one command: a corpus, a training, its scores."""

import subprocess
import sys
from pathlib import Path

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.synthesis.ravdess import write_ravdess

RECIPES = Path(__file__).parents[2] / "recipes"


def run_demo(folder, flags=()):
    """Speaks the sample corpus of RAVDESS and trains the recipe on it.

    What is there already is not made again: a second call shows the scores.

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
    if not recipe.is_dir():
        raise SerMtlError(
            f"{recipe}: no such folder. The demo needs the recipes beside the "
            "package: run it in a clone of the repository."
        )
    write_ravdess(folder / "RAVDESS")
    command = [
        sys.executable,
        "train.py",
        "hparams/mtl_fbank.yaml",
        f"--data_folder={folder / 'RAVDESS'}",
        f"--manifest={folder / 'manifest.csv'}",
        f"--output_folder={folder / 'run'}",
        "--number_of_epochs=8",
        *flags,
    ]
    if subprocess.run(command, cwd=recipe).returncode:
        raise SerMtlError(
            f"The training of the demo failed; {folder / 'run' / 'log.txt'} "
            "says more. The same command goes on where it was."
        )
