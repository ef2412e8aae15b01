"""Two ranks do what one process does with the batches of both as one."""

import importlib.util
import multiprocessing
import os
import shutil
import types

import pytest
import torch
from tiny_ravdess import RECIPE

import speechbrain as sb
from ser_mtl_modules.dataio.batching import (
    DurationBatchSampler,
    EpochBatchSampler,
)
from ser_mtl_modules.dataio.transcripts import Characters
from ser_mtl_modules.lobes.fbank_encoder import MaskedBatchNorm
from ser_mtl_modules.lobes.masking import frame_mask
from ser_mtl_modules.lobes.pooling import MeanPooling
from ser_mtl_modules.losses.center import CenterLoss
from ser_mtl_modules.losses.cross_entropy import CrossEntropy
from ser_mtl_modules.losses.swfc import SampleWeightedFocalContrastive
from ser_mtl_modules.randomness import generator
from ser_mtl_modules.tasks.classification import Classification
from ser_mtl_modules.tasks.frame_contrastive import FrameContrastive
from ser_mtl_modules.tasks.multi_loss import MultiLossClassification
from ser_mtl_modules.tasks.speaker import Speaker
from ser_mtl_modules.tasks.transcription import Transcription
from ser_mtl_modules.training import brain as brain_module
from ser_mtl_modules.training.checkpoints import CrashSafeCheckpointer

spec = importlib.util.spec_from_file_location("recipe", RECIPE / "train.py")
recipe = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recipe)

CLASSES = ["calm", "happy", "sad"]
SPEAKERS = ["a", "b", "c", "d"]
SIZES = [5, 3, 2, 6, 4, 4, 7, 2, 3, 4]  # of batches, two and two a step
N_STEPS = len(SIZES) // 2


def clip(i):
    """A clip of 12 to 25 frames; of some there is no label or text."""
    rng = generator("clip", i)
    n_frames = int(torch.randint(12, 26, (1,), generator=rng))
    feats = torch.randn(n_frames, 6, generator=rng, dtype=torch.double)
    feats[:, i % 3] += 1.5
    return {
        "id": f"u{i:02}",
        "sig": feats,
        "emotion": "" if i % 13 == 5 else CLASSES[i % 3],
        "mood": CLASSES[i % 3],  # of all clips
        "gender": "FM"[i % 2],
        "speaker": SPEAKERS[i % 4] if i < 40 else f"new {i % 5}",
        "style": "",
        "transcript": ["", "DOGS SIT", "KIDS TALK"][i % 3],
    }


CLIPS = [clip(i) for i in range(60)]  # 40 for training, 20 for the rest


class Batches(EpochBatchSampler):
    """Batches of unequal size, or each two of them as one."""

    def __init__(self, joined):
        super().__init__(seed=5)
        self.joined = joined

    def batches(self, epoch):
        order = torch.randperm(40, generator=generator("order", epoch))
        batches = [part.tolist() for part in order.split(SIZES)]
        if self.joined:
            return [a + b for a, b in zip(batches[::2], batches[1::2])]
        return batches


class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(6, 8)
        self.norm = MaskedBatchNorm(8)
        self.unused = torch.nn.Linear(1, 1)  # no rank has a gradient of it

    def forward(self, feats, mask):
        return self.norm(self.layer(feats), mask)


class FirstFrames(Speaker):
    """Without the random segments, which differ from rank to rank."""

    def _segments(self, feats, lens):
        return feats[:, :12]


class Brain(recipe.MultiTaskBrain):
    """The recipe's objective, on features in the place of waves."""

    def compute_forward(self, batch, stage):
        feats, lens = batch.sig
        lens = (lens * feats.shape[1]).round().long()
        self.shares = torch.eye(len(feats))
        feats = self.modules.encoder(feats, frame_mask(lens, feats.shape[1]))
        tasks = self.modules.tasks
        return {name: task(feats, lens) for name, task in tasks.items()}

    def compute_objectives(self, predictions, batch, stage):
        loss = super().compute_objectives(predictions, batch, stage)
        if stage == sb.Stage.TRAIN and self.epoch == 2 and "u07" in batch.id:
            return loss * torch.nan  # on one rank alone
        return loss

    def _step(self):
        gradients = {
            name: parameter.grad.clone()
            for name, parameter in self.modules.named_parameters()
            if parameter.grad is not None
        }
        losses = {name: float(value) for name, value in self._terms.items()}
        self.trace.append((losses, gradients))
        return super()._step()


def tasks(contrasts):
    """All kinds of tasks and losses, or one that is a mean over clips."""
    if not contrasts:
        head = MultiLossClassification(8, CLASSES, MeanPooling, label="mood")
        return {"emotion": head}, {}
    counts = [16, 14, 10]
    named = {
        "emotion": Classification(
            8, CLASSES, loss=CrossEntropy(counts, "inverse"), hidden_size=6
        ),
        "gender": Classification(8, ["F", "M"], "gender", prefix="gender_"),
        "speaker": FirstFrames(8, SPEAKERS, 8, [8, 8, 8, 8, 24]),
        "asr": Transcription(8, Characters()),
        "style": MultiLossClassification(
            8,
            CLASSES,
            MeanPooling,
            size=4,
            frame_losses={"supcon": FrameContrastive(8, 4)},
        ),
    }
    on_embeddings = {
        "swfc": SampleWeightedFocalContrastive(counts),
        "center": CenterLoss(CLASSES, 6),
    }
    return named, on_embeddings


def train(folder, contrasts, joined, n_epochs, **run_opts):
    """Trains and tests; what happened in this process."""
    torch.manual_seed(0)
    named, on_embeddings = tasks(contrasts)
    modules = {
        "encoder": Encoder(),
        "tasks": torch.nn.ModuleDict(named),
        "embedding_losses": torch.nn.ModuleDict(on_embeddings),
    }
    torch.nn.ModuleDict(modules).double()
    counter = sb.utils.epoch_loop.EpochCounter(n_epochs)
    logger = types.SimpleNamespace(log_stats=lambda *args, **kwargs: None)
    weights = ["emotion", "gender", "speaker", "asr", "style", "supcon"]
    own = {"embedding_losses.center": lambda p: torch.optim.SGD(p, 0.1)}
    brain = Brain(
        modules,
        lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
        {"train_logger": logger},
        {"device": "cpu", "noprogressbar": True, **run_opts},
        CrashSafeCheckpointer(folder, {**modules, "counter": counter}),
        loss_weights={
            **dict.fromkeys([*weights, "swfc"], 0.5),
            "center": 0.05,
        },
        classes=CLASSES,
        metric="UA",
        seed=1,
        n_epochs=4,
        average_decay=0.5,
        optimizers=own if contrasts else None,
        gather_over_ranks=contrasts,
    )
    brain.trace = []
    durations = [float(len(c["sig"])) for c in CLIPS[40:]]
    plain = DurationBatchSampler(durations, 80.0, shuffle=False)
    test = brain.loader(CLIPS[40:], plain)
    brain.fit(
        counter, brain.loader(CLIPS, Batches(joined), training=True), test
    )
    brain.evaluate(test)
    return {
        "trace": brain.trace,
        "metrics": brain.metrics,
        "rows": brain.rows,
        "history": brain.history,
        "n_nonfinite": brain.n_nonfinite,
        "average": brain.average.average,
        "state": brain.modules.state_dict(),
    }


def one_of_two(rank, folder, runs):
    """What a rank does: every run, and what happened goes to a file."""
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    torch.distributed.init_process_group(
        "gloo", f"file://{folder}/meeting", world_size=2, rank=rank
    )
    for name, run in runs.items():
        happened = train(folder / name, joined=False, **run)
        torch.save(happened, folder / f"{name}-{rank}.pt")
    torch.distributed.destroy_process_group()


def of_two_ranks(folder, runs):
    """What happened on each rank, by the run's name."""
    fork = multiprocessing.get_context("fork")  # needs no import again
    ranks = [
        fork.Process(target=one_of_two, args=(rank, folder, runs))
        for rank in (0, 1)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    assert [process.exitcode for process in ranks] == [0, 0]
    return {
        name: [
            torch.load(folder / f"{name}-{rank}.pt", weights_only=False)
            for rank in (0, 1)
        ]
        for name in runs
    }


RUNS = {
    "whole": {"contrasts": True, "n_epochs": 4},
    "means": {"contrasts": False, "n_epochs": 2},
    # two batches a step, and the last of five alone; goes on where one
    # process ended
    "more": {
        "contrasts": True,
        "n_epochs": 2,
        "grad_accumulation_factor": 2,
    },
}


@pytest.fixture(scope="module", autouse=True)
def in_double():
    """Sums in another order don't show: what is left are differences."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        torch.set_default_dtype(torch.double)
        yield
        torch.set_default_dtype(torch.float)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, in_double):
    """Of each run what one process and what two ranks did."""
    folder = tmp_path_factory.mktemp("ranks")
    train(folder / "more", joined=True, **{**RUNS["more"], "n_epochs": 1})
    shutil.copytree(folder / "more", folder / "more-alone")
    alone = {
        name: train(folder / f"{name}-alone", joined=True, **run)
        for name, run in RUNS.items()
    }
    ranks = of_two_ranks(folder, RUNS)
    return {name: (alone[name], *ranks[name]) for name in RUNS}, folder


# a process that has used an accelerator can't be forked
pytestmark = pytest.mark.skipif(
    torch.accelerator.is_available(), reason="forks processes"
)


@pytest.mark.parametrize("name", RUNS)
def test_losses_and_gradients_are_those_of_one_process(runs, name):
    alone, *ranks = runs[0][name]
    for rank in ranks:
        assert len(rank["trace"]) == len(alone["trace"])
        for step, expected in zip(rank["trace"], alone["trace"]):
            assert step[0] == pytest.approx(expected[0], abs=1e-6)
            assert set(expected[1]) <= set(step[1])
            for key, gradient in expected[1].items():
                assert (step[1][key] - gradient).abs().max() < 1e-6, key


def test_a_step_that_is_not_finite_on_one_rank_is_none_on_all(runs):
    alone, *ranks = runs[0]["whole"]
    assert len(alone["trace"]) == 4 * N_STEPS - 1
    assert [rank["n_nonfinite"] for rank in (alone, *ranks)] == [1, 1, 1]


@pytest.mark.parametrize("name", RUNS)
def test_weights_statistics_and_averages_stay_equal(runs, name):
    _, first, second = runs[0][name]
    assert torch.equal(first["average"], second["average"])
    for key, value in first["state"].items():
        assert torch.equal(value, second["state"][key]), key


def test_metrics_are_exactly_those_of_one_process(runs):
    for alone, first, second in runs[0].values():
        assert first["metrics"] == second["metrics"] == alone["metrics"]
        of_alone = [record["metrics"] for record in alone["history"]]
        for rank in (first, second):
            assert [r["metrics"] for r in rank["history"]] == of_alone
        losses = first["history"][-1]["valid"]
        expected = alone["history"][-1]["valid"]
        assert losses == pytest.approx(expected, rel=1e-5)


def test_ranks_hear_each_clip_once_and_as_one_process_does(runs):
    happened, folder = runs
    rows = happened["whole"][1]["rows"]
    assert [row["ID"] for row in rows] == [c["id"] for c in CLIPS[40:]]
    # their checkpoint, in one process: nothing is trained any more
    again = train(folder / "whole", joined=True, **RUNS["whole"])
    assert again["trace"] == [] and len(rows) == len(again["rows"])
    for row, expected in zip(rows, again["rows"]):
        assert (row.pop("embedding") == expected.pop("embedding")).all()
        assert row == expected
    assert again["history"] == happened["whole"][1]["history"]


def test_another_number_of_ranks_goes_on_within_an_epoch(tmp_path, monkeypatch):
    brain = types.SimpleNamespace(
        step=10,
        optimizer_step=10,
        n_nonfinite=0,
        seconds=0.0,
        cpu_seconds=0.0,
        history=[],
        loss_sums={"loss": [1.0, 2]},
        loss_balance=brain_module.Fixed(),
    )
    brain_module.SERBrain._save(brain, tmp_path / "brain.ckpt")
    monkeypatch.setattr(brain_module, "n_ranks", lambda: 4)
    brain_module.SERBrain._recover(brain, tmp_path / "brain.ckpt", False)
    assert brain.step == 2  # 8 batches of the 10 that were seen
    assert brain.loss_sums == {"loss": [1.0, 2]}
