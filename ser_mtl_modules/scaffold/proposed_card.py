"""A protocol card for a corpus that nobody has published one for.

It has the classes that there are, one fold, and what was counted. The fold's
sets are the table's own, or speakers shared as evenly as can be, or, where
speakers aren't known, clips; then the card says that it isn't speaker
independent.
"""

from collections import Counter
from textwrap import wrap

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString as Quoted

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.dataio.card_schema import COUNT, OTHER, REST, SETS, VERSION
from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.transcripts import normalise
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.scaffold.speaker_split import split_speakers

# of the table's ten, so that a class of few clips is in train first
PARTS = {"test": ("3", "8"), "valid": ("5", "9")}
# Rules that make a split, as cards' names have them
OF_TABLE, OF_SPEAKERS, OF_CLIPS = "own-split", "proposed", "proposed-clips"
HEADER = """\
# The protocol of {corpus}, written by new-recipe from the corpus's table. The
# format is described in ser_mtl_modules/dataio/card_schema.py; codes stay in
# quotes. Scores of another split are another protocol: give it another name.
"""


def propose_card(path, manifest, table):
    """Writes a card for a manifest, with the split that it was checked on.

    Arguments
    ---------
    path : Path
        The ``protocols.yaml`` to write.
    manifest : Manifest
        As `prepare_table` makes it.
    table : Path
        What the manifest was made of, for messages.

    Returns
    -------
    (dict, Split, list of str)
        The card as `card_schema` describes it, its fold, and what is to be
        known of it.

    Raises
    ------
    SerMtlError
        If the clips can't be split so that all classes are in train and no
        recording is in two sets.
    """
    rows = list(manifest.rows.values())
    fold, rule, notes = _fold(rows)
    card = _card(rows, manifest.meta["corpus"], fold, rule, not notes)
    card["source"] = [Quoted(table.name)]
    _dump(path, card, notes)
    try:
        split = load_card(path, card["name"]).split(manifest, 1)
    except SerMtlError as error:
        # the file that it names is not yet where it will be
        raise SerMtlError(str(error).replace(str(path), str(table))) from error
    card["tasks"] += _tasks(split)
    card["expected"] = _expected(split)
    _dump(path, card, notes)
    return card, split, notes


def _card(rows, corpus, fold, rule, independent):
    labels = sorted({row["emotion"] for row in rows})
    classes = {Quoted(label): Quoted(_class_name(label)) for label in labels}
    sets = ("test", "valid") if independent else ()
    return {
        "card_version": VERSION,
        "name": f"{corpus}-{rule}",
        "corpus": corpus,
        "labels": {"classes": list(classes.values()), "map": classes},
        "disjoint": dict.fromkeys(sets, "speaker"),
        "speaker_independent": independent,
        "folds": [{"id": 1, **fold}],
        "valid_rule": {"id": rule},
        "selection": {"split": "valid", "metric": "UA"},
        "tasks": ["emotion"],
    }


def _class_name(label):
    """The label, unless cards have another meaning for the word."""
    return f"{label}-emotion" if label in (COUNT, OTHER) else label


def _fold(rows):
    """What is in which set, the rule that says so, and warnings."""
    speakers = {row["speaker"] for row in rows} - {""}
    if any(row["split"] for row in rows):
        fold = {name: {"split": [name]} for name in SETS}
        return fold, OF_TABLE, _warn_of_split(rows, speakers)
    if len(speakers) >= len(SETS):
        sets = split_speakers(rows)
        fold = {
            name: {"speaker": _in_a_line(sets[name])}
            for name in ("test", "valid")
        }
        return {**fold, "train": REST}, OF_SPEAKERS, []
    fold = {name: {"part": _in_a_line(PARTS[name])} for name in PARTS}
    return (
        {**fold, "train": REST},
        OF_CLIPS,
        [
            "WARNING: the split can't be speaker independent, as the table "
            f"names {len(speakers) or 'no'} speakers: test may have voices "
            "that train has. Such scores are too high, and compare with no "
            "others. Add a column speaker with three speakers or more."
        ],
    )


def _warn_of_split(rows, speakers):
    if not speakers:
        return [
            "WARNING: without speakers in the table nobody can tell whether "
            "its split is speaker independent. If it isn't, scores are too "
            "high. Add a column speaker."
        ]
    sets = {
        name: {row["speaker"] for row in rows if row["split"] == name}
        for name in SETS
    }
    shared = sorted(
        who for who in speakers if sum(who in sets[name] for name in SETS) > 1
    )
    if not shared:
        return []
    return [
        f"WARNING: the split of the table is not speaker independent: "
        f"{len(shared)} of {len(speakers)} speakers are in more than one set, "
        f"such as {', '.join(shared[:5])}. Scores are too high, and compare "
        "with no others."
    ]


def _tasks(split):
    """Auxiliary tasks that train has two or more answers for."""
    train = split.train.values()
    found = {
        "gender": len(split.genders) > 1,
        "speaker": len(split.speakers) > 1,
        "asr": any(normalise(row["transcript"]) for row in train),
    }
    return [name for name, there in found.items() if there]


def _expected(split):
    """Counts that the card has the corpus held against."""
    sets = {name: list(getattr(split, name).values()) for name in SETS}
    counts = {
        name: count_classes(rows, split.classes) for name, rows in sets.items()
    }
    total = count_classes(sum(sets.values(), []), split.classes)
    return {"total": total, "every_fold": counts}


def count_classes(rows, classes):
    """How many clips there are, and how many of each class.

    Arguments
    ---------
    rows : iterable of dict
        Of a split.
    classes : list of str
        Its classes.

    Returns
    -------
    dict
        In the form of a card's expected counts.
    """
    counts = Counter(row["emotion"] for row in rows)
    return {COUNT: counts.total(), **{Quoted(c): counts[c] for c in classes}}


def _dump(path, card, notes):
    yaml = YAML()
    yaml.boolean_representation = ["False", "True"]
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 80
    content = {key: value for key, value in card.items() if key != "name"}
    content["labels"] = {
        **card["labels"],
        "classes": _in_a_line(card["labels"]["classes"]),
    }
    content["tasks"] = _in_a_line(card["tasks"])
    with atomic_write(path) as file:
        file.write(HEADER.format(corpus=card["corpus"]))
        for note in notes:
            file.write("".join(f"# {line}\n" for line in wrap(note, 78)))
        yaml.dump({card["name"]: content}, file)


def _in_a_line(values):
    """As a list in brackets, quoted: YAML would read 01 as a number."""
    line = CommentedSeq(Quoted(value) for value in values)
    line.fa.set_flow_style()
    return line
