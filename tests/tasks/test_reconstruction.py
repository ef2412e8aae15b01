from types import SimpleNamespace

import pytest
import torch

from ser_mtl_modules.lobes.fbank_encoder import FbankEncoder
from ser_mtl_modules.lobes.logmels import LogMels
from ser_mtl_modules.tasks.reconstruction import Frames, Reconstruction

LENS = torch.tensor([1.0, 0.4, 0.7])


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return FbankEncoder(
        n_mels=20, channels=[3, 4], size=8, n_blocks=1, dropout=0.0
    )


@pytest.fixture
def task(encoder):
    torch.manual_seed(1)
    return Reconstruction(8, LogMels(n_mels=20, windows=[25, 50]), encoder)


@pytest.fixture
def wavs():
    return torch.randn(3, 6400, generator=torch.Generator().manual_seed(0))


def batch(wavs, lens=LENS, **more):
    return SimpleNamespace(sig=(wavs, lens), id=["a", "b", "c"], **more)


def slow_loss(prediction, target):
    """The equation, one frame and band at a time."""
    total, n = 0.0, 0
    for b, n_frames in enumerate(target.lens.tolist()):
        for t in range(n_frames):
            for m in range(target.values.shape[2]):
                error = prediction.values[b, t, m] - target.values[b, t, m]
                total, n = total + error.item() ** 2, n + 1
    return total / n


def said(task, encoder, wavs, lens=LENS):
    levels, lens = encoder(wavs, lens)
    return task(levels[-1], lens)


def test_loss_is_the_equation_written_as_loops(task, encoder, wavs):
    prediction, target = said(task, encoder, wavs), task.target(batch(wavs))
    expected = slow_loss(prediction, target)
    assert task.loss(prediction, target).item() == pytest.approx(expected, 1e-4)


def test_padding_takes_no_part_whatever_is_in_it(task, encoder, wavs):
    prediction, target = said(task, encoder, wavs), task.target(batch(wavs))
    before = task.loss(prediction, target)
    for b, n in enumerate(target.lens):
        target.values[b, n:] = torch.nan
        prediction.values.data[b, n:] = torch.inf
    assert task.loss(prediction, target) == before


def test_gradient_in_padding_is_zero(task, wavs):
    target = task.target(batch(wavs))
    values = torch.randn(3, 64, 40, requires_grad=True)
    task.loss(Frames(values, target.lens), target).backward()
    for gradient, n in zip(values.grad, target.lens):
        assert gradient[:n].all() and not gradient[n:].any()


@pytest.mark.parametrize("training", [True, False])
def test_there_is_a_frame_for_each_of_the_target(task, encoder, wavs, training):
    encoder.train(training)
    for n in (1, 159, 160, 640, 6399):
        clips = wavs[:, :n], torch.ones(3)
        prediction = said(task, encoder, *clips)
        target = task.target(batch(*clips))
        assert prediction.values.shape[1] >= target.values.shape[1]
        assert (prediction.lens - target.lens < task.n_each).all()
        assert task.loss(prediction, target).isfinite()


def test_gradient_reaches_every_parameter_and_the_encoder(task, encoder, wavs):
    prediction = said(task, encoder, wavs)
    task.loss(prediction, task.target(batch(wavs))).backward()
    for module in (task, encoder):
        without = [n for n, p in module.named_parameters() if not p.grad.any()]
        assert without == []


def test_target_is_of_the_clean_clips_where_there_are_any(task, wavs):
    clean = torch.randn(3, 6400, generator=torch.Generator().manual_seed(9))
    both = task.target(batch(wavs, clean=(clean, LENS)))
    torch.testing.assert_close(both, task.target(batch(clean)))
    assert not torch.equal(both.values, task.target(batch(wavs)).values)


def test_target_is_in_units_of_10_db(task, wavs):
    quiet, loud = (task.target(batch(g * wavs)).values for g in (0.1, 1.0))
    inside = slice(0, 16)  # of the shortest
    torch.testing.assert_close(
        loud[:, inside] - quiet[:, inside],
        torch.full((3, 16, 40), 2.0),
        atol=1e-3,
        rtol=0,
    )


def test_targets_do_not_depend_on_training_or_mixed_precision(task, wavs):
    expected = task.eval().target(batch(wavs))
    with torch.autocast("cpu", torch.bfloat16):
        found = task.train().target(batch(wavs))
    torch.testing.assert_close(found, expected)
    assert not found.values.requires_grad


def test_it_learns(task, encoder, wavs):
    parameters = [*task.parameters(), *encoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=0.02)
    quiet = wavs[:, :3200] * torch.linspace(0, 1, 3200) ** 2
    losses = []
    for _ in range(40):
        loss = task.loss(said(task, encoder, quiet), task.target(batch(quiet)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
