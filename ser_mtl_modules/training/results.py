"""The files of a run's folder that hold what came out.

``predictions.csv`` and ``speaker_trials.csv`` say what the model answered for
every test utterance, ``results.json`` what that is worth. Everything in the
latter's test metrics follows from the former two; `differences` checks it.
"""

import contextlib
import csv
import json
import platform
import re
import resource
import subprocess
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import rich
import torch
from rich.table import Table

import speechbrain as sb
from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.metrics.classification import (
    classification_scores,
    confusion,
    mean_recall,
)
from ser_mtl_modules.metrics.concordance import concordance
from ser_mtl_modules.metrics.recognition import word_error_rate
from ser_mtl_modules.metrics.verification import (
    Trials,
    equal_error_rate,
    trials,
)

SCHEMA = 2
FIELDS = (
    "recipe yaml card fold seed overrides checksums commit versions device "
    "precision epochs best_epoch seconds cpu_seconds peak_memory_mb metrics"
).split()
CHECKSUMS = {"card", "manifest", "yaml"}
LOWER_IS_BETTER = ("EER", "KL", "WER")
PROBABILITY = re.compile(r"(\w+_)?p_.+")  # p_sad, gender_p_F
ESTIMATE = "_estimate"  # how the column of an attribute's number ends
SHARE = "raters_"  # how the column of a class's share of the votes begins


# ---- metrics


def average_views(rows):
    """One row for each utterance, where there are several of some.

    A clip that was heard in several forms (views) gets the mean of its
    probabilities and the class that is then most probable, and the mean of its
    embeddings and of its attributes' estimates. A transcript is the one of the
    first form.

    Arguments
    ---------
    rows : list of dict
        As for `metrics_from_rows`, each utterance's in the order of its views.

    Returns
    -------
    list of dict
        Sorted by ID.

    Example
    -------
    >>> said = {"ID": "a", "target": "sad"}
    >>> once = {**said, "prediction": "sad", "p_calm": 0.3, "p_sad": 0.7}
    >>> again = {**said, "prediction": "calm", "p_calm": 0.9, "p_sad": 0.1}
    >>> (row,) = average_views([once, again])
    >>> row["prediction"], round(row["p_sad"], 3)
    ('calm', 0.4)
    """
    views = {}
    for row in rows:
        views.setdefault(row["ID"], []).append(row)
    return [averaged(views[utterance]) for utterance in sorted(views)]


def averaged(rows, weights=None):
    """One row of several about one utterance.

    Arguments
    ---------
    rows : list of dict
        As for `average_views`, of one utterance.
    weights : list of float, optional
        What each row counts; all the same by default.

    Returns
    -------
    dict
    """
    first = rows[0]
    if len(rows) == 1:
        return first
    weights = [1.0] * len(rows) if weights is None else weights
    merged = dict(first)
    for column in first:
        if (
            column == "embedding"
            or column.endswith(ESTIMATE)
            or PROBABILITY.fullmatch(column)
        ):
            parts = [w * row[column] for w, row in zip(weights, rows)]
            merged[column] = sum(parts) / sum(weights)
    for column in first:
        if column.endswith("prediction"):
            start = f"{column[: -len('prediction')]}p_"
            chances = {
                name[len(start) :]: value
                for name, value in merged.items()
                if name.startswith(start)
            }
            merged[column] = max(chances, key=chances.get)
    return merged


def metrics_from_rows(rows, classes, speaker_trials=None):
    """Every metric that the rows of a set allow, by task.

    Training calls it after each epoch and a report on the files of a finished
    run, so a metric means the same in both.

    Arguments
    ---------
    rows : list of dict
        One for each utterance, with what the tasks' ``describe`` gives:
        ``target`` and ``prediction`` for emotion, the same with a prefix for
        another classification (``gender_target``), ``arousal_target`` and
        ``arousal_estimate`` and so on, ``raters_<class>`` beside
        ``p_<class>``, ``transcript`` and ``hypothesis``, and ``embedding`` (an
        array) with ``speaker``. What is empty of a target, a share or a
        transcript leaves the row out of that task's metrics.
    classes : list of str
        Of emotion.
    speaker_trials : Trials, optional
        Instead of embeddings in the rows.

    Returns
    -------
    dict
        By task: ``emotion`` as `classification_scores` gives it, other
        classifications with ``UA``, ``attributes`` with the CCC of each by its
        name and their mean as ``CCC``, ``raters`` with ``KL``, the divergence
        of the prediction from their shares in nats, ``speaker`` with ``EER``,
        ``asr`` with ``WER``. Plain numbers, as fractions. A task without a row
        to score is absent.

    Example
    -------
    >>> rows = [{"ID": "a", "transcript": "dogs sit", "hypothesis": "dogs"}]
    >>> metrics_from_rows(rows, classes=[])
    {'asr': {'WER': 0.5}}
    """
    metrics = {}
    columns = rows[0] if rows else {}
    for column in columns:
        if column.endswith("prediction"):
            prefix = column[: -len("prediction")]
            name = prefix[:-1] or "emotion"
            metrics[name] = _classification(rows, prefix, classes)
    metrics["attributes"] = _attributes(rows, columns)
    metrics["raters"] = _raters(rows, classes)
    if speaker_trials is None:
        speaker_trials = trials_of(rows)
    if speaker_trials is not None:
        rate = equal_error_rate(speaker_trials.scores, speaker_trials.same)
        metrics["speaker"] = {} if rate is None else {"EER": rate}
    if "hypothesis" in columns:
        texts = [(row["transcript"], row["hypothesis"]) for row in rows]
        rate = word_error_rate(*zip(*texts))
        metrics["asr"] = {} if rate is None else {"WER": rate}
    return {task: scores for task, scores in metrics.items() if scores}


def _classification(rows, prefix, classes):
    pairs = [
        (row[f"{prefix}target"], row[f"{prefix}prediction"])
        for row in rows
        if row[f"{prefix}target"]
    ]
    if not pairs:
        return {}
    targets, predictions = zip(*pairs)
    if not prefix:
        return classification_scores(targets, predictions, classes)
    # UA takes only the classes that occur, so no list of them is needed
    known = sorted({*targets, *predictions})
    return {"UA": float(mean_recall(confusion(targets, predictions, known)))}


def _attributes(rows, columns):
    scores = {}
    for column in columns:
        if column.endswith(ESTIMATE):
            name = column.removesuffix(ESTIMATE)
            pairs = [
                (float(row[f"{name}_target"]), float(row[column]))
                for row in rows
                if row[f"{name}_target"]
            ]
            score = concordance(*zip(*pairs)) if pairs else None
            scores |= {} if score is None else {name: score}
    return {"CCC": mean(scores.values()), **scores} if scores else {}


def _raters(rows, classes):
    shares = [f"{SHARE}{name}" for name in classes]
    rows = [r for r in rows if shares and r.get(shares[0], "") != ""]
    if not rows:
        return {}
    y = np.array([[float(r[s]) for s in shares] for r in rows])
    p = np.array([[r[f"p_{name}"] for name in classes] for r in rows])
    # a probability may be written down as 0
    ratio = np.where(y > 0, y, 1.0) / p.clip(min=1e-12)
    return {"KL": float((y * np.log(ratio)).sum(axis=1).mean())}


def trials_of(rows):
    """The speaker trials between rows that have an ``embedding``.

    Arguments
    ---------
    rows : list of dict
        All of them with ``embedding`` and ``speaker``, or none.

    Returns
    -------
    Trials or None
        Indices are those of the rows; None without embeddings.
    """
    if not rows or "embedding" not in rows[0]:
        return None
    embeddings = np.stack([row["embedding"] for row in rows])
    return trials(embeddings, [row["speaker"] for row in rows])


# ---- writing


def write_predictions(path, rows):
    """Writes ``predictions.csv``, sorted by ID.

    Numbers are written so that reading gives the very same ones; two runs
    that did the same have the same file.

    Arguments
    ---------
    path : str or path-like
        The file.
    rows : list of dict
        Columns by name, ``ID`` among them, the same ones in every row; their
        order is kept. Arrays are left out (see `write_trials`).
    """
    rows = sorted(rows, key=lambda row: row["ID"])
    ids = [row["ID"] for row in rows]
    if len(set(ids)) < len(ids):
        twice = sorted({i for i in ids if ids.count(i) > 1})
        raise ValueError(f"{path}: more than one row for {', '.join(twice)}.")
    columns = [
        name
        for name, value in (rows[0] if rows else {"ID": ""}).items()
        if not isinstance(value, np.ndarray)
    ]
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row[name] for name in columns] for row in rows)


def write_trials(path, ids, speaker_trials):
    """Writes ``speaker_trials.csv``: ID_1, ID_2, same (0 or 1), score.

    Arguments
    ---------
    path : str or path-like
        The file.
    ids : list of str
        The utterances that the trials' indices mean.
    speaker_trials : Trials
        Of `trials_of`.
    """
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["ID_1", "ID_2", "same", "score"])
        writer.writerows(
            # of a single-precision number, str is as long as it must be
            [ids[i], ids[j], int(same), str(score)]
            for i, j, score, same in zip(*speaker_trials)
        )


def write_results(path, content):
    """Writes ``results.json``, the last file of a run: with it, it is done.

    Arguments
    ---------
    path : str or path-like
        The file.
    content : dict
        recipe : folder of the recipe, as ``RAVDESS``
        yaml : file name of the hyperparameters
        card, fold, seed : which protocol, which part, which start
        n_folds : how many folds the card has (may be left out)
        overrides : dict of what the command line changed
        checksums : dict with ``card``, ``manifest`` and ``yaml``, at least
        commit : of the code, as `commit_of` gives it
        versions : dict by package
        device, precision : str
        epochs, best_epoch : int
        seconds, cpu_seconds : float
            of training, on the clock and of the processor
        peak_memory_mb : float
        loss_weights : dict by term, as calibrated (may be left out)
        metrics : by set (``valid``, ``test``) what `metrics_from_rows` gave;
        in the file they are percentages with two decimals
    """
    missing = [field for field in FIELDS if field not in content]
    missing += CHECKSUMS - content.get("checksums", {}).keys()
    if missing:
        raise ValueError(f"{path}: no value for {', '.join(missing)}.")
    content = {"schema": SCHEMA, **content}
    content["metrics"] = {s: percent(m) for s, m in content["metrics"].items()}
    with atomic_write(path) as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")


def commit_of(folder):
    """The commit of the code in a folder, where git knows it.

    Arguments
    ---------
    folder : str or path-like
        Within a checkout.

    Returns
    -------
    str or None
        With ``+changes`` behind it if files are not as committed.
    """
    git = ["git", "-C", str(folder)]
    try:
        commit, changes = (
            subprocess.run(
                [*git, *command], capture_output=True, text=True, check=True
            ).stdout.strip()
            for command in (
                ["rev-parse", "HEAD"],
                ["status", "--porcelain", "--untracked-files=no"],
            )
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+changes" if changes else commit


def device_name(device):
    """What a device is called, as seconds mean little without it.

    Arguments
    ---------
    device : str
        As ``brain.device``.

    Returns
    -------
    str
        ``cuda: NVIDIA H100``, or ``cpu: AMD EPYC, AVX2``.
    """
    if device.startswith("cuda"):
        return f"cuda: {torch.cuda.get_device_name(device)}"
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):  # Linux knows more
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        models = [x.partition(":")[2] for x in lines if "model name" in x]
        name = models[0].strip() if models else name
    return f"{device}: {name}, {torch.backends.cpu.get_cpu_capability()}"


def peak_memory_mb(device):
    """The most memory that this process has held, the GPU's where it is."""
    if device.startswith("cuda"):
        return round(torch.cuda.max_memory_allocated() / 2**20)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10)


def versions():
    """Those of Python and of what computes, by name."""
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "speechbrain": sb.__version__,
    }


def percent(metrics):
    """Fractions, however deep in dicts, as percentages with two decimals.

    Example
    -------
    >>> percent(
    ...     {"emotion": {"UA": 0.70456, "by_class": {"sad": {"support": 7}}}}
    ... )
    {'emotion': {'UA': 70.46, 'by_class': {'sad': {'support': 7}}}}
    """
    if isinstance(metrics, dict):
        return {
            name: value if name == "support" else percent(value)
            for name, value in metrics.items()
        }
    return round(100 * metrics, 2)


# ---- reading


@dataclass
class Run:
    """What a finished run left in its folder."""

    folder: Path
    results: dict  # of results.json; metrics are percentages
    classes: list  # of emotion, in the order of the model
    rows: list  # of predictions.csv, dicts sorted by ID
    trials: Trials = None  # of speaker_trials.csv, where there is one


def read_run(folder):
    """Reads what a finished run left.

    Arguments
    ---------
    folder : str or path-like
        The run's folder.

    Returns
    -------
    Run

    Raises
    ------
    SerMtlError
        If a file is missing, damaged, or of another schema.
    """
    folder = Path(folder)
    rows, classes = read_predictions(folder / "predictions.csv")
    speaker_trials = None
    if (folder / "speaker_trials.csv").exists():
        ids = [row["ID"] for row in rows]
        speaker_trials = read_trials(folder / "speaker_trials.csv", ids)
    results = read_results(folder / "results.json")
    return Run(folder, results, classes, rows, speaker_trials)


def read_results(path):
    """Reads ``results.json``; its metrics stay percentages.

    Arguments
    ---------
    path : str or path-like
        The file.

    Returns
    -------
    dict
    """
    try:
        results = json.loads(_read(path))
    except json.JSONDecodeError as error:
        raise SerMtlError(
            f"{path}: not readable as JSON ({error}). Runs write this file "
            "whole or not at all, so it was changed since. Remove it and run "
            "the same command again: it will go on from its last checkpoint."
        )
    if results.get("schema") != SCHEMA:
        raise SerMtlError(
            f"{path}: schema {results.get('schema')}, and this version of "
            f"ser_mtl_modules reads schema {SCHEMA}. Run the recipe again, or "
            "use the version that wrote the file."
        )
    return results


def read_predictions(path):
    """Reads ``predictions.csv``.

    Arguments
    ---------
    path : str or path-like
        The file.

    Returns
    -------
    rows : list of dict
        As they were written: probabilities as numbers, all else as strings.
    classes : list of str
        Of emotion, from the names of its probabilities.
    """
    reader = csv.DictReader(_read(path).splitlines(keepends=True))
    names = reader.fieldnames or []
    numbers = [name for name in names if PROBABILITY.fullmatch(name)]
    rows = []
    for row in reader:
        # the csv module gives short rows a None, long ones a None for a key
        if None in row or None in row.values():
            raise SerMtlError(
                f"{path}, line {reader.line_num}: not as many fields as the "
                f"header has ({len(names)}). The file was changed since the "
                "run wrote it; run the recipe again."
            )
        rows.append({**row, **{name: float(row[name]) for name in numbers}})
    return rows, [name[2:] for name in numbers if name.startswith("p_")]


def read_trials(path, ids):
    """Reads ``speaker_trials.csv``.

    Arguments
    ---------
    path : str or path-like
        The file.
    ids : list of str
        The utterances of ``predictions.csv``; the indices are theirs.

    Returns
    -------
    Trials
    """
    index = {name: i for i, name in enumerate(ids)}
    _, *lines = csv.reader(_read(path).splitlines())
    strangers = {i for line in lines for i in line[:2]} - index.keys()
    if strangers:
        raise SerMtlError(
            f"{path}: {min(strangers)} is not in predictions.csv beside it. "
            "The two files are of different runs; run the recipe again."
        )
    return Trials(
        np.array([index[line[0]] for line in lines], dtype=int),
        np.array([index[line[1]] for line in lines], dtype=int),
        np.array([line[3] for line in lines], dtype=np.float32),
        np.array([line[2] == "1" for line in lines], dtype=bool),
    )


def _read(path):
    try:
        # as it is on disk: a line end within a transcript is a part of it
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        raise SerMtlError(
            f"{path} is missing. A finished run has it; run the same command "
            "again, and it will go on from its last checkpoint."
        )


# ---- checking


def scores_of(run):
    """The test metrics of a run, from what the model answered alone.

    Arguments
    ---------
    run : Run or str or path-like
        The run, or its folder.

    Returns
    -------
    dict
        As of `metrics_from_rows`.
    """
    run = run if isinstance(run, Run) else read_run(run)
    metrics = metrics_from_rows(run.rows, run.classes, run.trials)
    if run.results.get("without_trials"):  # published: there is only the EER
        said = run.results["metrics"]["test"].get("speaker", {})
        speaker = {name: value / 100 for name, value in said.items()}
        metrics |= {"speaker": speaker} if speaker else {}
    return metrics


def differences(run):
    """Where ``results.json`` is not what the model's answers give.

    Arguments
    ---------
    run : Run or str or path-like
        The run, or its folder.

    Returns
    -------
    list of str
        A sentence for each metric that differs by more than a rounding.
    """
    run = run if isinstance(run, Run) else read_run(run)
    said = dict(flat(run.results["metrics"].get("test", {})))
    found = dict(flat(percent(scores_of(run))))
    sentences = []
    for name in {**said, **found}:
        a, b = said.get(name, "nothing"), found.get(name, "nothing")
        if "nothing" in (a, b) or round(abs(a - b), 2) > 0.01:
            sentences.append(
                f"{run.folder}: test {name} is {a} in results.json and {b} "
                "by the model's answers."
            )
    return sentences


def flat(metrics, prefix=""):
    """Pairs of ``task/metric`` and value, in the order of the dicts.

    Example
    -------
    >>> list(flat({"emotion": {"UA": 70.4, "WA": 71.0}, "asr": {"WER": 9.1}}))
    [('emotion/UA', 70.4), ('emotion/WA', 71.0), ('asr/WER', 9.1)]
    """
    for name, value in metrics.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value


def headline(metrics):
    """The metrics that a log line has room for: none of single classes.

    Example
    -------
    >>> headline({"emotion": {"UA": 0.5, "by_class": {"sad": {"F1": 0.4}}}})
    {'emotion/UA': 0.5}
    """
    return {
        name: value for name, value in flat(metrics) if "/by_class/" not in name
    }


# ---- showing


def print_results(folder, console=None):
    """Prints a finished run's scores, and where its files lie.

    Arguments
    ---------
    folder : str or path-like
        The run's folder.
    console : rich.console.Console, optional
        Where to print; the terminal.
    """
    folder = Path(folder)
    results = read_results(folder / "results.json")
    console = console or rich.get_console()
    sets = list(results["metrics"])
    title = (
        "{recipe} {yaml}, {card}, fold {fold}, seed {seed}: epoch "
        "{best_epoch} of {epochs}; per cent, ↓: lower is better"
    )
    table = Table()
    table.add_column("task")
    table.add_column("metric")
    for name in sets:
        table.add_column(name, justify="right")
    scores = {name: dict(flat(results["metrics"][name])) for name in sets}
    last = None
    for name in {k: None for s in scores.values() for k in s}:
        if "/by_class/" in name:
            continue
        task, metric = name.split("/")
        if last not in (None, task):
            table.add_section()
        table.add_row(
            task if task != last else "",
            metric + (" ↓" if metric in LOWER_IS_BETTER else ""),
            *[f"{s[name]:.2f}" if name in s else "" for s in scores.values()],
        )
        last = task
    files = sorted(p.name for p in folder.iterdir() if p.is_file())
    # as they are, to be copied: not wrapped, and [1] is no markup
    plain = {"soft_wrap": True, "highlight": False, "markup": False}
    console.print(title.format(**results), **plain)
    console.print(table)
    console.print(f"{folder}/", **plain)
    console.print(f"  {', '.join(files)}", **plain)
