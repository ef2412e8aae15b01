"""The commands export and predict, as a user types them."""

import csv
import io
import json
import shutil

import pytest
import soundfile
from tiny_ravdess import RATE, clip, predictions
from typer.testing import CliRunner

from ser_mtl_modules.__main__ import app
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.inference.export import export_run


def call(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A folder with two recordings, a damaged one, and a text."""
    folder = tmp_path_factory.mktemp("recordings")
    (folder / "below").mkdir()
    soundfile.write(folder / "b.wav", clip(1, 1, 1), RATE)
    soundfile.write(folder / "below" / "a.flac", clip(2, 2, 1), RATE)
    (folder / "bad.wav").write_text("no sound")
    (folder / "notes.txt").write_text("no sound")
    return folder


@pytest.mark.parametrize("format", ["table", "csv", "json"])
def test_a_bad_file_is_reported_and_skipped(exports, recordings, format):
    result = call("predict", exports["fbank"], recordings, "--format", format)
    assert result.exit_code == 1
    assert "bad.wav: cannot be read as audio" in result.stderr
    assert "1 of 3 skipped" in result.stderr and "bad" not in result.stdout
    lines = result.stdout.splitlines()
    assert "b.wav" in lines[-2] and "a.flac" in lines[-1]
    assert len(lines) == (2 if format == "json" else 3)


def test_formats_say_the_same(exports, recordings):
    command = ["predict", exports["fbank"], recordings / "b.wav"]
    command += ["--tasks", "emotion,gender,asr", "--format"]
    said = json.loads(call(*command, "json").stdout)
    (row,) = csv.DictReader(io.StringIO(call(*command, "csv").stdout))
    table = call(*command, "table")
    assert table.exit_code == 0
    header, line = table.stdout.splitlines()
    assert header.split() == ["file", "emotion", "gender", "asr"]
    for task, p in [("emotion", "p"), ("gender", "gender_p")]:
        assert row[task] == said[task] == max(said[p], key=said[p].get)
        for name, value in said[p].items():
            assert float(row[f"{p}_{name}"]) == value
        assert f"{said[task]} {100 * said[p][said[task]]:.0f} %" in line
    assert row["asr"] == said["asr"]


def test_a_run_answers_as_it_was_tested_and_is_left_as_it_was(runs, kind):
    (first, *_) = predictions(runs[kind])
    before = sorted(p for p in runs[kind].iterdir() if p.is_file())
    corpus = runs[kind].parent / "RAVDESS"
    (file,) = corpus.rglob(f"{first['ID']}.wav")
    result = call("predict", runs[kind], file, "--format", "json")
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    assert said["emotion"] == first["prediction"]
    for name, value in said["p"].items():
        assert value == pytest.approx(float(first[f"p_{name}"]), abs=1e-5)
    assert before == sorted(p for p in runs[kind].iterdir() if p.is_file())


def test_a_speaker_is_an_embedding(exports, recordings):
    command = ["predict", exports["fbank"], recordings / "b.wav", "--tasks"]
    said = json.loads(call(*command, "speaker", "--format", "json").stdout)
    assert len(said["speaker"]) == 16
    assert sum(x * x for x in said["speaker"]) == pytest.approx(1, abs=1e-4)
    with pytest.raises(SerMtlError, match="--format json"):
        raise call(*command, "speaker").exception


def test_what_is_not_there_is_told(exports, recordings, tmp_path):
    with pytest.raises(SerMtlError, match="Did you mean 'gender'"):
        raise call(
            "predict", exports["fbank"], recordings, "--tasks", "gendr"
        ).exception
    nothing = call("predict", exports["fbank"], tmp_path, tmp_path / "x.wav")
    assert nothing.exit_code == 1
    assert "no recording below" in nothing.stderr
    assert "no such file" in nothing.stderr and "2 of 2" in nothing.stderr
    with pytest.raises(SerMtlError, match="no hyperparams.yaml"):
        raise call("predict", tmp_path, recordings).exception


def test_export_says_how_to_go_on(runs, tmp_path, monkeypatch):
    result = call("export", runs["fbank"], tmp_path / "model")
    assert f"predict {tmp_path / 'model'} FILES" in " ".join(
        result.stdout.split()
    )
    assert (tmp_path / "model" / "model.safetensors").exists()


def test_a_moved_encoder_is_named(runs, tmp_path):
    run = shutil.copytree(runs["frozen"], tmp_path / "run")
    yaml = (run / "hyperparams.yaml").read_text()
    (line,) = (x for x in yaml.splitlines() if x.startswith("ssl_hub:"))
    moved = line.partition("#")[0].split()[1]
    (run / "hyperparams.yaml").write_text(yaml.replace(moved, "/nowhere"))
    with pytest.raises(SerMtlError, match="there is no such folder"):
        export_run(run, tmp_path / "first")
    assert not (tmp_path / "first").exists()
    export_run(run, tmp_path / "second", ssl_hub=moved)
