"""What must hold for the sets of a fold before anything is trained on it.

Every check raises a `SerMtlError` that opens with `where`: the file of the
card, its name, and the fold.
"""

from collections import Counter
from itertools import combinations

from ser_mtl_modules.errors import SerMtlError, shortlist


def describe_rows(rows, expected, may_lack=0):
    """How the numbers of a manifest's rows differ from what a card expects.

    Arguments
    ---------
    rows : dict
        ID -> row, of the whole manifest.
    expected : dict
        Column -> value -> number of rows. Other values may be there too.
    may_lack : int
        So many fewer are no difference.

    Returns
    -------
    list of str

    Example
    -------
    >>> rows = {"1": {"split": "Train"}, "2": {"split": "Train"}}
    >>> describe_rows(rows, {"split": {"Train": 2, "Test1": 1}})
    ['split Test1: 0 rows in the manifest, expected 1']
    """
    differences = []
    for column, wanted in expected.items():
        found = Counter(row[column] for row in rows.values())
        differences += [
            f"{column} {value}: {found[value]} rows in the manifest, "
            f"expected {number}"
            for value, number in wanted.items()
            if not 0 <= number - found[value] <= may_lack
        ]
    return differences


def describe_counts(sets, expected, classes, may_lack=0):
    """How the numbers of clips differ from what a card expects, in words.

    Arguments
    ---------
    sets : dict
        Name of a set -> ID -> row, with its class as ``emotion``.
    expected : dict
        Name of a set -> counts by class, and of all as ``count``. What is not
        named is not expected to be any number.
    classes : sequence of str
        In the order of the words.
    may_lack : int
        So many fewer are no difference.

    Returns
    -------
    list of str
        One for each set that differs.

    Example
    -------
    >>> rows = {"1": {"emotion": "calm"}, "2": {"emotion": "calm"}}
    >>> expected = {"count": 4, "calm": 2, "anger": 2}
    >>> describe_counts({"test": rows}, {"test": expected}, ["calm", "anger"])
    ['test: 2 clips, expected 4; anger 0, expected 2']
    """
    differences = []
    for set_, rows in sets.items():
        counts = Counter(row["emotion"] for row in rows.values())
        wanted = expected.get(set_, {})
        words = [
            f"{class_} {counts[class_]}, expected {wanted[class_]}"
            for class_ in classes
            if class_ in wanted
            and not 0 <= wanted[class_] - counts[class_] <= may_lack
        ]
        if not 0 <= wanted.get("count", len(rows)) - len(rows) <= may_lack:
            words.insert(0, f"{len(rows)} clips, expected {wanted['count']}")
        if words:
            differences.append(f"{set_}: {'; '.join(words)}")
    return differences


def check_disjoint(where, sets, disjoint):
    """No set shares a value of its column with any other set.

    Arguments
    ---------
    where : str
        Opens the message.
    sets : dict
        Name of a set -> ID -> row.
    disjoint : dict
        Name of a set -> column. Empty values are unknown, not shared.
    """
    for set_, column in disjoint.items():
        own = {row[column] for row in sets[set_].values()} - {""}
        for other in sets:
            shared = own & {row[column] for row in sets[other].values()}
            if other != set_ and shared:
                raise SerMtlError(
                    f"{where}: {column} {', '.join(sorted(shared)[:10])} in "
                    f"both {set_} and {other}; a {column} may be in one set "
                    f"only. Correct the fold, or run the preparation again "
                    f"if the manifest's {column} is wrong."
                )


def check_duplicates(where, sets):
    """No recording is in two sets, under whatever names.

    Rows without a checksum, of corpora that are not decoded, pass.

    Arguments
    ---------
    where : str
        Opens the message.
    sets : dict
        Name of a set -> ID -> row.
    """
    files = {
        set_: {
            row["checksum"]: row["wav"]
            for row in rows.values()
            if row["checksum"]
        }
        for set_, rows in sets.items()
    }
    for one, other in combinations(files, 2):
        shared = files[one].keys() & files[other].keys()
        if shared:
            pairs = sorted((files[one][c], files[other][c]) for c in shared)
            words = [f"{a} ({one}) is {b} ({other})" for a, b in pairs]
            raise SerMtlError(
                f"{where}: the same audio in two sets:\n{shortlist(words)}\n"
                f"A copy in another set gives the answer away. Compare the "
                f"files with the corpus, and run the preparation again."
            )


def check_classes(where, sets, classes):
    """No set is empty, and train has clips of every class.

    Arguments
    ---------
    where : str
        Opens the message.
    sets : dict
        Name of a set -> ID -> row, with its class as ``emotion``; one is "train".
    classes : sequence of str
        All there should be.
    """
    empty = [set_ for set_, rows in sets.items() if not rows]
    if empty:
        raise SerMtlError(
            f"{where}: no clip in {' and '.join(empty)}; expected some in each "
            f"set. Complete the corpus, or choose another fold."
        )
    present = {row["emotion"] for row in sets["train"].values()}
    missing = [class_ for class_ in classes if class_ not in present]
    if missing:
        raise SerMtlError(
            f"{where}: no clip of {', '.join(missing)} in train; expected all "
            f"of {', '.join(classes)}. Complete the corpus, or choose a card "
            f"without it."
        )
