"""What the Brain sees to, on a model of a single layer."""

import os
import signal
import types

import pytest
import torch

import speechbrain as sb
from ser_mtl_modules.dataio.batching import DurationBatchSampler
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.tasks.base import Task
from ser_mtl_modules.training.averaging import WeightAverage
from ser_mtl_modules.training.brain import SERBrain, best
from ser_mtl_modules.training.checkpoints import CrashSafeCheckpointer
from ser_mtl_modules.training.loss_balance import Calibrated
from speechbrain import Stage


class Sign(Task):
    """Tells positive numbers from negative ones."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def describe(self, prediction, batch):
        names = {True: "plus", False: "minus"}
        return [
            {"target": t, "prediction": names[bool(p > 0)]}
            for t, p in zip(batch.label, prediction)
        ]


class Brain(SERBrain):
    def compute_forward(self, batch, stage):
        self.batches.setdefault(self.epoch, []).append(batch.id)
        return {"emotion": self.modules.tasks["emotion"].layer(batch.x)[:, 0]}

    def compute_objectives(self, predictions, batch, stage):
        error = predictions["emotion"] - batch.x[:, 0].sign()
        return self.objective({"emotion": error.square().mean()}, batch)


def make(folder, n_epochs=3, decay=0.5, rates=None, opt=None, **run_opts):
    torch.manual_seed(0)
    tasks = torch.nn.ModuleDict({"emotion": Sign()})
    counter = sb.utils.epoch_loop.EpochCounter(n_epochs)
    brain = Brain(
        {"tasks": tasks},
        opt  # or two groups
        or (lambda p: torch.optim.Adam([{"params": [q]} for q in p], lr=0.1)),
        {},
        {"device": "cpu", "noprogressbar": True, **run_opts},
        CrashSafeCheckpointer(folder, {"tasks": tasks, "counter": counter}),
        loss_weights={"emotion": 1.0},
        classes=["minus", "plus"],
        metric="UA",
        seed=1,
        n_epochs=n_epochs,
        average_decay=decay,
        learning_rates=rates,
    )
    brain.batches = {}
    items = {
        f"u{i}": {
            "x": torch.tensor([float(i - 9.5)]),
            "label": "plus" if i > 9 else "minus",
            "speaker": "a",
            "gender": "F",
            "style": "",
        }
        for i in range(20)
    }
    data = sb.dataio.dataset.DynamicItemDataset(
        items, output_keys=["id", "x", "label", "speaker", "gender", "style"]
    )
    sampler = DurationBatchSampler([1.0] * 20, 5.0, seed=1)
    plain = DurationBatchSampler([1.0] * 20, 7.0, shuffle=False)
    return (
        brain,
        counter,
        brain.loader(data, sampler),
        brain.loader(data, plain),
    )


@pytest.fixture(autouse=True)
def collate(monkeypatch):
    """Batches without relative lengths: x is [B, 1]."""
    monkeypatch.setattr(
        "ser_mtl_modules.training.brain.PaddedBatch",
        lambda items: types.SimpleNamespace(
            id=[i["id"] for i in items],
            x=torch.stack([i["x"] for i in items]),
            label=[i["label"] for i in items],
            speaker=[i["speaker"] for i in items],
            gender=[i["gender"] for i in items],
            style=[i["style"] for i in items],
        ),
    )


def test_epochs_hold_different_batches(tmp_path):
    brain, counter, train, valid = make(tmp_path)
    brain.fit(counter, train, valid)
    first, second = brain.batches[1][:4], brain.batches[2][:4]
    assert {i for b in first for i in b} == {i for b in second for i in b}
    assert {frozenset(b) for b in first} != {frozenset(b) for b in second}


def test_mean_losses_weigh_utterances_not_batches(tmp_path):
    brain, counter, train, valid = make(tmp_path, n_epochs=1)
    brain.fit(counter, train, valid)
    brain.average.swap(brain.modules)
    x = torch.arange(20)[:, None] - 9.5
    outputs = brain.modules.tasks["emotion"].layer(x)
    loss = (outputs - x.sign()).square().mean().item()
    # valid comes in batches of 7, 7 and 6
    assert brain.history[0]["valid"]["loss"] == pytest.approx(loss, rel=1e-5)


def test_gradients_of_all_groups_are_clipped(tmp_path):
    brain, counter, train, valid = make(tmp_path, n_epochs=1)
    brain.train_sampler = train.batch_sampler
    brain.on_fit_start()
    brain.step = 1
    for p in brain.modules.parameters():
        p.grad = torch.full_like(p, 1e6)
    norms = []
    step = brain.optimizer.step

    def look(*args, **kwargs):
        grads = [p.grad for p in brain.modules.parameters()]
        norms.append(torch.cat([g.flatten() for g in grads]).norm().item())
        return step(*args, **kwargs)

    brain.optimizer.step = look
    assert brain._step()
    assert norms[0] == pytest.approx(brain.max_grad_norm, rel=1e-3)


def test_a_gradient_that_is_not_finite_changes_no_weight(tmp_path):
    brain, counter, train, valid = make(tmp_path, n_epochs=1)
    brain.train_sampler = train.batch_sampler
    brain.on_fit_start()
    before = [p.clone() for p in brain.modules.parameters()]
    for p in brain.modules.parameters():
        p.grad = torch.full_like(p, torch.nan)
    brain.step = 1
    assert not brain._step()
    assert all(map(torch.equal, before, brain.modules.parameters()))


def test_evaluation_uses_the_average_and_training_goes_on_without(tmp_path):
    brain, counter, train, valid = make(tmp_path, n_epochs=2, decay=0.9)
    seen = []
    swap = brain.average.swap
    brain.average.swap = lambda m: (
        swap(m),
        seen.append(m["tasks"]["emotion"].layer.weight.item()),
    )
    brain.fit(counter, train, valid)
    assert seen[0] != seen[1] and seen[2] != seen[3]


def test_what_is_recorded_of_training_does_not_end_with_the_best_epoch(
    tmp_path, monkeypatch
):
    def first(checkpoint):
        return -checkpoint.meta["epoch"]

    monkeypatch.setattr("ser_mtl_modules.training.brain.best", first)
    brain, counter, train, valid = make(tmp_path)
    brain.fit(counter, train, valid)
    seconds = brain.seconds
    brain.evaluate(valid)
    assert brain.best_epoch == 1 and brain.seconds == seconds
    assert [record["epoch"] for record in brain.history] == [1, 2, 3]
    # and the weights are the best epoch's
    assert brain.metrics == brain.history[0]["metrics"]
    fresh, *_ = make(tmp_path)  # has but the checkpoint's record
    fresh.evaluate(valid)
    assert [record["epoch"] for record in fresh.history] == [1]


def test_an_untrained_model_is_not_evaluated(tmp_path):
    brain, counter, train, valid = make(tmp_path)
    with pytest.raises(SerMtlError, match="Train first"):
        brain.evaluate(valid)


def test_the_epoch_is_chosen_by_score_then_loss_then_age():
    def checkpoint(**meta):
        return types.SimpleNamespace(meta=meta)

    a = checkpoint(epoch=1, score=0.5, loss=1.0)
    b = checkpoint(epoch=2, score=0.6, loss=2.0)
    c = checkpoint(epoch=3, score=0.6, loss=1.5)
    d = checkpoint(epoch=4, score=0.6, loss=1.5)
    intra = checkpoint(epoch=9, step=3)
    assert max([a, b, d, c, intra], key=best) is c


def test_a_term_without_a_weight_is_an_error(tmp_path):
    brain, *_ = make(tmp_path)
    batch = types.SimpleNamespace(id=["u1"])
    with pytest.raises(KeyError, match="speaker"):
        brain.objective({"speaker": torch.tensor(1.0)}, batch)


def test_a_module_may_have_a_learning_rate_of_its_own(tmp_path):
    brain, *_ = make(
        tmp_path,
        rates={"tasks": 0.003},
        opt=lambda p: torch.optim.SGD(p, lr=0.1),
    )
    other = torch.nn.Linear(1, 1)
    other.bias.requires_grad = False
    brain.modules["other"] = other
    brain.init_optimizers()
    common, tasks = brain.optimizer.param_groups
    assert common["lr"] == 0.1 and common["params"] == [other.weight]
    assert tasks["lr"] == 0.003 and len(tasks["params"]) == 2


def test_a_learning_rate_of_no_module_is_an_error(tmp_path):
    with pytest.raises(SerMtlError, match="Did you mean 'tasks'"):
        make(tmp_path, rates={"task": 0.1})


class Scale(torch.nn.Module):
    """What is learned under an optimizer of its own."""

    def __init__(self):
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor(0.5))


def with_scale(brain, optimizers):
    """The same Brain with a module that has its own optimizer."""
    brain.modules["more"] = torch.nn.ModuleDict({"scale": Scale()})
    brain.average = WeightAverage(brain.modules, 0.0)
    brain.own_optimizers = {
        place: (brain._module_at(place), make)
        for place, make in optimizers.items()
    }
    brain.init_optimizers()
    for group in brain.param_groups():
        group["initial_lr"] = group["lr"]
    return brain.modules["more"]["scale"].value


def test_a_module_may_have_an_optimizer_of_its_own(tmp_path):
    brain, _, train, _ = make(tmp_path, opt=lambda p: torch.optim.SGD(p, 0.1))
    brain.train_sampler = train.batch_sampler
    brain.schedule = lambda progress: 0.5
    value = with_scale(
        brain, {"more.scale": lambda p: torch.optim.SGD(p, lr=3.0)}
    )
    (common,) = brain.optimizer.param_groups
    assert all(p is not value for p in common["params"])
    layer = brain.modules["tasks"]["emotion"].layer
    weight, bias = layer.weight.item(), layer.bias.item()
    for p in (value, layer.weight, layer.bias):
        p.grad = torch.full_like(p, 0.01)
    assert brain._step()
    # each by its own rate, both of which the schedule halves
    assert value.item() == pytest.approx(0.5 - 0.5 * 3.0 * 0.01)
    assert layer.weight.item() == pytest.approx(weight - 0.5 * 0.1 * 0.01)
    assert layer.bias.item() == pytest.approx(bias - 0.5 * 0.1 * 0.01)
    assert value.grad is None and layer.weight.grad is None
    assert "optimizer of more.scale" in brain.checkpointer.recoverables


def test_gradients_of_all_optimizers_are_clipped_and_checked_together(tmp_path):
    brain, _, train, _ = make(tmp_path, opt=lambda p: torch.optim.SGD(p, 1.0))
    brain.train_sampler = train.batch_sampler
    value = with_scale(
        brain, {"more.scale": lambda p: torch.optim.SGD(p, lr=1.0)}
    )
    layer = brain.modules["tasks"]["emotion"].layer
    parameters = [value, layer.weight, layer.bias]
    before = [p.clone() for p in parameters]
    for p, g in zip(parameters, (torch.nan, 1.0, 1.0)):
        p.grad = torch.full_like(p, g)
    assert not brain._step()
    assert all(map(torch.equal, before, parameters))
    brain.zero_grad(set_to_none=True)
    for p in parameters:
        p.grad = torch.full_like(p, 1e6)
    assert brain._step()
    moved = [(p - b).item() for p, b in zip(parameters, before)]
    norm = sum(m**2 for m in moved) ** 0.5
    assert norm == pytest.approx(brain.max_grad_norm, rel=1e-3)


def test_an_optimizer_whose_module_took_no_part_does_not_step(tmp_path):
    brain, _, train, _ = make(tmp_path)
    brain.train_sampler = train.batch_sampler
    value = with_scale(
        brain, {"more.scale": lambda p: torch.optim.SGD(p, lr=1.0)}
    )
    layer = brain.modules["tasks"]["emotion"].layer
    for p in (layer.weight, layer.bias):
        p.grad = torch.full_like(p, 0.01)
    assert brain._step() and value.item() == 0.5


def test_an_optimizer_of_no_module_is_an_error(tmp_path):
    brain, *_ = make(tmp_path)
    with pytest.raises(SerMtlError, match="Did you mean 'tasks.emotion'"):
        brain._module_at("tasks.emotions")


def test_terms_are_multiplied_by_weight_and_balance(tmp_path):
    brain, *_ = make(tmp_path)
    batch = types.SimpleNamespace(id=["u1"])
    brain.loss_weights = {"emotion": 3.0}
    brain.loss_balance = Calibrated(n_batches=1)
    terms = {"emotion": torch.tensor(4.0)}
    brain.modules.eval()  # valid is no part of the calibration
    assert brain.objective(terms, batch) == 12.0
    brain.modules.train()
    assert brain.objective(terms, batch) == 3.0
    assert brain.objective({"emotion": torch.tensor(8.0)}, batch) == 6.0
    assert brain.weight("emotion") == 0.75


# ---- making room for others


def learned(brain):
    """All that two trainings have to have in common."""
    state = [*brain.modules.state_dict().values(), brain.average.average]
    return state, brain.history


# an epoch has 4 batches of train, then 3 of valid
@pytest.mark.parametrize("factor", [1, 3])
@pytest.mark.parametrize("call", [1, 4, 5, 7, 8, 13, 14])
def test_asked_to_make_room_it_loses_and_repeats_no_step(
    tmp_path, monkeypatch, factor, call
):
    forward, calls = Brain.compute_forward, []

    def count(brain, batch, stage):
        calls.append((stage, brain.epoch, brain.step))
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGUSR1)
        return forward(brain, batch, stage)

    def fit(folder):
        brain, *data = make(folder, 2, grad_accumulation_factor=factor)
        brain.fit(*data)
        return brain

    unbroken = fit(tmp_path / "unbroken")
    monkeypatch.setattr(Brain, "compute_forward", count)
    with pytest.raises(SystemExit) as left:
        fit(tmp_path / "broken")
    assert left.value.code == os.EX_TEMPFAIL
    # at once, but never between the batches of one step
    assert len(calls) - call < (factor if calls[-1][0] == Stage.TRAIN else 1)
    broken = fit(tmp_path / "broken")
    trained = [c for c in calls if c[0] == Stage.TRAIN]
    assert len(trained) == len(set(trained)) == 8
    (state, history), (expected, expected_history) = map(
        learned, (broken, unbroken)
    )
    assert all(map(torch.equal, state, expected))
    assert history == expected_history


def test_the_signal_ends_a_process_again_when_training_is_over(tmp_path):
    before = signal.getsignal(signal.SIGUSR1)
    brain, *data = make(tmp_path, n_epochs=1)
    brain.fit(*data)
    assert signal.getsignal(signal.SIGUSR1) == before == signal.SIG_DFL


def test_a_signal_at_the_very_end_of_training_does_not_stop_the_test(tmp_path):
    brain, counter, train, valid = make(tmp_path, n_epochs=1)
    brain.fit(counter, train, valid)
    kept = sorted(tmp_path.iterdir())
    brain.notice.given = True  # after it was asked for the last time
    brain.evaluate(valid)
    assert len(brain.rows) == 20
    assert sorted(tmp_path.iterdir()) == kept
