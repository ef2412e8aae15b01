"""Pictures of a run: which classes it confuses, and how it learned."""

import io
import math
from pathlib import Path

import numpy as np

from ser_mtl_modules.training.results import LOWER_IS_BETTER, flat

# Okabe and Ito's colours, which colour-blind readers can tell apart
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"]


def new_figure(**settings):
    """A matplotlib figure, which no backend knows of.

    Arguments
    ---------
    **settings
        Of ``matplotlib.figure.Figure``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    # takes more than half a second, and training begins without
    from matplotlib.figure import Figure

    return Figure(**settings)


def plot_confusion(path, matrix, classes, title):
    """Draws a confusion matrix, coloured by share of the row.

    Each cell says the percentage of its target class and, below, the count;
    the diagonal holds the recalls. Rows without utterances stay empty.

    Arguments
    ---------
    path : str or path-like
        The picture; its ending says the format.
    matrix : numpy.ndarray
        Counts by target (rows) and prediction (columns), shape [C, C].
    classes : list of str
        Names, in the order of the matrix.
    title : str
        Above the picture.
    """
    matrix = np.asarray(matrix)
    support = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.where(support > 0, support, 1)  # [C, C]
    side = 2.6 + 0.72 * len(classes)
    size = side + 0.6, side
    figure = new_figure(figsize=size, layout="constrained", dpi=150)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (i, j), share in np.ndenumerate(shares):
        if not matrix[i, j]:
            continue  # zeros would hide the pattern
        colour = "white" if share > 0.5 else "black"
        weight = "bold" if i == j else "normal"
        axes.annotate(
            f"{share:.0%}",
            (j, i),
            xytext=(0, 1),
            textcoords="offset points",
            ha="center",
            va="bottom",
            color=colour,
            weight=weight,
        )
        axes.annotate(
            f"{matrix[i, j]}",
            (j, i),
            xytext=(0, -2),
            textcoords="offset points",
            ha="center",
            va="top",
            color=colour,
            fontsize=7.5,
        )
    ticks = np.arange(len(classes))
    axes.set_xticks(ticks, classes, rotation=40, ha="right")
    axes.set_yticks(
        ticks, [f"{name} ({n})" for name, n in zip(classes, support[:, 0])]
    )
    # white lines between the cells, and no frame
    axes.set_xticks(ticks[:-1] + 0.5, minor=True)
    axes.set_yticks(ticks[:-1] + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("prediction")
    axes.set_ylabel("target (utterances)")
    axes.set_title(title, loc="left", fontsize=11)
    bar = figure.colorbar(image, ax=axes, shrink=0.5, format="{x:.0%}")
    bar.set_label("share of the target class")
    bar.outline.set_visible(False)
    save(figure, path)


def plot_curves(path, history, best_epoch=None):
    """Draws metrics, losses and learning rate over the epochs.

    Every loss has a panel of its own: their scales have nothing in common.

    Arguments
    ---------
    path : str or path-like
        The picture; its ending says the format.
    history : list of dict
        Of every epoch: ``epoch``, ``train`` and ``valid`` (losses by name),
        ``metrics`` (fractions on valid, as `metrics_from_rows` gives them),
        and ``lr``.
    best_epoch : int, optional
        The one that was chosen on valid, to be marked.
    """
    losses = list({name: 0 for e in history for name in e["train"]})
    n_rows = math.ceil(len(losses) / 3)
    figure = new_figure(
        figsize=(11, 2.5 * (1 + n_rows)), layout="constrained", dpi=150
    )
    # two figures in one, lest the legend above push the losses apart
    above, below = figure.subfigures(2, 1, height_ratios=[1, n_rows])
    metrics, rate = above.subplots(1, 2, width_ratios=[2, 1])
    _plot_metrics(metrics, history, best_epoch)
    rate.set_title("learning rate")
    _line(rate, [(e["epoch"], e["lr"]) for e in history], color=COLOURS[0])
    for i, name in enumerate(losses):
        panel = below.add_subplot(n_rows, 3, i + 1)
        # the name of the terms' weighted sum would read "loss: loss"
        panel.set_title("objective" if name == "loss" else f"loss: {name}")
        for part, colour in zip(("train", "valid"), COLOURS):
            points = [
                (e["epoch"], e[part][name]) for e in history if name in e[part]
            ]
            _line(panel, points, color=colour, label=part)
        panel.legend(frameon=False, fontsize=8)
    for panel in [*above.axes, *below.axes]:
        if best_epoch is not None:
            panel.axvline(best_epoch, color="#666666", ls=":", zorder=0)
        panel.title.set(fontsize=10, ha="left", x=0)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25)
        panel.locator_params(axis="x", integer=True, min_n_ticks=1)
    below.supxlabel("epoch", fontsize=10)
    save(figure, path)


def _plot_metrics(panel, history, best_epoch):
    panel.set_title(
        "metrics on valid, per cent"
        + (f"; epoch {best_epoch} was chosen" if best_epoch else "")
    )
    scores = [(e["epoch"], dict(flat(e["metrics"]))) for e in history]
    names = [
        name
        for name in {n: 0 for _, values in scores for n in values}
        if "/by_class/" not in name
    ]
    for i, name in enumerate(names):
        lower = name.split("/")[-1] in LOWER_IS_BETTER
        _line(
            panel,
            [(epoch, 100 * v[name]) for epoch, v in scores if name in v],
            color=COLOURS[i % len(COLOURS)],
            linestyle="--" if lower else "-",
            label=name.replace("/", " ") + (" ↓" if lower else ""),
        )
    panel.set_ylim(bottom=0)
    if names:
        # beside the lines, of which there are too many to leave a gap
        panel.legend(
            frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1)
        )


def _line(panel, points, **style):
    """A line, or a dot where there is a single point."""
    if points:
        marker = "o" if len(points) == 1 else None
        panel.plot(*zip(*points), marker=marker, **style)


def save(figure, path):
    """Writes a picture, and the folders that lead there.

    Arguments
    ---------
    figure : matplotlib.figure.Figure
        What was drawn.
    path : str or path-like or io.BytesIO
        The file; a buffer gets a PNG.
    """
    if not isinstance(path, io.BytesIO):
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight")
