"""A picture of one clip: where the main task looks, and at which task."""

import numpy as np

from ser_mtl_modules.training.figures import COLOURS, new_figure, save


def plot_attention(path, wave, sample_rate, over_time, over_tasks, title):
    """Draws a wave, weights over its time below, and a bar for each task.

    Weights are drawn as multiples of even attention, which is the dotted line
    at 1: clips of any length compare, and a flat curve looks flat.

    Arguments
    ---------
    path : str or path-like
        The picture; its ending says the format.
    wave : array-like
        Of the clip, shape [N].
    sample_rate : int
        In Hz.
    over_time : dict of str to torch.Tensor
        By what a panel is to be called: the weight of each frame, with a sum
        of 1, of a batch of this one clip, [1, T]; frames cover it evenly.
    over_tasks : dict of str to torch.Tensor
        The share of each auxiliary task, [1]; without any there are no bars.
    title : str
        Above the picture.
    """
    n_rows = 1 + len(over_time)
    figure = new_figure(
        figsize=(11, 1 + 1.2 * n_rows), layout="constrained", dpi=150
    )
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    grid = figure.add_gridspec(n_rows, 2, width_ratios=[3, 1])
    colours = {  # a task's curve and bar bear one
        name: COLOURS[(i + 1) % len(COLOURS)]
        for i, name in enumerate(over_tasks)
    }
    duration = len(wave) / sample_rate
    panel = figure.add_subplot(grid[0, 0])
    panel.plot(np.arange(len(wave)) / sample_rate, wave, lw=0.4, color="black")
    panel.set_title("wave")
    panel.tick_params(labelbottom=False)
    for row, (name, weights) in enumerate(over_time.items(), start=1):
        panel = figure.add_subplot(grid[row, 0], sharex=panel)
        weights = weights.squeeze(0).float().cpu().numpy()
        panel.stairs(
            weights * len(weights),
            np.linspace(0, duration, len(weights) + 1),
            fill=True,
            alpha=0.6,
            color=colours.get(name, COLOURS[0]),
        )
        panel.axhline(1, color="#666666", ls=":", lw=1)
        panel.set_ylim(0, max(2, 1.05 * weights.max() * len(weights)))
        panel.set_title(name)
        panel.tick_params(labelbottom=row == n_rows - 1)
    panel.set_xlim(0, duration)
    panel.set_xlabel("seconds (weights: 1 is even attention)")
    if over_tasks:
        bars = figure.add_subplot(grid[:, 1])
        bars.barh(
            list(over_tasks),
            [100 * share.item() for share in over_tasks.values()],
            color=list(colours.values()),
        )
        bars.invert_yaxis()  # the first task on top, as on the left
        bars.set_xlim(0, 100)
        bars.set_title("share of what is taken, per cent")
    for panel in figure.axes:
        panel.title.set(fontsize=10, ha="left", x=0)
        panel.spines[["top", "right"]].set_visible(False)
    save(figure, path)
