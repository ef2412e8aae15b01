import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from tiny_ravdess import RECIPE

from ser_mtl_modules.training.figures import plot_confusion, plot_curves

CLASSES = ["neutral", "calm", "happy", "sad"]


@pytest.fixture
def drawn(monkeypatch):
    """The figure that was saved, to look into."""
    figures = []
    save = Figure.savefig

    def remember(figure, *args, **kwargs):
        figures.append(figure)
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", remember)
    return figures


def history(n_epochs):
    return [
        {
            "epoch": epoch,
            "lr": 0.1 / epoch,
            "train": {"loss": 3 / epoch, "emotion": 2 / epoch, "speaker": 1.0},
            "valid": {"loss": 4 / epoch, "emotion": 3 / epoch},
            "metrics": {
                "emotion": {
                    "UA": 0.1 * epoch,
                    "by_class": {"sad": {"F1": 0.5}},
                },
                "speaker": {"EER": 0.5 / epoch},
            },
        }
        for epoch in range(1, n_epochs + 1)
    ]


def lines(figure):
    """What is drawn, by title of the panel and label of the line."""
    return {
        (axes.get_title().split(",")[0], line.get_label()): (
            list(line.get_xdata()),
            list(line.get_ydata()),
        )
        for sub in figure.subfigs
        for axes in sub.axes
        for line in axes.lines
    }


def test_cells_say_percentage_of_the_row_and_count(drawn, tmp_path):
    matrix = np.diag([3, 5, 2, 1])
    matrix[0, 2] = 1
    plot_confusion(tmp_path / "a.png", matrix, CLASSES, "title")
    axes = drawn[0].axes[0]
    cells = {}
    for text in axes.texts:
        cells.setdefault(text.xy, []).append(text.get_text())
    assert cells[0, 0] == ["75%", "3"]
    assert cells[2, 0] == ["25%", "1"]  # x is the prediction
    assert len(cells) == 5  # the zeros stay empty
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == ["neutral (4)", "calm (5)", "happy (2)", "sad (1)"]
    assert axes.get_title(loc="left") == "title"


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [1, 2, 8, 10])
def test_any_number_of_classes_and_empty_rows(n, tmp_path):
    path = tmp_path / "new" / "a.png"
    plot_confusion(path, np.zeros((n, n), int), [f"c{i}" for i in range(n)], "")
    assert imread(path).ndim == 3


def test_each_loss_has_its_panel_and_the_chosen_epoch_is_marked(
    drawn, tmp_path
):
    plot_curves(tmp_path / "a.png", history(4), best_epoch=3)
    found = lines(drawn[0])
    epochs = [1, 2, 3, 4]
    assert found["objective", "train"] == (epochs, [3 / e for e in epochs])
    assert found["loss: emotion", "valid"] == (epochs, [3 / e for e in epochs])
    assert ("loss: speaker", "train") in found
    assert ("loss: speaker", "valid") not in found
    percent = [pytest.approx(10 * e) for e in epochs]
    title = "metrics on valid"
    assert found[title, "emotion UA"] == (epochs, percent)
    assert (title, "speaker EER ↓") in found
    assert not any("sad" in label for _, label in found)
    panels = [axes for sub in drawn[0].subfigs for axes in sub.axes]
    assert len(panels) == 5
    for panel in panels:
        assert [3, 3] in [list(line.get_xdata()) for line in panel.lines]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_epochs", [1, 2])
def test_few_epochs_and_values_that_are_not_finite(n_epochs, drawn, tmp_path):
    content = history(n_epochs)
    content[0]["train"]["loss"] = float("nan")
    plot_curves(tmp_path / "a.png", content)
    assert imread(tmp_path / "a.png").ndim == 3


def test_training_begins_without_what_takes_long_to_import():
    code = (
        f"import sys; sys.path.insert(0, {str(RECIPE)!r}); import train;"
        "sys.exit(bool({'matplotlib', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
