"""Scores under conditions: a table, a picture, CSV and JSON."""

import csv
import json
import math

from rich.table import Table

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.metrics.classification import (
    classification_scores,
    confusions,
    mean_recall,
)
from ser_mtl_modules.metrics.intervals import interval
from ser_mtl_modules.training.figures import COLOURS, new_figure, save

SCORES = ("UA", "WA", "macro_F1")


def score(rows, classes, condition):
    """What a run's answers under a condition are worth.

    Arguments
    ---------
    rows : list of dict
        Of a predictions.csv, with ``loss`` and ``snr_db`` of each clip.
    classes : list of str
        Of the model, or those that two corpora have in common.
    condition : object
        With ``group``, ``kind``, ``level`` and ``unit``.

    Returns
    -------
    dict
        Percentages with two decimals: ``UA`` with ``UA_low`` and ``UA_high``,
        its 95 % interval over speakers, ``WA``, ``macro_F1``; ``loss``, the
        mean cross-entropy; ``snr_db``, mean energy of clips over that of what
        was changed. None where there is no such number.
    """
    targets, predictions, speakers = (
        [row[column] for row in rows]
        for column in ("target", "prediction", "speaker")
    )
    found = classification_scores(targets, predictions, classes)
    counts = confusions(targets, predictions, classes)
    spread = interval(counts, speakers, mean_recall) or (None, None)
    snrs = [row["snr_db"] for row in rows if math.isfinite(row["snr_db"])]
    return {
        "group": condition.group,
        "condition": condition.kind,
        "level": condition.level,
        "unit": condition.unit,
        "n": len(rows),
        **{name: round(100 * found[name], 2) for name in SCORES},
        "UA_low": spread[0] and round(100 * spread[0], 2),
        "UA_high": spread[1] and round(100 * spread[1], 2),
        "loss": round(_mean([row["loss"] for row in rows]), 4),
        "snr_db": round(_mean(snrs), 2) if snrs else None,
    }


def _mean(values):
    return sum(values) / len(values)


def write_report(folder, facts, scored):
    """Writes ``results.csv``, ``curves.png`` and, last, ``results.json``.

    Arguments
    ---------
    folder : Path
        Gets them.
    facts : dict
        What was measured.
    scored : list of dict
        As `score` gives them, the clean one first.

    Returns
    -------
    dict
        The content of ``results.json``.
    """
    with atomic_write(folder / "results.csv") as file:
        writer = csv.DictWriter(file, list(scored[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(scored)
    plot(folder / "curves.png", scored)
    content = {**facts, "conditions": scored}
    with atomic_write(folder / "results.json") as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.write("\n")
    return content


def as_table(content):
    """UA of each condition at each of its levels.

    Arguments
    ---------
    content : dict
        Of ``results.json``.

    Returns
    -------
    rich.table.Table
    """
    clean = content["conditions"][0]
    title = (
        f"{content['card']}, fold {content['fold']}: UA in per cent; clean "
        f"{clean['UA']:.1f}"
    )
    if clean["UA_low"] is not None:
        title += f" ({clean['UA_low']:.1f} to {clean['UA_high']:.1f})"
    n_views = content["n_views_of_test"]
    caption = None
    if n_views > 1:
        caption = (
            f"Clips are heard once ({content['view']}); the run's own test "
            f"averages {n_views} forms of each."
        )
    table = Table(title=title, caption=caption)
    table.add_column("condition", no_wrap=True)
    table.add_column("level: UA")
    last = "clean"
    for (group, kind, unit), rows in _lines(content["conditions"]).items():
        if group == "clean":
            continue
        if group != last:
            table.add_section()
        said = "  ".join(f"{r['level']}: {r['UA']:.1f}" for r in rows)
        table.add_row(kind, f"{said}  {unit}".rstrip())
        last = group
    return table


def _lines(scored):
    """Rows of the same condition, by (group, condition, unit)."""
    lines = {}
    for row in scored:
        key = row["group"], row["condition"], row["unit"]
        lines.setdefault(key, []).append(row)
    return lines


def plot(path, scored):
    """Draws UA against SNR, and against each kind of epsilon.

    Arguments
    ---------
    path : Path
        The picture.
    scored : list of dict
        As `score` gives them, the clean one first.
    """
    clean = scored[0]
    panels = {}  # (group, unit) -> name of a line -> its rows
    for (group, kind, unit), rows in _lines(scored).items():
        if group in ("noise", "attack"):
            panels.setdefault((group, unit), {})[kind] = rows
    figure = new_figure(
        figsize=(0.5 + 4.2 * len(panels), 4.6), layout="constrained", dpi=150
    )
    all_axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, ((group, unit), lines) in zip(all_axes, panels.items()):
        axes.axhline(clean["UA"], color="#666666", ls=":", label="clean")
        for i, (kind, rows) in enumerate(lines.items()):
            axes.plot(
                [row["level"] for row in rows],
                [row["UA"] for row in rows],
                color=COLOURS[i % len(COLOURS)],
                linestyle="-" if i < len(COLOURS) else "--",
                marker="o",
                markersize=3,
                label=kind.partition(",")[0],
            )
        if group == "noise":
            axes.set_xlabel("SNR, dB")
            axes.invert_xaxis()  # worse to the right, as with epsilon
        else:
            axes.set_xscale("log")
            axes.set_xlabel(f"epsilon, {unit}")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=7, ncols=1 + (len(lines) > 6))
    all_axes[0].set_ylim(0, 100)
    all_axes[0].set_ylabel("UA on test, per cent")
    save(figure, path)
