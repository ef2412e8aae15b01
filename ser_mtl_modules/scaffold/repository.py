"""Where the recipes are that others are made of."""

from pathlib import Path

from ser_mtl_modules.errors import SerMtlError

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes"


def need_recipes(folder):
    """There is such a folder: the package can be installed without recipes.

    Arguments
    ---------
    folder : Path
        `RECIPES`, or a folder in it.
    """
    if not folder.is_dir():
        raise SerMtlError(
            f"{folder}: no such folder. This needs the recipes beside the "
            "package: run it in a clone of the repository."
        )
