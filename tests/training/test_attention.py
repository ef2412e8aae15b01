import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.image import imread

from ser_mtl_modules.training.attention import plot_attention

WAVE = torch.sin(torch.arange(16000) / 20)
PEAK = torch.tensor([[0.1, 0.1, 0.7, 0.1]])
EVEN = torch.full((1, 4), 0.25)
SHARES = {"gender": torch.tensor([0.8]), "speaker": torch.tensor([0.2])}


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


def test_curves_are_multiples_of_even_attention_over_seconds(drawn, tmp_path):
    over_time = {"gender": PEAK, "speaker": EVEN, "pooling": EVEN}
    path = tmp_path / "new" / "a.png"
    plot_attention(path, WAVE, 16000, over_time, SHARES, "a clip: sad")
    panels = {axes.get_title(): axes for axes in drawn[0].axes}
    titles = ["wave", "gender", "speaker", "pooling"]
    assert list(panels) == [*titles, "share of what is taken, per cent"]
    heights, edges, _ = panels["gender"].patches[0].get_data()
    assert heights == pytest.approx([0.4, 0.4, 2.8, 0.4])
    assert edges == pytest.approx([0, 0.25, 0.5, 0.75, 1])
    assert panels["gender"].get_ylim()[1] > 2.8
    assert panels["speaker"].get_ylim() == (0, 2)  # flat looks flat
    *_, bars = drawn[0].axes
    assert [b.get_width() for b in bars.patches] == pytest.approx([80, 20])
    names = [label.get_text() for label in bars.get_yticklabels()]
    assert names == ["gender", "speaker"]
    # a curve and a bar of one task bear one colour
    for bar, name in zip(bars.patches, names):
        curve = panels[name].patches[0]
        assert curve.get_facecolor()[:3] == bar.get_facecolor()[:3]
    assert imread(path).std() > 0


def test_other_attention_gives_another_picture(tmp_path):
    for name, weights in (("a", PEAK), ("b", PEAK.flip(1)), ("c", PEAK)):
        path = tmp_path / f"{name}.png"
        plot_attention(path, WAVE, 16000, {"pooling": weights}, {}, "")
    pictures = [(tmp_path / f"{name}.png").read_bytes() for name in "abc"]
    assert pictures[0] == pictures[2] != pictures[1]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_samples", [1, 400])
def test_one_frame_silence_and_nothing_taken(n_samples, tmp_path):
    over_time = {"gender": torch.zeros(1, 1), "pooling": torch.ones(1, 1)}
    over_tasks = {"gender": torch.zeros(1)}
    path, wave = tmp_path / "a.png", torch.zeros(n_samples)
    plot_attention(path, wave, 16000, over_time, over_tasks, "")
    assert imread(path).ndim == 3
