"""A picture of a recording, coloured by where a model looks in it."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from ser_mtl_modules.training.figures import COLOURS, new_figure, save

N_COLUMNS = 700  # of the picture, whatever the recording's length
# No attention is still to be seen on white
SHADES = LinearSegmentedColormap.from_list("attention", ["#D5DBE1", COLOURS[0]])
STRONG = 3.0  # times even attention: the darkest shade


def attention_between(edges, start_s, stop_s, weights):
    """The share of attention that falls between moments of a recording.

    The attention of a frame is spread evenly over its time. Frames may
    overlap, as those of neighbouring windows do, and leave time out.

    Arguments
    ---------
    edges : array-like
        Rising moments in seconds, shape [K + 1].
    start_s, stop_s, weights : array-like
        Of each frame, shape [T], as in ``recognizer.Attention``.

    Returns
    -------
    numpy.ndarray
        Shape [K].

    Example
    -------
    >>> shares = attention_between([0, 1, 2, 4], [0, 2], [2, 3], [0.6, 0.4])
    >>> shares.round(6).tolist()
    [0.3, 0.3, 0.4]
    """
    start_s, stop_s = np.asarray(start_s), np.asarray(stop_s)
    rates = np.asarray(weights) / (stop_s - start_s)  # a second
    times = np.concatenate([start_s, stop_s])
    order = times.argsort(kind="stable")
    times = times[order]
    # the rate changes where a frame starts and where it stops
    rates = np.concatenate([rates, -rates])[order].cumsum()
    so_far = np.append(0.0, (rates[:-1] * np.diff(times)).cumsum())
    return np.diff(np.interp(edges, times, so_far))


def plot_clip(path, wave, sample_rate, attention):
    """Draws a wave, the darker the more a model looks there.

    Below it is a strip for each other task: where what emotion takes from it
    comes from, and beside it how much of all that is taken is of that task.

    Arguments
    ---------
    path : str or path-like or io.BytesIO
        The picture; a buffer gets a PNG.
    wave : numpy.ndarray
        Of the whole recording, shape [N].
    sample_rate : int
        In Hz.
    attention : recognizer.Attention
        Of the recording.
    """
    duration = len(wave) / sample_rate
    edges = np.linspace(0, duration, N_COLUMNS + 1)
    strips = {
        name: N_COLUMNS
        * attention_between(edges, attention.start_s, attention.stop_s, weights)
        for name, weights in attention.over_time.items()
    }
    pooling = strips.pop("pooling")
    figure = new_figure(
        figsize=(11, 2.6 + 0.4 * len(strips)), layout="constrained", dpi=110
    )
    grid = figure.add_gridspec(
        1 + len(strips), 1, height_ratios=[5] + [1] * len(strips)
    )
    panel = figure.add_subplot(grid[0])
    _draw_wave(panel, wave, edges, pooling)
    for row, (name, shares) in enumerate(strips.items(), start=1):
        panel.tick_params(bottom=False, labelbottom=False)
        panel = figure.add_subplot(grid[row], sharex=panel)
        _draw_strip(panel, shares, duration, name)
        if name in attention.over_tasks:
            share = f"  {100 * attention.over_tasks[name]:.0f} %"
            panel.text(duration, 0.5, share, va="center")
    panel.set_xlim(0, duration)
    panel.set_xlabel("seconds")
    for panel in figure.axes:
        panel.spines[:].set_visible(False)
    bar = figure.colorbar(
        figure.axes[0].collections[0], ax=figure.axes, aspect=30
    )
    bar.outline.set_visible(False)
    bar.set_label("times even attention")
    save(figure, path)


def _draw_wave(panel, wave, edges, attention):
    """From the lowest to the highest sample in each column."""
    places = np.linspace(0, len(wave), N_COLUMNS + 1).astype(int)
    starts = np.minimum(places[:-1], len(wave) - 1)
    low = np.minimum.reduceat(wave, starts)
    high = np.maximum.reduceat(wave, starts)
    loudest = max(np.abs(wave).max(), 1e-9)
    thin = 0.004 * loudest  # silence is a line
    lines = panel.vlines(
        (edges[:-1] + edges[1:]) / 2,
        np.minimum(low, -thin),
        np.maximum(high, thin),
        lw=1.2,
    )
    lines.set(array=attention, cmap=SHADES, clim=(0, STRONG))
    panel.set_ylim(-1.05 * loudest, 1.05 * loudest)
    panel.set_yticks([])
    panel.set_ylabel("emotion", rotation=0, ha="right", va="center")


def _draw_strip(panel, attention, duration, name):
    panel.imshow(
        attention[None],
        extent=(0, duration, 0, 1),
        aspect="auto",
        cmap=SHADES,
        vmin=0,
        vmax=STRONG,
    )
    panel.set_yticks([])
    panel.set_ylabel(name, rotation=0, ha="right", va="center")
