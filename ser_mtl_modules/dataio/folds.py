"""From a corpus's folder to the clips of one fold."""

import importlib
import sys
from pathlib import Path

from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.download import download_corpus
from ser_mtl_modules.dataio.manifest import read_manifest
from speechbrain.utils.distributed import run_on_main


def open_fold(
    recipe,
    preparation,
    data_folder,
    manifest,
    card,
    fold,
    download=False,
    skip_bad_audio=False,
    check_counts=True,
    unlabelled=False,
):
    """Prepares a corpus if that was not done, and splits it as a card says.

    Arguments
    ---------
    recipe : str or Path
        The corpus's folder, which has ``protocols.yaml``.
    preparation : str
        The module in it that has ``prepare``.
    data_folder : str or Path
        The corpus.
    manifest : str or Path
        Where the list of all utterances is or will be, in the recipe's folder
        unless it is absolute.
    card : str
        A name in ``protocols.yaml``.
    fold : int or str
        Of the card.
    download : bool
        True gets what is missing of the corpus.
    skip_bad_audio : bool
        True leaves damaged files out.
    check_counts : bool
        False takes a part of the corpus for what it is, with a warning.
    unlabelled : bool
        As for `Card.split`.

    Returns
    -------
    tuple of Manifest, Card and Split
    """
    recipe = Path(recipe)
    manifest = recipe / manifest
    if str(recipe) not in sys.path:
        sys.path.insert(0, str(recipe))
    prepare = importlib.import_module(preparation)
    if download:
        run_on_main(download_corpus, args=[prepare, data_folder])
    run_on_main(
        prepare.prepare,
        args=[data_folder, manifest],
        kwargs={"skip_bad_audio": skip_bad_audio},
    )
    card = load_card(recipe / "protocols.yaml", card)
    manifest = read_manifest(manifest, data_folder)
    return manifest, card, card.split(manifest, fold, check_counts, unlabelled)
