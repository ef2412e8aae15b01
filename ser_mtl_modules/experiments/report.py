"""Tables over folds and seeds, made from what the models answered.

A folder with the runs of one method becomes a row. All scores are computed
again from ``predictions.csv`` and ``speaker_trials.csv``; where that isn't
what ``results.json`` says, the report says so. Runs that cannot be compared
are not put side by side: another card, another manifest, a fold that some
seeds lack.
"""

import csv
import io
import json
import tempfile
import zipfile
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from rich.table import Table
from rich.text import Text

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.metrics.classification import (
    accuracy,
    confusions,
    macro_f1,
    mean_recall,
)
from ser_mtl_modules.metrics.intervals import interval, paired_difference
from ser_mtl_modules.training import settings
from ser_mtl_modules.training.results import (
    LOWER_IS_BETTER,
    differences,
    flat,
    metrics_from_rows,
    read_results,
    read_run,
    scores_of,
)

POOLED = {"UA": mean_recall, "WA": accuracy, "macro_F1": macro_f1}
# overrides that say which run it is, not what was done in it
BOOKKEEPING = "card data_folder download earlier_folder fold".split()
BOOKKEEPING += "output_folder seed".split()
LEGEND = (
    "Per cent on test: mean ± standard deviation over folds; pooled: of the "
    "utterances of all folds together, in brackets the 95 % bootstrap interval "
    "over speakers. UA: mean of the recalls of the classes that occur in the "
    "reference; CCC: concordance with the raters, times 100, mean of the "
    "attributes; KL: divergence from the raters' shares, in nats times 100. "
    "↓: lower is better."
)
DETAILS = "Of the utterances of all folds and seeds together:"


def report_on(folders, against=None):
    """Scores of methods on one card.

    Arguments
    ---------
    folders : list of str or path-like
        A folder for each row; its runs are all that lie below. ``NAME=FOLDER``
        gives the row a name, which is otherwise made of the overrides.
    against : str or path-like, optional
        The folder of the method that the others are compared with.

    Returns
    -------
    dict
        ``card``; ``rows``, as `row_of` gives them, in the order of the
        folders, with ``against`` in each where that was asked for;
        ``against``, the name of that method; ``differences``, where results
        are not what was answered; ``notes``, sentences on what the reader
        should know, differences among them.

    Raises
    ------
    SerMtlError
        If there is no run, or there are runs that cannot be compared.
    """
    names = dict(map(_named, folders))  # by folder
    groups = {folder: find_runs(folder) for folder in names}
    baseline = find_runs(against) if against is not None else []
    everything = [*sum(groups.values(), []), *baseline]
    _refuse_to_mix(everything)
    rows = []
    for folder, runs in groups.items():
        method = names[folder] or _method(runs[0])
        row = {"method": method, "folder": folder, **row_of(runs)}
        if baseline and folder != str(against):
            row["against"] = compare(runs, baseline)
        rows.append(row)
    shown = [row["method"] for row in rows]
    for row in rows:
        if shown.count(row["method"]) > 1:
            row["method"] = row["folder"]
    checked = {run.folder: run for run in everything}
    found = [note for run in checked.values() for note in differences(run)]
    notes, other = [*found], None
    if baseline:
        other = names.get(str(against)) or _method(baseline[0])
        notes.append(
            "Differences are in pooled UA, paired by utterance, with the 95 % "
            f"interval over speakers, to {other} ({against})."
        )
    return {
        "card": everything[0].results["card"],
        "rows": rows,
        "against": other,
        "differences": found,
        "notes": notes,
    }


def _named(folder):
    """A folder and the name that was given with it, if there was one."""
    name, equals, rest = str(folder).partition("=")
    if equals and not Path(folder).exists():
        return rest, name
    return str(folder), None


def find_runs(folder):
    """The finished runs below a folder, which must be of one method.

    Arguments
    ---------
    folder : str or path-like
        Where to look; or a file of published runs (``publish.py``).

    Returns
    -------
    list of Run
        By seed and fold.

    Raises
    ------
    SerMtlError
        If there is none, a fold is there twice, seeds have different folds,
        or the runs differ in more than fold and seed.
    """
    runs = _read_runs(folder)
    _refuse_to_mix(runs)
    by_seed = {}
    for run in runs:
        if difference := _differs(run, runs[0]):
            raise SerMtlError(
                f"{folder}: {runs[0].folder} is of {_method(runs[0])}, and "
                f"{run.folder} of {_method(run)}{difference}. A row is of one "
                "method; give each one's folder by itself."
            )
        seed, fold = run.results["seed"], run.results["fold"]
        folds = by_seed.setdefault(seed, {})
        if fold in folds:
            raise SerMtlError(
                f"{folder}: fold {fold} of seed {seed} is there twice, in "
                f"{folds[fold].folder} and {run.folder}. Give a folder that "
                "holds the runs of one method."
            )
        folds[fold] = run
    wanted = set().union(*by_seed.values())
    for seed, folds in by_seed.items():
        if missing := wanted - folds.keys():
            raise SerMtlError(
                f"{folder}: seed {seed} has no fold {_listed(missing)}, which "
                "another seed has. Run what is missing, or remove that seed."
            )
    return sorted(
        runs, key=lambda run: (run.results["seed"], run.results["fold"])
    )


def _read_runs(folder):
    if zipfile.is_zipfile(folder):
        with tempfile.TemporaryDirectory() as extracted:
            with zipfile.ZipFile(folder) as file:
                file.extractall(extracted)
            runs = _read_runs(extracted)
            for run in runs:
                run.folder = Path(folder) / run.folder.relative_to(extracted)
        return runs
    files = sorted(Path(folder).rglob("results.json"))
    # an earlier stage is a part of the run in whose folder it lies
    files = [f for f in files if not (f.parents[1] / f.name).exists()]
    if not files:
        raise SerMtlError(
            f"{folder}: there is no results.json here or below, so there is "
            "no finished run to report. Give the output folder of a recipe."
        )
    return [read_run(file.parent) for file in files]


def row_of(runs):
    """What a row of the table says; all scores are fractions.

    Arguments
    ---------
    runs : list of Run
        Of `find_runs`.

    Returns
    -------
    dict
        folds, seeds : what there is
        missing_folds : how many the card has besides
        mean : by ``task/metric``, the mean over folds and seeds
        spread : the standard deviation over folds (each a mean over seeds);
        absent with one fold
        spread_over_seeds : of the mean over folds; absent with one seed
        n_runs : by ``task/metric``, in how many runs it could be computed
        pooled : UA, WA and macro_F1 of all folds' utterances together, as a
        mean over seeds; the same UA of other classifications as ``gender/UA``,
        and ``attributes/CCC`` and ``raters/KL``.
        Where folds lack classes, as with one test speaker, this is the UA to
        read: the mean over folds then has recalls of other classes in each
        interval : of the pooled UA, over speakers; absent with one speaker
        classes, confusion : of the utterances of all folds and seeds together,
        counts by target (rows) and prediction
        by_class, by_gender, by_style, by_speaker : of the same, the recall of
        each class and the UA on each gender, style of speaking (improvised and
        scripted, say) and speaker, where the corpus knows them
        minutes : of a run, mean; of the processor's time where there was no
        GPU, as other work on the machine doesn't change it much
    """
    scores = {}  # by task/metric, then by run
    for run in runs:
        key = (run.results["seed"], run.results["fold"])
        for name, value in flat(scores_of(run)):
            if "/by_class/" not in name:
                scores.setdefault(name, {})[key] = value
    folds = sorted({run.results["fold"] for run in runs})
    seeds = sorted({run.results["seed"] for run in runs})
    counts, groups = _counts(runs)
    around = interval(list(counts.values()), groups, mean_recall)
    n_folds = max(run.results.get("n_folds", 0) for run in runs)
    row = {
        "folds": folds,
        "seeds": seeds,
        "missing_folds": max(0, n_folds - len(folds)),
        "mean": {name: mean(s.values()) for name, s in scores.items()},
        "spread": {n: _spread(s, by=1) for n, s in scores.items()},
        "spread_over_seeds": {n: _spread(s, by=0) for n, s in scores.items()},
        "n_runs": {name: len(s) for name, s in scores.items()},
        "pooled": _pooled(runs),
        "interval": around and list(around),
        **_details(runs, counts),
        "minutes": mean(map(_minutes, runs)),
    }
    for name in ("spread", "spread_over_seeds"):
        row[name] = {n: s for n, s in row[name].items() if s is not None}
    return {k: v for k, v in row.items() if v is not None}


def _details(runs, counts):
    """Scores of parts of the test set, all folds and seeds together."""
    matrix = sum(counts.values())
    support = matrix.sum(axis=1)
    known = {row["ID"]: row for run in runs for row in run.rows}
    details = {
        "classes": runs[0].classes,
        "confusion": matrix.tolist(),
        "by_class": {
            name: float(matrix[i, i] / support[i])
            for i, name in enumerate(runs[0].classes)
            if support[i]
        },
    }
    for column in ("gender", "style", "speaker"):
        parts = {}
        for utterance, matrix in counts.items():
            # runs of before styles were written down have none
            if who := known[utterance].get(column):
                parts[who] = parts.get(who, 0) + matrix
        details[f"by_{column}"] = {
            who: float(mean_recall(part)) for who, part in sorted(parts.items())
        }
    return details


def _minutes(run):
    on_cpu = run.results["device"].startswith("cpu")
    return run.results["cpu_seconds" if on_cpu else "seconds"] / 60


def _spread(scores, by):
    """Over folds (by=1) or seeds (by=0), of the means over the other."""
    parts = {}
    for key, value in scores.items():
        parts.setdefault(key[by], []).append(value)
    return stdev(map(mean, parts.values())) if len(parts) > 1 else None


def _pooled(runs):
    scores = {}
    for seed in {run.results["seed"] for run in runs}:
        mine = [run for run in runs if run.results["seed"] == seed]
        matrix = sum(_counts(mine)[0].values())
        for name, statistic in POOLED.items():
            scores.setdefault(name, []).append(float(statistic(matrix)))
        for name, value in flat(
            metrics_from_rows(_rows_of_all(mine), mine[0].classes)
        ):
            pooled = name.endswith(("/UA", "/CCC", "/KL"))
            if pooled and name != "emotion/UA":
                scores.setdefault(name, []).append(value)
    return {name: mean(values) for name, values in scores.items()}


def _rows_of_all(runs):
    """The rows of all runs, with the columns that every run has."""
    columns = [
        name
        for name in next((row for run in runs for row in run.rows), {})
        if all(name in row for run in runs for row in run.rows[:1])
    ]
    return [{c: row[c] for c in columns} for run in runs for row in run.rows]


def _counts(runs):
    """By ID, the confusion [C, C] summed over seeds; and the speakers."""
    counts, speakers = {}, {}
    for run in runs:
        rows = [row for row in run.rows if row["target"]]
        matrices = confusions(
            [row["target"] for row in rows],
            [row["prediction"] for row in rows],
            run.classes,
        )
        for row, matrix in zip(rows, matrices):
            counts[row["ID"]] = counts.get(row["ID"], 0) + matrix
            # an unknown speaker counts as one that said nothing else
            speakers[row["ID"]] = row["speaker"] or row["ID"]
    ids = sorted(counts)
    return {i: counts[i] for i in ids}, [speakers[i] for i in ids]


def compare(runs, baseline):
    """The paired difference of pooled UA, over speakers.

    Arguments
    ---------
    runs, baseline : list of Run
        Of `find_runs`, tested on the same utterances.

    Returns
    -------
    dict or None
        ``UA``, ``interval`` and ``inside_noise``; None with one speaker.
    """
    a, groups = _counts(runs)
    b, _ = _counts(baseline)
    if a.keys() != b.keys():
        only = sorted(a.keys() ^ b.keys())
        raise SerMtlError(
            f"{runs[0].folder.parent} and {baseline[0].folder.parent} were "
            f"not tested on the same utterances: {len(only)} are in one only, "
            f"such as {only[0]}. Compare runs of the same folds."
        )
    difference = paired_difference(
        np.stack([*a.values()]), np.stack([*b.values()]), groups, mean_recall
    )
    if difference is None:
        return None
    return {
        "UA": difference.value,
        "interval": [difference.low, difference.high],
        "inside_noise": difference.inside_noise,
    }


# ---- what may stand side by side


def _refuse_to_mix(runs):
    for name in ("card", "manifest"):
        first, *others = runs
        for run in others:
            ours, theirs = (r.results["checksums"][name] for r in (first, run))
            if ours != theirs:
                raise SerMtlError(
                    f"{first.folder} and {run.folder} have not the same "
                    f"{name} (checksums {ours[:12]} and {theirs[:12]}; cards "
                    f"{first.results['card']} and {run.results['card']}), so "
                    "their scores don't compare. Report each by itself, or "
                    f"run again what was run with the older {name}."
                )


def kept_overrides(overrides):
    """Those that say what was done, not which run it was."""
    return {k: v for k, v in overrides.items() if k not in BOOKKEEPING}


def refuse_another(folder, yaml, card, overrides, precision):
    """Raises if a folder holds a finished run of another experiment.

    Arguments
    ---------
    folder : Path
        Where there may be a run; whether there is one, it returns.
    yaml : Path
        Of the experiment that is wanted.
    card : Card
        Its card.
    overrides : dict
        As ``results.json`` has them.
    precision : str
        As ``--precision``.

    Returns
    -------
    bool
    """
    if not (folder / "results.json").exists():
        return False
    found = read_results(folder / "results.json")
    theirs = {
        "yaml": found["yaml"],
        "content of its yaml": found["checksums"]["yaml"],
        "card": found["card"],
        "content of its card": found["checksums"]["card"],
        "overrides": kept_overrides(found["overrides"]),
        "precision": found["precision"],
    }
    ours = {
        "yaml": yaml.name,
        "content of its yaml": settings.checksum(yaml),
        "card": card.name,
        "content of its card": card.checksum,
        "overrides": kept_overrides(overrides),
        "precision": precision,
    }
    for name, wanted in ours.items():
        if theirs[name] != wanted:
            raise SerMtlError(
                f"{folder} holds a finished run with another {name}: "
                f"{theirs[name]}, and {wanted} is wanted. Give another "
                "--output, or remove that run."
            )
    return True


def _settings(run):
    return Path(run.results["yaml"]).stem, kept_overrides(
        run.results["overrides"]
    )


def _differs(run, other):
    """What is not the same in two runs; empty if only fold and seed are."""
    a, b = run.results, other.results
    if _settings(run) != _settings(other):
        return ", which differ"
    if a["checksums"]["yaml"] != b["checksums"]["yaml"]:
        return ", and what stands in the YAML has changed between them"
    if a["precision"] != b["precision"]:
        return f", in {b['precision']} and {a['precision']}"
    return ""


def _method(run):
    """The YAML and what was overridden in it: ``mtl --alpha=0.5``."""
    yaml, overrides = _settings(run)
    # of a path, the name: where it lies is this machine's own affair
    flags = [
        f"--{k}={Path(v).name if str(v).startswith('/') else v}"
        for k, v in sorted(overrides.items())
    ]
    return " ".join([yaml, *flags])


def _listed(items):
    return ", ".join(str(item) for item in sorted(items))


# ---- how it is shown


def as_json(content):
    """A report as JSON, in fractions.

    Arguments
    ---------
    content : dict
        Of `report_on`.

    Returns
    -------
    str
    """
    return json.dumps(content, indent=2, ensure_ascii=False)


def as_csv(content):
    """A report as CSV, a line for each method and metric, in fractions.

    Arguments
    ---------
    content : dict
        Of `report_on`.

    Returns
    -------
    str
        Columns method, metric, mean, sd_over_folds, sd_over_seeds, pooled,
        low and high (of the interval); empty where there is none.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        "method metric mean sd_over_folds sd_over_seeds pooled low high".split()
    )
    for row in content["rows"]:
        for name, value in row["mean"].items():
            metric = name.removeprefix("emotion/")
            around = row.get("interval", []) if metric == "UA" else []
            writer.writerow(
                [
                    row["method"],
                    name,
                    value,
                    row["spread"].get(name, ""),
                    row["spread_over_seeds"].get(name, ""),
                    row["pooled"].get(metric, ""),
                    *(around or ("", "")),
                ]
            )
    return text.getvalue()


def as_markdown(content):
    """A report as Markdown tables, in per cent.

    Arguments
    ---------
    content : dict
        Of `report_on`.

    Returns
    -------
    str
    """
    notes = [f"- {note}" for note in content["notes"]]
    below = f"Card `{content['card']}`. {LEGEND}"
    parts = [as_markdown_table(content), below]
    parts += ["\n".join(notes)] if notes else []
    parts += [DETAILS, _markdown(details(content))]
    return "\n\n".join(parts)


def as_markdown_table(content):
    """The first of the tables of `as_markdown`, for a README."""
    return _markdown(scores(content))


def _markdown(columns):
    lines = [
        "| " + " | ".join(columns) + " |",
        "|:--" + "|--:" * (len(columns) - 1) + "|",
    ]
    lines += ["| " + " | ".join(c) + " |" for c in zip(*columns.values())]
    return "\n".join(lines)


def as_table(content):
    """A report as a table for the terminal, in per cent.

    A column for each method: terminals are not as wide as READMEs. Cells are
    `Text`, as rich would take brackets in a plain string for markup.

    Arguments
    ---------
    content : dict
        Of `report_on`.

    Returns
    -------
    rich.table.Table
    """
    table = Table(
        title=Text(content["card"]),
        caption=Text("\n".join([LEGEND, *content["notes"]])),
        title_justify="left",
        caption_justify="left",
    )
    names, *lines = scores(content).items()
    table.add_column(names[0])
    for method in names[1]:
        table.add_column(Text(method), justify="right", overflow="fold")
    for name, cells in lines:
        table.add_row(name, *map(Text, cells))
    table.add_section()
    _, *lines = details(content).items()
    for name, cells in lines:
        table.add_row(Text(name), *map(Text, cells))
    return table


def scores(content):
    """Cells by name of the column; one that is empty in every row is out.

    Arguments
    ---------
    content : dict
        Of `report_on`.

    Returns
    -------
    dict of str to list of str
        The first column is ``method``.
    """
    rows = content["rows"]
    columns = {
        "method": [row["method"] for row in rows],
        "folds": [_folds(row) for row in rows],
        "seeds": [_seeds(row) for row in rows],
    }
    for metric in POOLED:
        title = metric.replace("_", "-")
        columns[title] = [_mean(r, f"emotion/{metric}") for r in rows]
        if metric == "UA":
            columns["UA, pooled"] = [pooled_cell(r, metric) for r in rows]
    others = {
        n: 0 for r in rows for n in r["mean"] if n.split("/")[0] != "emotion"
    }
    for name in others:
        title = name.replace("/", " ")
        arrow = " ↓" if title.endswith(LOWER_IS_BETTER) else ""
        columns[title + arrow] = [_mean(r, name, spread=False) for r in rows]
        columns[f"{title}, pooled"] = [pooled_cell(r, name) for r in rows]
    columns["minutes a fold"] = [f"{row['minutes']:.1f}" for row in rows]
    title = f"pooled UA, difference to {content['against']}"
    columns[title] = [difference_cell(row.get("against")) for row in rows]
    return {name: cells for name, cells in columns.items() if any(cells)}


def details(content):
    """As `scores`, of parts of the test set, from classes to speakers."""
    rows = content["rows"]
    columns = {"method": [row["method"] for row in rows]}
    titles = {"by_class": "recall, ", "by_gender": "UA, ", "by_style": "UA, "}
    for part, title in titles.items():
        for name in dict.fromkeys(name for row in rows for name in row[part]):
            columns[title + name] = [
                percent_of(row[part], name) for row in rows
            ]
    for title, choose in (("lowest", min), ("highest", max)):
        columns[f"UA, {title} speaker"] = [_speaker(r, choose) for r in rows]
    return {name: cells for name, cells in columns.items() if any(cells)}


def percent_of(scores, name):
    """A score as a cell; an empty one where it is not known."""
    return f"{100 * scores[name]:.1f}" if name in scores else ""


def _speaker(row, choose):
    by_speaker = row["by_speaker"]
    if not by_speaker:
        return ""
    who = choose(by_speaker, key=by_speaker.get)
    return f"{percent_of(by_speaker, who)} ({who})"


def _folds(row):
    n = len(row["folds"])
    missing = row["missing_folds"]
    return f"{n} of {n + missing}" if missing else str(n)


def _seeds(row):
    spread = row["spread_over_seeds"].get("emotion/UA")
    cell = str(len(row["seeds"]))
    return cell if spread is None else f"{cell}, UA ± {100 * spread:.1f}"


def _mean(row, name, spread=True):
    cell = percent_of(row["mean"], name)
    if not cell:
        return ""
    if spread and name in row["spread"]:
        cell += f" ± {100 * row['spread'][name]:.1f}"
    n_runs = len(row["folds"]) * len(row["seeds"])
    if row["n_runs"][name] < n_runs:
        cell += f" ({row['n_runs'][name]} of {n_runs} runs)"
    return cell


def pooled_cell(row, metric):
    """A score of all folds together, and the interval that UA has."""
    cell = percent_of(row["pooled"], metric)
    if cell and metric == "UA" and "interval" in row:
        low, high = row["interval"]
        cell += f" [{100 * low:.1f}, {100 * high:.1f}]"
    return cell


def difference_cell(found):
    """What `compare` found, as a cell; an empty one for None."""
    if not found:
        return ""
    low, high = found["interval"]
    words = ", inside the noise" if found["inside_noise"] else ""
    return (
        f"{100 * found['UA']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]{words}"
    )
