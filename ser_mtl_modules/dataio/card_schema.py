"""What may stand in a protocols.yaml, and what it means when it is left out.

`read_card` turns an entry of the file into plain values in which nothing is
optional any more: folds by their ids, "other" counts spelled out, and a
variant (`card_variants`) applied.
"""

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ser_mtl_modules.dataio.card_variants import vary
from ser_mtl_modules.dataio.leaks import LEAKS
from ser_mtl_modules.errors import SerMtlError, nearest

VERSION = 1
SETS = ("train", "valid", "test")
REST = "rest"
COUNT, OTHER = "count", "other"  # in expected counts; no class is called so

# Key -> its type, and its value when it is left out (Ellipsis: it must not be).
CARD = {
    "card_version": (int, ...),
    "name": (str, ...),
    "corpus": (str, ...),
    "corpus_version": (str, ""),  # for people
    "labels": (dict, ...),
    "label_variants": (dict, {}),
    "filter": (dict, {}),
    "disjoint": (dict, {}),
    "speaker_independent": (bool, True),
    "folds": (list, ...),
    "valid_rule": (dict, {}),  # for people: where the valid sets come from
    "selection": (dict, ...),
    "report": (dict, {}),
    "tasks": (list, ...),
    "expected": (dict, {}),
    "source": (list, []),  # for people
}
LABELS = {
    "field": (str, "emotion"),
    "classes": (list, ...),
    "map": (dict, ...),
    "drop": (list, []),
}
VARIANT = {"merge": (dict, {}), "keep": (list, []), "also": (dict, {})}
FOLD = {
    "id": ((int, str), ...),
    "test": (dict, ...),
    "valid": (dict, ...),
    "train": ((str, dict), REST),
}
SELECTION = {
    "split": (str, ...),
    "metric": (str, ...),
    "tie_break": (str, "lower_loss"),
    "test_used_for_selection": (bool, False),
}
EXPECTED = {
    # column -> value -> rows that the manifest has, whatever becomes of them
    "rows": (dict, {}),
    # clips that may be missing from any of the numbers: releases are known of
    # which a file can't be had
    "may_lack": (int, 0),
    "total": (dict, {}),
    "every_fold": (dict, {}),
    "per_fold": (dict, {}),
}
SET_COUNTS = {set_: (dict, {}) for set_ in SETS}
WORDS = {
    int: "a whole number",
    str: "text (codes such as 01 in quotes)",
    bool: "True or False",
    dict: "a mapping",
    list: "a list",
    (int, str): "a number or text",
    (str, dict): f"'{REST}' or a mapping",
}


def read_card(file, name):
    """One card of a file, checked and made explicit.

    Arguments
    ---------
    file : str or Path
        A YAML file: a list of cards, or a mapping from names to cards.
    name : str
        Of the card, or ``name+variant``; ``+random_split`` or
        ``+chosen_on_test`` at its end makes a mistake (``leaks.py``).

    Returns
    -------
    dict
        The card's keys, with ``leak``, the mistake's name or None, ``labels``
        (field, classes, map, drop), ``folds`` (id -> set -> column -> values,
        or "rest") and ``expected``
        (``total``, and ``folds``: id -> set; counts by class, and their sum as
        ``count``; ``rows``: column -> value -> number; ``may_lack``).
    """
    entries = _entries(file)
    honest, _, leak = name.rpartition("+")
    if leak not in LEAKS:
        honest, leak = name, None
    plain, _, variant = honest.partition("+")
    if plain not in entries:
        raise SerMtlError(
            f"{file}: there is no card '{plain}'. {nearest(plain, entries)}"
        )
    where = f"{file}: {plain}"
    card = _keys(where, entries[plain], CARD)
    version = card["card_version"]
    _expect(version == VERSION, f"{where}: card_version", VERSION, version)
    variants = {
        key: _keys(f"{where}: label_variants: {key}", value, VARIANT)
        for key, value in card["label_variants"].items()
    }
    card["labels"] = _labels(f"{where}: labels", card["labels"])
    card["filter"] = _selector(f"{where}: filter", card["filter"])
    card["disjoint"] = _disjoint(f"{where}: disjoint", card["disjoint"])
    card["folds"] = _folds(f"{where}: folds", card["folds"])
    card["selection"] = _selection(f"{where}: selection", card["selection"])
    card["tasks"] = _texts(f"{where}: tasks", card["tasks"])
    taken = sorted(variants.keys() & LEAKS.keys())
    _expect(not taken, f"{where}: label_variants", "another name", taken)
    for key, value in variants.items():
        _variant(f"{where}: label_variants: {key}", card["labels"], value)
    card["expected"] = _expected(f"{where}: expected", card, variants)
    if variant and variant not in variants:
        raise SerMtlError(
            f"{where}: label_variants: there is no '{variant}'. "
            f"{nearest(variant, [*variants, *LEAKS])}"
        )
    if variant:
        card = vary(card, **variants[variant])
    return {**card, "name": name, "leak": leak}


def _entries(file):
    """Name -> card as it stands in the file."""
    try:
        content = YAML(typ="safe").load(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise SerMtlError(
            f"{file}: no protocol cards can be read here ({error.strerror})."
        ) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise SerMtlError(f"{file}: this is not valid YAML: {error}") from error
    if isinstance(content, dict):
        content = [
            {"name": name, **card} if isinstance(card, dict) else card
            for name, card in content.items()
        ]
    _expect(isinstance(content, list), file, "cards", content)
    entries = {}
    for number, card in enumerate(content, start=1):
        where = f"{file}: card number {number}"
        _expect(isinstance(card, dict), where, WORDS[dict], card)
        name = card.get("name")
        _expect(isinstance(name, str), f"{where}: name", WORDS[str], name)
        _expect(name not in entries, f"{where}: name", "a new one", name)
        _expect("+" not in name, f"{where}: name", "no + in it", name)
        entries[name] = card
    return entries


def _labels(where, labels):
    """Every class has a raw label, every raw label one meaning."""
    labels = _keys(where, labels, LABELS)
    classes, map_ = labels["classes"], labels["map"]
    _texts(f"{where}: classes", classes)
    _texts(f"{where}: map", map_)
    _class_names(f"{where}: map", map_.values())
    _texts(f"{where}: drop", labels["drop"])
    once = len(set(classes)) == len(classes)
    _expect(once, f"{where}: classes", "each class once", classes)
    mapped = sorted(set(map_.values()))
    _expect(
        mapped == sorted(classes), f"{where}: map", f"all of {classes}", mapped
    )
    both = sorted(set(map_) & set(labels["drop"]))
    _expect(not both, f"{where}: drop", "no label that is in map", both)
    return labels


def _disjoint(where, disjoint):
    for set_ in disjoint:
        _expect(set_ in SETS, where, f"one of {', '.join(SETS)}", set_)
    _texts(where, disjoint.values())
    return disjoint


def _folds(where, entries):
    """Id -> set -> column -> values, or "rest"."""
    _expect(entries, where, "one fold or more", entries)
    folds = {}
    for number, entry in enumerate(entries, start=1):
        fold = _keys(f"{where}: entry {number}", entry, FOLD)
        id_ = str(fold.pop("id"))
        _expect(id_ not in folds, f"{where}: id", "each id once", id_)
        folds[id_] = {
            set_: _selector(f"{where}: {id_}: {set_}", selector)
            for set_, selector in fold.items()
        }
    return folds


def _selection(where, selection):
    """How the epoch is chosen. On valid: there is no other way."""
    selection = _keys(where, selection, SELECTION)
    on, test = selection["split"], selection["test_used_for_selection"]
    _expect(on == "valid", f"{where}: split", "valid", on)
    _expect(not test, f"{where}: test_used_for_selection", False, test)
    return selection


def _expected(where, card, variants):
    """Counts of the whole, and of the sets of every fold."""
    expected = _keys(where, card["expected"], EXPECTED)
    classes = card["labels"]["classes"]
    # A variant may know classes that the card drops; their counts stand here.
    known = list(classes)
    for variant in variants.values():
        known += variant["also"].values()
    every_fold = _keys(
        f"{where}: every_fold", expected["every_fold"], SET_COUNTS
    )
    folds = {id_: dict(every_fold) for id_ in card["folds"]}
    for id_, sets in expected["per_fold"].items():
        here = f"{where}: per_fold: {id_}"
        _expect(str(id_) in folds, here, f"one of {list(folds)}", id_)
        sets = _keys(here, sets, SET_COUNTS)
        folds[str(id_)].update({k: v for k, v in sets.items() if v})

    def counts(here, values):
        return _counts(f"{where}: {here}", values, classes, known)

    return {
        "rows": _rows(f"{where}: rows", expected["rows"]),
        "may_lack": expected["may_lack"],
        "total": counts("total", expected["total"]),
        "folds": {
            id_: {
                set_: counts(f"fold {id_}: {set_}", values)
                for set_, values in sets.items()
            }
            for id_, sets in folds.items()
        },
    }


def _rows(where, columns):
    """Column -> value -> number."""
    for column, counts in columns.items():
        here = f"{where}: {column}"
        _expect(isinstance(counts, dict), here, WORDS[dict], counts)
        _texts(here, counts)
        for value, number in counts.items():
            whole = type(number) is int
            _expect(whole, f"{here}: {value}", WORDS[int], number)
    return columns


def _counts(where, counts, classes, known):
    """Class -> number; "other" stands for each class that is not named."""
    _expect(isinstance(counts, dict), where, WORDS[dict], counts)
    counts = dict(counts)
    if OTHER in counts:
        other = counts.pop(OTHER)
        counts = {**dict.fromkeys(classes, other), **counts}
    for name, number in counts.items():
        allowed = f"count, other or one of {known}"
        _expect(name in [COUNT, *known], where, allowed, name)
        _expect(type(number) is int, f"{where}: {name}", WORDS[int], number)
    parts = [counts[c] for c in classes if c in counts]
    if len(parts) == len(classes):
        count = counts.setdefault(COUNT, sum(parts))
        _expect(count == sum(parts), f"{where}: count", sum(parts), count)
    return counts


def _variant(where, labels, variant):
    """A variant speaks of classes and of raw labels that the card has."""
    classes, dropped = labels["classes"], labels["drop"]
    merge, keep, also = variant["merge"], variant["keep"], variant["also"]
    for class_ in [*merge, *merge.values(), *keep]:
        _expect(class_ in classes, where, f"one of {classes}", class_)
    for class_ in merge.values():
        gone = class_ in merge
        _expect(not gone, f"{where}: merge", "a class that remains", class_)
    for raw in also:
        _expect(raw in dropped, f"{where}: also", f"one of {dropped}", raw)
    _class_names(f"{where}: also", also.values())


def _selector(where, selector):
    """Column -> values, all of them text; or "rest"."""
    if selector == REST:
        return REST
    _expect(isinstance(selector, dict), where, WORDS[str, dict], selector)
    for column, values in selector.items():
        here = f"{where}: {column}"
        _expect(isinstance(values, list), here, WORDS[list], values)
        _texts(here, values)
    return selector


def _texts(where, values):
    """01 without quotes would be the number 1, and find nothing."""
    for value in values:
        _expect(isinstance(value, str), where, WORDS[str], value)
    return values


def _class_names(where, names):
    _texts(where, names)
    for name in names:
        free = name not in (COUNT, OTHER)
        _expect(free, where, f"a class not called {name}", name)


def _keys(where, mapping, schema):
    """The mapping with all keys of the schema, and with no others."""
    _expect(isinstance(mapping, dict), where, WORDS[dict], mapping)
    for key, value in mapping.items():
        if key not in schema:
            raise SerMtlError(
                f"{where}: there is no key '{key}'. {nearest(key, schema)}"
            )
        type_ = schema[key][0]
        fits = isinstance(value, type_) and (
            type_ is bool or not isinstance(value, bool)
        )
        _expect(fits, f"{where}: {key}", WORDS[type_], value)
    for key, (type_, default) in schema.items():
        missing = key not in mapping and default is ...
        _expect(not missing, f"{where}: {key}", WORDS[type_], None)
    defaults = {key: default for key, (_, default) in schema.items()}
    return {**defaults, **mapping}


def _expect(fulfilled, where, expected, found):
    if not fulfilled:
        raise SerMtlError(f"{where}: expected {expected}, found {found!r}.")
