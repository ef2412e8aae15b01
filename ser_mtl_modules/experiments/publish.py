"""Runs that a repository keeps, and the tables of a README made of them.

A sweep is published as one small file: what each run was, and what it
answered for each test utterance. Whoever has runs of their own can pair them
with these, utterance by utterance, and nobody has to believe a table.
"""

import csv
import io
import json
import re
import shlex
import zipfile
from pathlib import Path

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments.report import (
    BOOKKEEPING,
    as_markdown_table,
    find_runs,
    report_on,
)
from ser_mtl_modules.training.results import SHARE

# <!-- report NAME=FILE ... --against FILE -->, a table, <!-- end of report -->
TABLE = re.compile(
    r"(<!-- report (?P<words>[^>]*?) -->\n).*?(<!-- end of report -->)",
    re.DOTALL,
)


def publish(folder, archive):
    """Writes the runs of a sweep as one file that `report` reads.

    Probabilities have four decimals. The trials of speakers, a hundred times
    as long as the rest, are left out, so that the EER is the one that the run
    computed. Folders of the machine are left out too. The same runs make the
    same bytes.

    Arguments
    ---------
    folder : str or path-like
        Of the sweep.
    archive : str or path-like
        The zip file.

    Raises
    ------
    SerMtlError
        If the runs are not of one method (`find_runs`).
    """
    parts = {}
    for run in find_runs(folder):
        place = f"fold-{run.results['fold']}/seed-{run.results['seed']}"
        parts[f"{place}/results.json"] = _results(run.results)
        parts[f"{place}/predictions.csv"] = _predictions(run.rows)
    archive = Path(archive)
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in sorted(parts.items()):
            info = zipfile.ZipInfo(name)  # of 1980, whenever it is written
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, text, compresslevel=9)


def _results(results):
    kept = {
        # of a path, the name: where it lies is one machine's affair
        name: Path(value).name if str(value).startswith("/") else value
        for name, value in results["overrides"].items()
        if name not in BOOKKEEPING
    }
    published = {**results, "overrides": kept, "without_trials": True}
    return json.dumps(published, indent=1, ensure_ascii=False)


def _predictions(rows):
    text = io.StringIO()
    # of soft labels the score is a sum of logarithms, also of what is near 0
    exact = any(name.startswith(SHARE) for name in rows[0])
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {
                name: value
                if exact or not isinstance(value, float)
                else f"{value:.4f}"
                for name, value in row.items()
            }
        )
    return text.getvalue()


def refreshed(readme):
    """A README's text with its tables made again.

    A table stands between ``<!-- report NAME=FOLDER ... -->``, with the
    arguments of the command ``report`` and paths relative to the README, and
    ``<!-- end of report -->``.

    Arguments
    ---------
    readme : str or path-like
        The file, which is not changed.

    Returns
    -------
    str

    Raises
    ------
    SerMtlError
        If runs are missing, don't compare, or don't say what they answered.
    """
    readme = Path(readme)
    text = readme.read_text(encoding="utf-8")

    def table(match):
        rows = _table(readme, match["words"])
        return f"{match[1]}\n{rows}\n\n{match[3]}"

    return TABLE.sub(table, text)


def refresh(readme):
    """Writes the tables of a README again; says whether any changed."""
    before = Path(readme).read_text(encoding="utf-8")
    after = refreshed(readme)
    if after == before:
        return False
    with atomic_write(readme) as file:
        file.write(after)
    return True


def _table(readme, words):
    words = shlex.split(words)
    against = None
    if "--against" in words:
        place = words.index("--against")
        _, against = words[place : place + 2]
        del words[place : place + 2]
        against = readme.parent / against
    folders = []
    for word in words:
        name, _, path = word.rpartition("=")
        folders.append(f"{name}={readme.parent / path}")
    try:
        content = report_on(folders, against)
    except SerMtlError as error:
        raise SerMtlError(f"{readme}, report {words}: {error}") from None
    if content["differences"]:
        raise SerMtlError(f"{readme}: {content['differences'][0]}")
    return as_markdown_table(content)
