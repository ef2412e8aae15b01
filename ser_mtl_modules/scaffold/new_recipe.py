"""A recipe for a corpus that one table describes, ready to be run.

``new-recipe NAME TABLE`` writes what a folder of ``recipes/`` holds: the link
to train.py, the preparation, a protocol card of what was found, RAVDESS's
YAMLs for the tasks that the table has labels for, and a README. Its clips
have been decoded and its split has been checked by then.
"""

import json
import os
import re
import tempfile
from collections import Counter
from pathlib import Path
from textwrap import fill

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.dataio.card_schema import SETS
from ser_mtl_modules.dataio.corpus_table import prepare_table, unread_columns
from ser_mtl_modules.dataio.manifest import read_manifest
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.scaffold.proposed_card import (
    OF_CLIPS,
    OF_SPEAKERS,
    OF_TABLE,
    count_classes,
    propose_card,
)
from ser_mtl_modules.scaffold.repository import RECIPES, ROOT, need_recipes

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*", re.ASCII)
MODEL = "RAVDESS"  # whose YAMLs are taken
YAMLS = ("mtl_fbank", "mtl", "mtl_frozen", "mll_fbank", "mll", "mll_frozen")
MANIFEST = Path("results") / "manifest.csv"  # where the YAMLs expect it


def new_recipe(name, table, into=None):
    """Writes a recipe for the corpus that a table describes.

    Arguments
    ---------
    name : str
        Of the recipe's folder and of the corpus.
    table : str or Path
        As `corpus_table.read_corpus_table` reads it.
    into : str or Path or None
        Gets the folder; by default the repository's ``recipes/``, where the
        recipe gets its rows in ``tests/recipes/``, too.

    Returns
    -------
    (Path, list of str)
        The recipe's folder, and what is to be known of it.

    Raises
    ------
    SerMtlError
        If the folder is there already, or something is wrong in the table or
        with its clips; nothing is written then.
    """
    need_recipes(RECIPES / MODEL)
    table, into = Path(table).absolute(), Path(into or RECIPES).absolute()
    ours = into.resolve() == RECIPES.resolve()
    rows = ROOT / "tests" / "recipes" / f"{name}.csv"
    _check_name(name, [into / name, *([rows] if ours else [])])
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into, prefix=".new-") as temporary:
        recipe = Path(temporary) / name
        notes = _write(recipe, name, table, "../train.py" if ours else None)
        os.rename(recipe, into / name)
    if ours:
        with atomic_write(rows) as file:
            file.write(_rows(name))
    return into / name, notes


def _check_name(name, taken):
    if not NAME.fullmatch(name):
        raise SerMtlError(
            f"{name!r}: expected a name of letters, digits, - and _ that "
            "begins with a letter."
        )
    for path in taken:
        if path.exists():
            raise SerMtlError(
                f"{path} is there already; nothing is written over it. Choose "
                "another name, or remove it."
            )


def _write(recipe, name, table, script):
    """All files of the recipe; gives what is to be known of it."""
    (recipe / "hparams").mkdir(parents=True)
    corpus = name.lower()
    prepare_table(table.parent, recipe / MANIFEST, corpus, table.name)
    manifest = read_manifest(recipe / MANIFEST, table.parent)
    card, split, notes = propose_card(
        recipe / "protocols.yaml", manifest, table
    )
    unread = unread_columns(table)
    if unread:
        notes.append(f"Columns that are not read: {', '.join(unread)}.")

    os.symlink(script or RECIPES / "train.py", recipe / "train.py")
    preparation = _preparation(name)
    (recipe / f"{preparation}.py").write_text(
        PREPARATION.format(
            name=name,
            corpus=corpus,
            table=json.dumps(table.name, ensure_ascii=False),
        ),
        encoding="utf-8",
    )
    for yaml in YAMLS:
        _write_yaml(
            recipe / "hparams" / f"{yaml}.yaml",
            {
                "data_folder": f"!PLACEHOLDER # with {table.name} in it",
                "card": f"{card['name']} # of protocols.yaml",
                "preparation": preparation,
                "download": "False # this corpus has to be got by hand",
                "auxiliary_tasks": f"[{', '.join(card['tasks'][1:])}]",
            },
        )
    (recipe / "README.md").write_text(
        _readme(name, table, manifest, card, split, notes), encoding="utf-8"
    )
    return notes


def _preparation(name):
    return f"{re.sub('[^a-z0-9]', '', name.lower())}_prepare"


def _write_yaml(path, lines):
    """RAVDESS's, but for the lines of these keys."""
    text = (RECIPES / MODEL / "hparams" / path.name).read_text(encoding="utf-8")
    for key, value in lines.items():
        text = re.sub(
            rf"^{key}:.*", lambda _: f"{key}: {value}", text, flags=re.M
        )
    path.write_text(text, encoding="utf-8")


def _rows(name):
    """The rows of tests/recipes/NAME.csv: RAVDESS's, of the same YAMLs."""
    table = ROOT / "tests" / "recipes" / f"{MODEL}.csv"
    header, *rows = table.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [
        row for yaml in YAMLS for row in rows if f"/hparams/{yaml}.yaml," in row
    ]
    text = "".join([header, *kept]).replace(_preparation(MODEL), "{prepare}")
    return text.replace(MODEL, name).replace("{prepare}", _preparation(name))


def _readme(name, table, manifest, card, split, notes):
    """What was found, and the commands."""
    rows = manifest.rows.values()
    hours = sum(row["duration"] for row in rows) / 3600
    sets = {set_: getattr(split, set_).values() for set_ in SETS}
    return README.format(
        name=name,
        table=table.name,
        card=card["name"],
        clips=f"{len(rows):,}",
        hours=f"{hours:.1f} hours"
        if hours > 1
        else f"{hours * 60:.1f} minutes",
        n_classes=len(split.classes),
        n_speakers=len({row["speaker"] for row in rows} - {""}) or "unknown",
        genders=_in_words(rows, "gender", "unknown"),
        transcripts=f"{sum(bool(row['transcript']) for row in rows):,}",
        tasks=", ".join(card["tasks"]),
        rule=fill(RULES[card["valid_rule"]["id"]], 80),
        notes="".join(f"\n{fill(note, 80)}\n" for note in notes),
        heads=" | ".join(SETS),
        lines="".join(
            f"| {label} | {' | '.join(found)} |\n"
            for label, found in _counts_by_set(sets, split.classes)
        ),
    )


def _counts_by_set(sets, classes):
    """Rows of the README's table: a label, and a text for every set."""
    yield "clips", [f"{len(rows):,}" for rows in sets.values()]
    speakers = [
        len({row["speaker"] for row in rows} - {""}) for rows in sets.values()
    ]
    yield "speakers", [str(n or "unknown") for n in speakers]
    yield (
        "clips by gender",
        [_in_words(rows, "gender", "unknown") for rows in sets.values()],
    )
    for class_ in classes:
        found = [
            count_classes(rows, [class_])[class_] for rows in sets.values()
        ]
        yield class_, [f"{n:,}" for n in found]


def _in_words(rows, column, unknown):
    """As ``F 12, M 10``; ``unknown`` stands for nothing."""
    counts = Counter(row[column] or unknown for row in rows)
    return ", ".join(f"{value} {counts[value]:,}" for value in sorted(counts))


PREPARATION = '''\
"""{name}: from its table of clips to a manifest."""

from functools import partial

from ser_mtl_modules.dataio.corpus_table import prepare_table

prepare = partial(prepare_table, corpus="{corpus}", table={table})
'''
RULES = {
    OF_TABLE: "Its sets are those of the table's column `split`.",
    OF_SPEAKERS: (
        "Its sets were proposed by new-recipe: no speaker is in two of them, "
        "and clips, genders and emotions are shared 60 : 20 : 20 as evenly as "
        "whole speakers allow."
    ),
    OF_CLIPS: (
        "Its sets were proposed by new-recipe: clips of each emotion, dealt in "
        "an order drawn from their names, 60 : 20 : 20 where there are enough."
    ),
}
README = """\
# {name}

{clips} clips, {hours}; {n_classes} emotions; speakers: {n_speakers}; clips by
gender: {genders}; with a transcript: {transcripts}. Tasks: {tasks}.

```
python train.py hparams/mtl_fbank.yaml --data_folder=/path/to/the/folder
python -m ser_mtl_modules report results/mtl_fbank/{card}
```

The data folder is the one with `{table}` in it. The preparation decodes each
file once, and does nothing the second time.

## Protocol

`protocols.yaml` holds `{card}`.
{rule}
{notes}
| | {heads} |
|---|--:|--:|--:|
{lines}
## The model

The YAMLs are those of RAVDESS in ser-mtl, where they were tuned; only the lines
that name the data differ, and `auxiliary_tasks`, which has what the table has
labels for. `mtl*.yaml` learn emotion with these tasks, `mll*.yaml` emotion alone by
several losses; `*_fbank.yaml` begin with log-mels, the others with a pre-trained
encoder (`--ssl_hub`, a name of the hub or a folder), which `*_frozen.yaml` computes
once.

## Results

None yet.
"""
