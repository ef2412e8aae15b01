"""Protocol cards: which utterances of a corpus are for what, as a file says.

A card pins classes, folds with their valid sets, and the counts to expect;
`Card.split` picks the rows of a fold from a manifest and lets nothing pass that
would make its score worthless. The format is in `card_schema`.
"""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass

from ser_mtl_modules.dataio import fold_checks
from ser_mtl_modules.dataio.card_schema import REST, SETS, read_card
from ser_mtl_modules.dataio.leaks import LEAKS
from ser_mtl_modules.errors import SerMtlError, nearest, shortlist
from speechbrain.utils.logger import get_logger

logger = get_logger(__name__)


def load_card(protocols_file, name):
    """A card by its name.

    Arguments
    ---------
    protocols_file : str or Path
        The ``protocols.yaml`` of a corpus.
    name : str
        Of a card in it; ``name+variant`` for a variant, and at its end
        ``+random_split`` or ``+chosen_on_test`` for a mistake (``leaks.py``).

    Returns
    -------
    Card
    """
    return Card(protocols_file, read_card(protocols_file, name))


@dataclass(frozen=True)
class Split:
    """The sets of one fold.

    Arguments
    ---------
    train, valid, test : dict
        ID -> row of the manifest, ordered by ID. ``row["emotion"]`` is the
        class, ``row["raw_emotion"]`` the corpus's own label.
    classes : list of str
        In the order of the class indices.
    fold : str
        Which fold this is.
    """

    train: dict
    valid: dict
    test: dict
    classes: list
    fold: str

    @property
    def class_counts(self):
        """Clips of every class in train, in the order of the classes."""
        counts = Counter(row["emotion"] for row in self.train.values())
        return [counts[class_] for class_ in self.classes]

    @property
    def speakers(self):
        """The known speakers of train, sorted."""
        return self._known("speaker")

    @property
    def genders(self):
        """The known genders in train, sorted."""
        return self._known("gender")

    @property
    def styles(self):
        """The known styles of speaking in train, sorted."""
        return self._known("style")

    def _known(self, column):
        return sorted({row[column] for row in self.train.values()} - {""})


class Card:
    """A protocol. Made by `load_card`.

    Arguments
    ---------
    file : str or Path
        Where the card is written, for messages.
    content : dict
        As `card_schema.read_card` gives it.

    Attributes
    ----------
    name : str
    corpus : str
        That of the manifests that it fits.
    classes : list of str
        In the order of the class indices.
    labels : dict of str to str
        The class of each of the corpus's own labels.
    tasks : list of str
        What can be learned from this corpus.
    metric : str
        Chooses the epoch, on the valid set.
    folds : list of str
        The ids.
    report : dict
        Metrics, ways to aggregate them, number of seeds.
    checksum : str
        SHA-256 of all that a score depends on: name, classes, map, drop,
        filter, disjoint, folds, selection. Corrected counts and sources
        leave it as it is.
    """

    def __init__(self, file, content):
        self.file = file
        self.name = content["name"]
        self.corpus = content["corpus"]
        self.classes = content["labels"]["classes"]
        self.labels = content["labels"]["map"]
        self.tasks = content["tasks"]
        self.metric = content["selection"]["metric"]
        self.folds = list(content["folds"])
        self.report = content["report"]
        self.checksum = _checksum(content)
        self._content = content

    def split(self, manifest, fold, check_counts=True, unlabelled=False):
        """The sets of a fold, checked.

        Arguments
        ---------
        manifest : Manifest
            Of the card's corpus.
        fold : str or int
            An id of the card's.
        check_counts : bool
            False for a sample of a corpus: other counts than expected are
            logged then. Nothing else is forgiven.
        unlabelled : bool
            True trains on clips with a label that the card drops, too, for
            tasks that do not need it; ``row["emotion"]`` is empty there. They
            are of those speakers, sessions, ... that the fold trains on.

        Returns
        -------
        Split
        """
        fold = str(fold)
        where = f"{self.file}, card {self.name}, fold {fold}"
        if fold not in self.folds:
            raise SerMtlError(
                f"{self.file}, card {self.name}: there is no fold {fold}. "
                f"{nearest(fold, self.folds)}"
            )
        self._check_manifest(where, manifest)
        rows = self._labelled(manifest)
        asked = self._content["folds"][fold]
        sets = self._sets(where, rows, asked)
        self._check_counts(where, manifest, rows, sets, fold, check_counts)
        if unlabelled:
            others = self._sets(where, self._dropped(manifest), asked)
            sets["train"] = dict(
                sorted((sets["train"] | others["train"]).items())
            )
        if self._content["leak"]:
            return self._leak(rows, fold, sets)
        if self._content["speaker_independent"]:
            every_set = dict.fromkeys(SETS, "speaker")
            fold_checks.check_disjoint(where, sets, every_set)
        fold_checks.check_disjoint(where, sets, self._content["disjoint"])
        fold_checks.check_duplicates(where, sets)
        fold_checks.check_classes(where, sets, self.classes)
        return Split(**sets, classes=self.classes, fold=fold)

    def _leak(self, rows, fold, sets):
        """The sets with the card's mistake in them, and a warning."""
        logger.warning(
            f"{self.name} makes a mistake on purpose; its scores are worth "
            "nothing but to see how much it would have claimed."
        )
        earlier = self.folds[: self.folds.index(fold)]
        earlier = [
            self._sets(self.name, rows, self._content["folds"][e])
            for e in earlier
        ]
        sets = LEAKS[self._content["leak"]](sets, earlier)
        return Split(**sets, classes=self.classes, fold=fold)

    def _check_manifest(self, where, manifest):
        """It is of this corpus and has the columns that the card reads."""
        corpus = manifest.meta["corpus"]
        if corpus != self.corpus:
            raise SerMtlError(
                f"{where}: {manifest.path} is a manifest of {corpus}; expected "
                f"one of {self.corpus}. Choose a card of {corpus}."
            )
        known = next(iter(manifest.rows.values()))
        for column in self._columns():
            if column not in known:
                raise SerMtlError(
                    f"{where}: the card reads the column '{column}', which "
                    f"{manifest.path} hasn't. {nearest(column, known)}"
                )

    def _columns(self):
        content = self._content
        selectors = [content["filter"]]
        for sets in content["folds"].values():
            selectors += [s for s in sets.values() if s != REST]
        return {
            content["labels"]["field"],
            *content["disjoint"].values(),
            *content["expected"]["rows"],
            *(column for selector in selectors for column in selector),
        }

    def _labelled(self, manifest):
        """The rows that take part, with their classes, ordered by ID."""
        labels = self._content["labels"]
        rows, unknown = {}, {}
        for id_, row in sorted(manifest.rows.items()):
            raw = row[labels["field"]]
            if not _matches(row, self._content["filter"]):
                continue
            if raw in labels["drop"]:
                continue
            if raw not in labels["map"]:
                unknown.setdefault(raw, []).append(id_)
                continue
            class_ = labels["map"][raw]
            rows[id_] = {**row, "emotion": class_, "raw_emotion": raw}
        if unknown:
            words = [
                f"'{raw}': {len(ids)} clips, such as {ids[0]}"
                for raw, ids in sorted(unknown.items())
            ]
            raise SerMtlError(
                f"{self.file}, card {self.name}: labels in {manifest.path} "
                f"that are neither in the card's map nor in its drop:\n"
                f"{shortlist(words)}\nSay in the card what they are: "
                f"{', '.join(self.classes)}, or dropped."
            )
        return rows

    def _dropped(self, manifest):
        """Rows that the card leaves out for their label, without one."""
        labels = self._content["labels"]
        return {
            id_: {**row, "emotion": "", "raw_emotion": row[labels["field"]]}
            for id_, row in manifest.rows.items()
            if row[labels["field"]] in labels["drop"]
            and _matches(row, self._content["filter"])
        }

    def _sets(self, where, rows, fold):
        """Name of a set -> its rows. "rest" is what nobody else asks for."""
        asked = {
            s: selector for s, selector in fold.items() if selector != REST
        }
        sets = {set_: {} for set_ in SETS}
        for id_, row in rows.items():
            names = [s for s in asked if _matches(row, asked[s])]
            if len(names) > 1:
                raise SerMtlError(
                    f"{where}: {' and '.join(names)} both ask for "
                    f"{row['wav']}; a clip may be in one set only. Correct the "
                    f"fold."
                )
            if not names and fold["train"] == REST:
                names = ["train"]
            for set_ in names:
                sets[set_][id_] = row
        return sets

    def _check_counts(self, where, manifest, rows, sets, fold, strict):
        """The numbers are as expected, and nothing that folds name is gone."""
        expected = self._content["expected"]
        may_lack = expected["may_lack"]
        differences = fold_checks.describe_rows(
            manifest.rows, expected["rows"], may_lack
        )
        differences += fold_checks.describe_counts(
            {"all sets together": rows, **sets},
            {"all sets together": expected["total"], **expected["folds"][fold]},
            self.classes,
            may_lack,
        )
        named = {}  # column -> values; a dict keeps them in the card's order
        for fold_sets in self._content["folds"].values():
            for selector in fold_sets.values():
                for column in () if selector == REST else selector:
                    values = dict.fromkeys(selector[column])
                    named.setdefault(column, {}).update(values)
        for column, values in named.items():
            present = {row[column] for row in rows.values()}
            differences += [
                f"{column} {value} has no clip"
                for value in sorted(values)
                if value not in present
            ]
        if not differences:
            return
        message = (
            f"{where}: the corpus is not what the card expects:\n"
            f"{shortlist(differences)}"
        )
        if strict:
            raise SerMtlError(
                f"{message}\nComplete the corpus and run the preparation "
                f"again. With --check_counts=False a sample of a corpus passes, "
                f"whose scores compare with nothing."
            )
        logger.warning(message)


def _matches(row, selector):
    """Whether a row has one of the values in every column."""
    for column, values in selector.items():  # all() takes twice as long
        if row[column] not in values:
            return False
    return True


def _checksum(content):
    keys = ["name", "labels", "filter", "disjoint", "speaker_independent"]
    keys += ["folds", "selection"]
    decisive = {key: content[key] for key in keys}
    text = json.dumps(decisive, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
