"""A finished run is asked again, and says what it said."""

import shutil

import numpy as np
import pytest
import torch
import train
from tiny_ravdess import AS_IS, RECIPE, SLOW, arguments, cached_arguments

from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.manifest import read_manifest
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.inference.trained_run import TrainedRun
from ser_mtl_modules.training.results import read_run, trials_of

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module", params=["fbank", "all", 1])
def finished(request, tiny_ravdess, tmp_path_factory):
    """The folder of a run whose encoder is trained, frozen, or half so."""
    folder = tmp_path_factory.mktemp("asked") / "finished"
    if request.param == "fbank":
        train.main(arguments(tiny_ravdess, folder))
    else:
        heard = f"{SLOW}, {AS_IS}"
        train.main(
            cached_arguments(tiny_ravdess, folder, request.param, heard=heard)
        )
    return folder


@pytest.fixture
def run(finished):
    return TrainedRun(finished)


def test_it_says_what_it_said_when_it_was_tested(run, finished, tiny_ravdess):
    before = read_run(finished)
    manifest = read_manifest(finished.parent / "manifest.csv", tiny_ravdess)
    card = load_card(RECIPE / "protocols.yaml", before.results["card"])
    test = card.split(manifest, 1, check_counts=False).test
    said = [
        run.answers(run.signal.wave(name, row), name, row)
        for name, row in sorted(test.items())
    ]
    if before.trials is not None:
        scores = trials_of(said).scores
        assert np.allclose(scores, before.trials.scores, atol=1e-5)
    for row, expected in zip(said, before.rows, strict=True):
        row.pop("embedding", None)
        assert list(row) == list(expected)
        for column, value in expected.items():
            if isinstance(value, float):
                value = pytest.approx(value, abs=1e-5)
            assert row[column] == value


def test_a_batch_is_its_clips(run):
    clips = [0.1 * torch.randn(n) for n in (4000, 9000, 6500)]
    batch = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    lens = torch.tensor([len(clip) / batch.shape[1] for clip in clips])
    together = run.model(batch, lens)
    for i, clip in enumerate(clips):
        alone = run.model(clip[None], torch.ones(1))
        for name in ("emotion", "gender"):
            assert torch.allclose(
                together[name].logits[i], alone[name].logits[0], atol=1e-5
            )


def test_gradients_reach_waves_that_ask_for_them(run):
    wave = (0.1 * torch.randn(1, 8000)).requires_grad_()
    run.model(wave, torch.ones(1))["emotion"].logits[0, 0].backward()
    assert wave.grad.abs().sum() > 0
    assert all(p.grad is None for p in run.model.parameters())


def test_loading_draws_nothing_and_asking_changes_nothing(finished):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run = TrainedRun(finished)
    assert torch.equal(torch.rand(3), expected)
    wave = 0.1 * torch.randn(8000)
    first, second = run.answers(wave), run.answers(wave)
    first.pop("embedding", None), second.pop("embedding", None)
    assert first == second
    assert first["target"] == first["speaker"] == ""


def test_what_can_not_be_asked_is_told(finished, tmp_path):
    with pytest.raises(SerMtlError, match="not the folder of a finished run"):
        TrainedRun(tmp_path)
    copy = shutil.copytree(finished, tmp_path / "without")
    shutil.rmtree(copy / "save")
    with pytest.raises(SerMtlError, match="there is no checkpoint"):
        TrainedRun(copy)
