"""How much two common mistakes would have claimed on the same clips.

The simple classifier is trained once more on a random split, in which every
speaker is heard in training; the sweep once more with the test set choosing the
epoch. Both are runs of cards of their own (``dataio/leaks.py``), which no
report mixes with real ones.
"""

from rich.table import Table
from rich.text import Text

from ser_mtl_modules.experiments.baseline import Baseline
from ser_mtl_modules.experiments.report import (
    compare,
    difference_cell,
    find_runs,
    pooled_cell,
    row_of,
)
from ser_mtl_modules.experiments.sweep import Sweep
from ser_mtl_modules.training import settings

CAPTION = (
    "Pooled UA on test in per cent, in brackets the 95 % bootstrap interval over "
    "speakers; differences are paired by utterance. What a mistake claims is no "
    "score of anything: it is not to be quoted."
)


def measure_leaks(
    yaml_file,
    flags,
    seeds,
    folds=None,
    output=None,
    features="levels",
    classifier="logistic",
    jobs=1,
):
    """Trains what is missing, with each mistake and without it.

    Arguments
    ---------
    yaml_file : str or path-like
        In the ``hparams`` of a recipe.
    flags : list of str
        For ``train.py``, as the sweep has them.
    seeds, folds, output
        As for `Sweep`; runs of the sweep that are finished are taken as they
        are.
    features, classifier : str
        As for `Baseline`.
    jobs : int
        As for `Sweep`.

    Returns
    -------
    list of dict
        For each mistake ``name``, ``honest`` and ``claimed`` (runs as
        `find_runs` gives them).

    Raises
    ------
    SerMtlError
        As `Sweep` and `Baseline` do.
    """
    sweep = Sweep(yaml_file, flags, seeds, folds, output)
    card = sweep.card.name

    def mistake(kind):
        others = settings.without(["card"], flags)
        return [*others, f"--card={card}+{kind}"]

    def baseline(flags):
        runs = Baseline(yaml_file, flags, features, classifier, folds)
        return find_runs(runs.execute())

    on_test = Sweep(
        yaml_file,
        mistake("chosen_on_test"),
        seeds,
        folds,
        sweep.root.with_name(f"{sweep.root.name}+chosen_on_test"),
    )
    found = [
        {
            "name": f"{classifier} on {features}, random split",
            "honest": baseline(flags),
            "claimed": baseline(mistake("random_split")),
        }
    ]
    for runs in (sweep, on_test):
        runs.execute(jobs)
    found.append(
        {
            "name": f"{sweep.yaml.stem}, epoch chosen on test",
            "honest": find_runs(sweep.root),
            "claimed": find_runs(on_test.root),
        }
    )
    return found


def as_table(found):
    """What the mistakes claim, for the terminal.

    Arguments
    ---------
    found : list of dict
        Of `measure_leaks`.

    Returns
    -------
    rich.table.Table
    """
    card = found[0]["honest"][0].results["card"]
    table = Table(
        title=Text(f"Mistakes, {card}"),
        caption=Text(CAPTION),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("mistake")
    for column in ("as the card says", "with the mistake", "difference"):
        table.add_column(column, justify="right")
    for leak in found:
        honest, claimed = leak["honest"], leak["claimed"]
        table.add_row(
            leak["name"],
            pooled_cell(row_of(honest), "UA"),
            pooled_cell(row_of(claimed), "UA"),
            difference_cell(compare(claimed, honest)),
        )
    return table
