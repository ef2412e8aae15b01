"""The commands of the front door, as a user types them."""

import io

import pytest
import soundfile
from rich.console import Console
from typer.testing import CliRunner

from ser_mtl_modules.__main__ import app
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments import demo
from ser_mtl_modules.synthesis import ravdess


def call(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def small(monkeypatch):
    """Two clips of each actor instead of sixty."""

    def write(folder, **settings):
        return original(folder, clips_per_speaker=2, actors=[1, 2], **settings)

    original = ravdess.write_ravdess
    monkeypatch.setattr(ravdess, "write_ravdess", write)
    monkeypatch.setattr(demo, "write_ravdess", write)


def test_sample_corpus_is_written_once_and_says_how_to_go_on(small, tmp_path):
    first = call("sample-corpus", "RAVDESS", tmp_path / "R")
    assert first.exit_code == 0, first.output
    assert "4 clips written" in first.output
    assert f"--data_folder={tmp_path / 'R'}" in first.output
    clips = sorted((tmp_path / "R").rglob("*.wav"))
    assert [c.parent.name for c in clips] == ["Actor_01"] * 2 + ["Actor_02"] * 2
    assert all(soundfile.info(c).duration > 0.5 for c in clips)
    assert "0 clips" in call("sample-corpus", "RAVDESS", tmp_path / "R").output


def test_other_corpora_are_written_and_said_to_be_smaller(tmp_path):
    few = ["--clips-per-speaker", 1]
    emodb = call("sample-corpus", "EMODB", tmp_path / "E", *few)
    assert "10 clips written" in emodb.output
    improv = call("sample-corpus", "MSP-IMPROV", tmp_path / "I", *few)
    assert "16 clips written" in improv.output
    for output in (emodb.output, improv.output):
        assert "--check_counts=False" in output
    assert "cd recipes/MSP-IMPROV &&" in improv.output


def test_a_whole_corpus_is_counted(small, tmp_path):
    output = call("sample-corpus", "RAVDESS", tmp_path / "R").output
    assert "check_counts" not in output and "fewer" not in output


def test_a_seed_gives_other_clips(small, tmp_path):
    for seed in (1, 2):
        call("sample-corpus", "RAVDESS", tmp_path / str(seed), "--seed", seed)
    one, two = (
        [c.read_bytes() for c in sorted((tmp_path / s).rglob("*.wav"))]
        for s in "12"
    )
    assert len(one) == len(two) == 4 and one != two


def test_an_unknown_corpus_is_named_with_those_there_are(tmp_path):
    result = call("sample-corpus", "RAVDES", tmp_path)
    assert result.exit_code == 2 and "'RAVDESS'" in result.output
    assert not list(tmp_path.iterdir())


def test_demo_says_where_to_look_when_its_training_fails(small, tmp_path):
    # two actors are no fold of any card
    with pytest.raises(SerMtlError, match="log.txt"):
        demo.run_demo(tmp_path / "demo")
    assert len(list((tmp_path / "demo" / "RAVDESS").rglob("*.wav"))) == 4


def test_demo_needs_the_recipes(small, tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "RECIPES", tmp_path / "nowhere")
    with pytest.raises(SerMtlError, match="clone of the repository"):
        demo.run_demo(tmp_path / "demo")
    assert not (tmp_path / "demo").exists()


def test_demo_shows_what_it_reached_beside_what_is_expected():
    reached = {
        "emotion": {"UA": 71.5, "by_class": {"calm": {"F1": 3.0}}},
        "gender": {"UA": 90.0},
        "speaker": {"EER": 20.0},
    }
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(demo.comparison({"metrics": {"test": reached}}))
    lines = console.export_text().splitlines()
    said = {name: line for line in lines for name in reached if name in line}
    assert len(said) == 3 and not any("WER" in line for line in lines)
    assert ">= 70" in said["emotion"] and "71.5" in said["emotion"]
    assert "not reached" in said["gender"]
    assert "as expected" in said["emotion"] and "as expected" in said["speaker"]
