"""An ONNX file says what the run says, of clips of any length."""

import json
import sys

import pytest
import torch
from tiny_models import MODELS
from tiny_ravdess import predictions
from typer.testing import CliRunner

from ser_mtl_modules.__main__ import app
from ser_mtl_modules.dataio.audio import read_audio
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.inference import onnx_export
from ser_mtl_modules.inference.speech_model import SpeechModel
from ser_mtl_modules.inference.trained_run import TrainedRun
from ser_mtl_modules.lobes import co_attention
from ser_mtl_modules.lobes.encoders import PretrainedEncoder
from ser_mtl_modules.lobes.fbank_encoder import FbankEncoder
from ser_mtl_modules.lobes.layer_fusion import WeightedSum
from ser_mtl_modules.tasks.classification import Classification


def needs_onnx():
    for name in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(name)
    return sys.modules["onnxruntime"]


def test_without_onnx_it_says_what_is_missing(runs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(SerMtlError, match=r"pip install 'ser-mtl\[onnx\]'"):
        onnx_export.export_onnx(runs["fbank"], tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_file_gives_the_runs_predictions(runs, kind, tmp_path):
    onnxruntime = needs_onnx()
    folder = tmp_path / "model"
    arguments = ["export", runs[kind], folder, "--format", "onnx"]
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, result.exception
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    facts = session.get_modelmeta().custom_metadata_map
    classes = json.loads(facts["classes"])
    assert list(classes) == ["emotion", "gender"]
    assert facts["sample_rate"] == "16000"
    assert facts["card"] == "ravdess-6fold-consecutive"
    card = (folder / "README.md").read_text()
    for said in (facts["card"], facts["trim"], "The ONNX file", "Limits"):
        assert said in card
    trained = TrainedRun(runs[kind])
    corpus = runs[kind].parent / "RAVDESS"
    waves = getattr(trained.signal, "waves", trained.signal)
    for row in predictions(runs[kind]):
        wave = read_audio(next(corpus.rglob(f"{row['ID']}.wav")))
        wave = waves.trim(wave, 16000)[None].numpy()
        emotion, gender = session.run(["emotion", "gender"], {"wave": wave})
        for p, prefix, names in [
            (emotion, "p_", classes["emotion"]),
            (gender, "gender_p_", classes["gender"]),
        ]:
            expected = [float(row[f"{prefix}{name}"]) for name in names]
            assert p[0].tolist() == pytest.approx(expected, abs=1e-4)


def model_of(encoder):
    """A random model that tells emotions and genders apart."""
    classes = {"emotion": ["sad", "calm", "happy"], "gender": ["F", "M"]}
    return SpeechModel(
        {
            "encoder": encoder,
            "layer_fusions": torch.nn.ModuleDict(
                {
                    task: WeightedSum(encoder.n_levels, encoder.output_size, 8)
                    for task in classes
                }
            ),
            "co_attention": co_attention.Chain(8, ["gender"]),
            "tasks": torch.nn.ModuleDict(
                {k: Classification(8, names) for k, names in classes.items()}
            ),
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("family", ["fbank", *MODELS])
def test_every_family_hears_lengths_that_were_not_traced(
    family, tiny_models, tmp_path
):
    onnxruntime = needs_onnx()
    torch.manual_seed(0)
    encoder, longest_s = FbankEncoder(n_mels=40, channels=[4, 4], size=16), 30.0
    if family != "fbank":
        encoder = PretrainedEncoder(tiny_models[family], freeze="all")
        # the tiny Whisper hears 2 s
        longest_s = min(30.0, (encoder.model.max_samples or 480_000) / 16000)
    tasks = ["emotion", "gender"]
    module = onnx_export.Probabilities(
        model_of(encoder), [lambda wave, _: wave], tasks
    ).eval()
    program = onnx_export.trace(module, 16000, longest_s)
    program.save(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for seconds in (0.06, 0.1, 0.777, 1.0, 1.9999, longest_s):
        wave = 0.1 * torch.randn(1, int(16000 * seconds))
        with torch.no_grad():
            expected = module(wave)
        found = session.run(tasks, {"wave": wave.numpy()})
        for p, q in zip(found, expected):
            assert p.sum() == pytest.approx(1, abs=1e-5)
            torch.testing.assert_close(
                torch.from_numpy(p), q, atol=1e-4, rtol=0
            )


@pytest.mark.slow
def test_what_onnx_can_not_say_is_refused():
    needs_onnx()

    class Fickle(torch.nn.Module):
        tasks = ["emotion"]

        def forward(self, wave):
            return (wave if wave.sum() > 0 else -wave,)

    with pytest.raises(SerMtlError, match="can't be said in ONNX") as error:
        onnx_export.trace(Fickle(), 16000, 2.0)
    assert "without --format onnx" in str(error.value)
    assert torch.backends.mha.get_fastpath_enabled()
