"""Protocol cards: which classes, which folds, and what must be true of them.

A card is an entry of a recipe's ``protocols.yaml``. It picks rows of the
manifest, maps raw labels to classes, splits them into train, valid and test,
and checks what came out, so that a score can be bound to it.
"""

import collections
import hashlib
import json
import logging
from typing import NamedTuple

import yaml

from ser_mtl_modules.errors import SerMtlError, nearest

logger = logging.getLogger(__name__)

SETS = ("test", "valid", "train")  # the order in which rows are picked
REQUIRED = {"corpus", "labels", "disjoint", "folds", "selection", "tasks"}
OPTIONAL = {
    "card_version",
    "corpus_version",
    "filter",
    "speaker_independent",
    "valid_rule",
    "report",
    "expected",
    "source",
}


class Split(NamedTuple):
    """One fold of a card."""

    train: dict  # rows by ID; ``emotion`` is a class, ``raw_emotion`` was read
    valid: dict
    test: dict
    classes: list  # names, in the card's order
    class_counts: list  # clips of each class in train
    speakers: list  # of train, sorted
    genders: list  # that occur, sorted


def load_card(protocols, name):
    """Reads one card of a recipe.

    Arguments
    ---------
    protocols : str
        Path of ``protocols.yaml``, a mapping of names to cards.
    name : str
        The card's name; ``name+variant`` takes one of its label variants.

    Returns
    -------
    Card

    Raises
    ------
    SerMtlError
        If there is no such card, or a key of it is missing or unknown.
    """
    with open(protocols, encoding="utf-8") as file:
        cards = yaml.safe_load(file)
    base, _, variant = str(name).partition("+")
    if base not in cards:
        raise SerMtlError(
            f"{protocols}: no card '{base}'. {nearest(base, cards)}"
        )
    content = cards[base]
    for key in sorted(REQUIRED - content.keys()):
        raise SerMtlError(
            f"{protocols}, card {base}: the key '{key}' is missing."
        )
    for key in sorted(content.keys() - REQUIRED - OPTIONAL):
        raise SerMtlError(
            f"{protocols}, card {base}: unknown key '{key}'. "
            + nearest(key, sorted(REQUIRED | OPTIONAL))
        )
    if variant:
        variants = content["labels"].get("variants", {})
        if variant not in variants:
            raise SerMtlError(
                f"{protocols}, card {base}: no variant '{variant}'. "
                + nearest(variant, variants)
            )
        # other classes, so the counts to expect are not those of the card
        content = {**content, **variants[variant]}
        content["labels"] = {**cards[base]["labels"], **content["labels"]}
    return Card(name, content, protocols)


class Card:
    """A protocol: how a manifest becomes train, valid and test.

    Arguments
    ---------
    name : str
        Of the card.
    content : dict
        As `CORPORA` describes cards: ``labels``, ``filter``, ``disjoint``,
        ``folds``, ``selection``, ``tasks``, ``expected``.
    protocols : str
        Where it was read, for messages.
    """

    def __init__(self, name, content, protocols):
        self.name = name
        self.content = content
        self.where = f"{protocols}, card {name}"
        self.classes = content["labels"]["classes"]
        self.tasks = content["tasks"]
        self.metric = content["selection"]["metric"]
        self.folds = {fold["id"]: fold for fold in content["folds"]}

    @property
    def checksum(self):
        """SHA-256 of what the card says, whatever its order and comments."""
        text = json.dumps(self.content, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def split(self, manifest, fold, check_counts=True):
        """Splits a manifest, and checks the sets.

        Arguments
        ---------
        manifest : Manifest
            All utterances of the corpus.
        fold : int
            Which fold.
        check_counts : bool
            Whether other counts than expected are an error, or a warning (as
            for a sample corpus).

        Returns
        -------
        Split

        Raises
        ------
        SerMtlError
            If the fold is unknown, a label is neither mapped nor dropped,
            counts differ from those expected, sets share what they must not
            share or the same audio, or a class is missing from train.
        """
        if fold not in self.folds:
            raise SerMtlError(
                f"{self.where}: no fold {fold}. {nearest(fold, self.folds)}"
            )
        where = f"{self.where}, fold {fold}"
        rows = self._labelled(manifest)
        sets = self._pick(rows, self.folds[fold])
        self._check_counts(rows, sets, fold, where, check_counts)
        self._check_disjoint(sets, where)
        _check_copies(sets, where)
        counts = collections.Counter(
            r["emotion"] for r in sets["train"].values()
        )
        missing = [c for c in self.classes if not counts[c]]
        if missing:
            raise SerMtlError(
                f"{where}: train has no clip of {', '.join(missing)}; every "
                "class must be there to be learned. Complete the corpus."
            )
        return Split(
            **sets,
            classes=self.classes,
            class_counts=[counts[c] for c in self.classes],
            speakers=sorted({r["speaker"] for r in sets["train"].values()}),
            genders=sorted({r["gender"] for r in rows.values()} - {""}),
        )

    def _labelled(self, manifest):
        """The rows that the card is about, with classes for raw labels."""
        labels = self.content["labels"]
        allowed = self.content.get("filter", {})
        rows = {}
        for name, row in manifest.rows.items():
            if any(
                row[column] not in map(str, v) for column, v in allowed.items()
            ):
                continue
            raw = row[labels["field"]]
            if raw in labels.get("drop", []):
                continue
            if raw not in labels["map"]:
                raise SerMtlError(
                    f"{manifest.path}, {name}: the label '{raw}' is neither "
                    f"mapped nor dropped by {self.where}. Mapped: "
                    f"{', '.join(labels['map'])}."
                )
            rows[name] = {
                **row,
                "emotion": labels["map"][raw],
                "raw_emotion": raw,
            }
        return rows

    def _pick(self, rows, fold):
        """Test, then valid, then train of what is left."""
        sets, left = {}, dict(rows)
        for name in SETS:
            rule = fold[name]
            picked = {
                key: row
                for key, row in left.items()
                if rule == "rest"
                or all(row[c] in map(str, v) for c, v in rule.items())
            }
            left = {k: r for k, r in left.items() if k not in picked}
            sets[name] = picked
        return sets

    def _check_counts(self, rows, sets, fold, where, strict):
        expected = self.content.get("expected", {})
        wanted = {
            **expected.get("every_fold", {}),
            **expected.get("per_fold", {}).get(fold, {}),
        }
        if "total" in expected:
            wanted["total"] = expected["total"]
        found = {**sets, "total": rows}
        wrong = []
        for name, counts in reversed(wanted.items()):  # the total first
            classes = collections.Counter(
                r["emotion"] for r in found[name].values()
            )
            for key, value in self._spell_out(counts).items():
                have = len(found[name]) if key == "count" else classes[key]
                if have != value:
                    what = "clips" if key == "count" else f"clips of {key}"
                    wrong.append(f"{name} has {have} {what}, {value} expected")
        if not wrong:
            return
        message = (
            f"{where}: {'; '.join(wrong[:4])}"
            + (f"; and {len(wrong) - 4} more" if len(wrong) > 4 else "")
            + "."
            + self._absent(rows, fold)
        )
        if strict:
            raise SerMtlError(
                f"{message} A score on other clips is not a score on this "
                "card. Complete the corpus, or pass --check_counts=False to "
                "train all the same."
            )
        logger.warning(message)

    def _spell_out(self, counts):
        """``other`` stands for each class that is not named."""
        counts = dict(counts)
        if "other" in counts:
            other = counts.pop("other")
            counts = {**dict.fromkeys(self.classes, other), **counts}
        return counts

    def _absent(self, rows, fold):
        """Words for values that the fold names and that have no clip."""
        absent = []
        for name in SETS:
            rule = self.folds[fold][name]
            for column, values in rule.items() if rule != "rest" else ():
                there = {row[column] for row in rows.values()}
                absent += [
                    f"{column} {v}" for v in values if str(v) not in there
                ]
        return f" No clip at all of {', '.join(absent)}." if absent else ""

    def _check_disjoint(self, sets, where):
        for name, column in self.content["disjoint"].items():
            for other in SETS:
                if other == name:
                    continue
                shared = {r[column] for r in sets[name].values()} & {
                    r[column] for r in sets[other].values()
                }
                if shared:
                    raise SerMtlError(
                        f"{where}: {column} {', '.join(sorted(shared))} in both "
                        f"{name} and {other}; each may be in one set only. "
                        "Correct the fold."
                    )


def _check_copies(sets, where):
    """The same samples on two sides would be a leak by another name."""
    seen = {}
    for name in SETS:
        for key, row in sets[name].items():
            other = seen.setdefault(row["checksum"], (name, row["wav"]))
            if other[0] != name:
                raise SerMtlError(
                    f"{where}: the same audio in {other[0]} ({other[1]}) and "
                    f"{name} ({row['wav']}). Remove one of the two copies."
                )
