"""The recipe on pre-trained encoders: folders with small random models."""

import json
import math
import socket
import subprocess
import sys
import time
from pathlib import Path

import huggingface_hub
import pytest
import torch
import train
from tiny_ravdess import RECIPE, ROOT, arguments, scores, write_corpus

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.lobes.encoders import PretrainedEncoder
from ser_mtl_modules.training.brain import SERBrain

pytestmark = pytest.mark.usefixtures("no_pictures")

TASKS = {"emotion", "gender", "speaker", "asr"}
# every family; base and large ones differ in the norms of the convolutions
FINE_TUNED = ["wavlm-base", "wavlm-large", "hubert-base", "hubert-large"]
FINE_TUNED += ["wav2vec2-base", "wav2vec2-large", "data2vec", "whisper"]
on_one_model = pytest.mark.parametrize("frozen", ["whisper"], indirect=True)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Clips that are long enough for their texts, and shorter than 2 s."""
    folder = tmp_path_factory.mktemp("pretrained") / "RAVDESS"
    return write_corpus(folder, n_emotions=2, seconds=1.2)


def flags(corpus, folder, yaml, source, *more):
    """A command line for an epoch of two steps."""
    return arguments(
        corpus,
        folder,
        f"--ssl_hub={source}",
        "--number_of_epochs=1",
        "--max_batch_duration=60",
        *more,
        yaml=yaml,
    )


def output_folder(command):
    """Where a run leaves its files."""
    (found,) = (f for f in command if f.startswith("--output_folder="))
    return Path(found.partition("=")[2])


def losses(folder):
    """Those of the only epoch in training, by name."""
    (epoch,) = json.loads((folder / "history.json").read_text())
    return epoch["train"]


class Stopped(Exception):
    """The run has come as far as a test needs it."""


def stop(*args, **kwargs):
    raise Stopped


# ---- fine-tuned


@pytest.mark.parametrize("name", FINE_TUNED)
def test_all_tasks_are_trained_and_the_layers_with_them(
    corpus, tiny_models, name
):
    source, folder = tiny_models[name], corpus.parent / name
    train.main(flags(corpus, folder, "mtl.yaml", source))
    assert set(scores(folder)) == TASKS
    terms = losses(folder)
    assert set(terms) == TASKS | {"swfc", "loss"}
    assert all(0 < term < math.inf for term in terms.values())

    (path,) = (folder / "save").glob("*/encoder.ckpt")
    after = torch.load(path, weights_only=True)
    before = PretrainedEncoder(source, freeze="cnn")
    trained = {n for n, p in before.named_parameters() if p.requires_grad}
    moved = {n for n, p in before.state_dict().items() if not p.equal(after[n])}
    assert moved == trained and not any(".cnn." in n for n in moved)


def test_integration_of_lower_levels_is_an_override(corpus, tiny_models):
    folder = corpus.parent / "integration"
    kind = "AugmentedResidualIntegration"
    module = "ser_mtl_modules.lobes.residual_integration"
    flag = f"--encoder={{integration: !name:{module}.{kind} {{bottleneck: 4}}}}"
    train.main(flags(corpus, folder, "mtl.yaml", tiny_models["whisper"], flag))
    (path,) = (folder / "save").glob("*/encoder.ckpt")
    after = torch.load(path, weights_only=True)
    ups = [after[n] for n in after if n.endswith("up.weight")]
    assert len(ups) == 2  # of the second and third layer
    assert all(up.any() for up in ups)  # they began at zero
    assert "emotion" in scores(folder)


# ---- frozen


@pytest.fixture(scope="module", params=["whisper", "wavlm-large"])
def frozen(request, corpus, tiny_models):
    """A function for the flags of a run on levels that are there."""

    def command(folder, *more):
        folder = corpus.parent / "frozen" / request.param / folder
        return flags(
            corpus,
            folder,
            "mtl_frozen.yaml",
            tiny_models[request.param],
            f"--signal={{folder: {corpus.parent / 'features'}}}",
            *more,
        )

    train.main(command("first"))
    return command


def test_levels_are_computed_once_and_all_tasks_trained_on_them(
    frozen, monkeypatch
):
    def fail(*args, **kwargs):
        raise AssertionError("the encoder is loaded again")

    monkeypatch.setattr(PretrainedEncoder, "__init__", fail)
    train.main(frozen("second", "--seed=7"))
    terms = []
    for name in ("first", "second"):
        folder = output_folder(frozen(name))
        assert set(scores(folder)) == TASKS
        terms.append(losses(folder))
    first, second = terms
    assert set(first) == TASKS | {"swfc", "loss"}
    assert all(math.isfinite(term) for term in first.values())
    assert first != second


@on_one_model
def test_a_run_on_levels_that_are_there_never_imports_transformers(frozen):
    # which takes longer than all else before the first step
    script = """
import sys

sys.path[:0] = sys.argv[1:3]
import train
import ser_mtl_modules.lobes.encoders

assert "transformers" not in sys.modules
train.SERBrain.fit = lambda *args: sys.exit("transformers" in sys.modules)
train.main(sys.argv[3:])
"""
    paths = [str(ROOT), str(RECIPE)]
    command = [sys.executable, "-c", script, *paths]
    command += frozen("third", "--seed=8")
    subprocess.run(command, check=True, cwd=ROOT)


@on_one_model
def test_a_wave_augmentation_on_levels_is_named_with_what_to_write(frozen):
    augment = "!new:ser_mtl_modules.augment.waves.SpeedAndNoise {}"
    with pytest.raises(SerMtlError, match="--augment=.*NoAugment.*views"):
        train.main(frozen("augmented", f"--augment={augment}"))


@on_one_model
def test_learning_rates_of_other_modules_replace_those_of_the_yaml(
    frozen, monkeypatch
):
    rates = []
    monkeypatch.setattr(
        SERBrain, "fit", lambda brain, *_: rates.append(brain.learning_rates)
    )
    monkeypatch.setattr(SERBrain, "evaluate", stop)
    other = "--learning_rates=!new:builtins.dict {tasks: 1e-4}"
    with pytest.raises(Stopped):
        train.main(frozen("rates", other))
    assert rates == [{"tasks": 1e-4}]


# ---- no model of that name


def offline(monkeypatch):
    """As with HF_HUB_OFFLINE=1."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def unreachable(monkeypatch):
    """A machine that finds no other."""

    def fail(*args, **kwargs):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", fail)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # retries


@pytest.mark.parametrize("yaml", ["mtl.yaml", "mtl_frozen.yaml"])
@pytest.mark.parametrize("network", [offline, unreachable])
def test_without_a_network_the_way_out_is_one_line_before_anything_is_made(
    corpus, tmp_path, monkeypatch, yaml, network
):
    network(monkeypatch)
    folder, levels = corpus.parent / "nothing", tmp_path / "levels"
    command = flags(corpus, folder, yaml, "no/such-model")
    if yaml == "mtl_frozen.yaml":
        command.append(f"--signal={{folder: {levels}}}")
    monkeypatch.setattr(SERBrain, "__init__", stop)
    with pytest.raises(SerMtlError) as error:
        train.main(command)
    message = str(error.value)
    assert "no/such-model" in message and "\n" not in message
    assert "--ssl_hub=/path/to/folder" in message
    assert not folder.exists()
    assert not any(path.is_file() for path in levels.rglob("*"))
