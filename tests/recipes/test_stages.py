"""Two stages of training, the second of which begins where the first ended."""

import json
import shutil

import pytest
import torch
import train
from tiny_ravdess import RECIPE, arguments, predictions, scores, write_corpus

from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.manifest import read_manifest
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments.report import find_runs
from ser_mtl_modules.experiments.sweep import Sweep
from ser_mtl_modules.lobes.encoders import PretrainedEncoder
from ser_mtl_modules.training.brain import SERBrain
from ser_mtl_modules.training.stages import EarlierStage

pytestmark = pytest.mark.usefixtures("no_pictures")

SHARED = ("encoder", "layer_fusions", "tasks")


@pytest.fixture(scope="module")
def command(tiny_models, tmp_path_factory):
    """Makes the command line of a stage, on clips as long as their texts."""
    root = tmp_path_factory.mktemp("stages")
    corpus = write_corpus(root / "RAVDESS", n_emotions=2, seconds=1.2)

    def make(stage, folder, *more):
        if stage == 2:
            more = [f"--earlier_folder={root / 'first'}", *more]
        return arguments(
            corpus,
            root / folder,
            f"--ssl_hub={tiny_models['whisper']}",
            "--frozen_layers=1",
            f"--signal={{folder: {root / 'features'}}}",
            "--max_batch_duration=60",
            *more,
            yaml=f"ari_stage{stage}.yaml",
        )

    make.root = root
    return make


@pytest.fixture(scope="module")
def first(command):
    """The folder of a first stage."""
    train.main(command(1, "first"))
    return command.root / "first"


@pytest.fixture(scope="module")
def second(first, command):
    """The folder of a second one."""
    train.main(command(2, "second"))
    return command.root / "second"


def test_the_first_stage_learns_all_but_emotion(first):
    assert set(scores(first)) == {"asr", "gender", "style"}
    results = json.loads((first / "results.json").read_text())
    history = json.loads((first / "history.json").read_text())
    losses = [epoch["valid"]["loss"] for epoch in history]
    assert results["best_epoch"] == 1 + losses.index(min(losses))
    assert "emotion" not in history[0]["train"]


def test_the_second_stage_learns_emotion_too(second):
    assert set(scores(second)) == {"emotion", "asr", "gender", "style"}


def test_the_second_begins_where_the_first_ended(first, command, monkeypatch):
    begun = {}

    def stop(brain, *_):
        for name in SHARED:
            begun[name] = brain.hparams.modules[name].state_dict()
        average = brain.average.average
        assert torch.equal(average, brain.average._flat(brain.modules))
        raise KeyboardInterrupt

    monkeypatch.setattr(SERBrain, "fit", stop)
    with pytest.raises(KeyboardInterrupt):
        train.main(command(2, "begun"))
    best = json.loads((first / "results.json").read_text())["best_epoch"]
    (found,) = [
        c
        for c in (first / "save").glob("CKPT*")
        if f"epoch: {best}" in (c / "CKPT.yaml").read_text()
    ]
    for name in SHARED:
        for key, value in torch.load(found / f"{name}.ckpt").items():
            assert torch.equal(begun[name][key], value), key
    new = {k.split(".")[0] for k in begun["tasks"]} - {"asr", "gender", "style"}
    assert new == {"emotion"}


def test_a_killed_second_stage_ends_as_one_that_was_not(
    second, command, monkeypatch
):
    fit_batch, steps = SERBrain.fit_batch, []

    def killed(brain, batch):
        steps.append(brain.step)
        if len(steps) == 3:
            raise KeyboardInterrupt
        return fit_batch(brain, batch)

    again = command(2, "killed", "--ckpt_interval_steps=1")
    with monkeypatch.context() as patch:
        patch.setattr(SERBrain, "fit_batch", killed)
        with pytest.raises(KeyboardInterrupt):
            train.main(again)
    train.main(again)
    assert predictions(command.root / "killed") == predictions(second)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"fold": 2}, "fold 1, and this stage 2"),
        ({"seed": 7}, "seed 1986, and this stage 7"),
        ({"card": "ravdess-6fold-emobox"}, "card ravdess-6fold-consecutive"),
    ],
)
def test_an_earlier_stage_of_another_part_is_refused(
    first, command, changes, message
):
    flags = [f"--{key}={value}" for key, value in changes.items()]
    with pytest.raises(SerMtlError, match=message):
        train.main(command(2, "refused", *flags))


def test_an_earlier_stage_that_can_not_be_taken_is_told(
    first, command, tmp_path
):
    with pytest.raises(SerMtlError, match="first by a.yaml.*sweep runs"):
        EarlierStage("a.yaml", tmp_path, {}).load({})
    facts = json.loads((first / "results.json").read_text())
    wider = {"encoder": torch.nn.Linear(2, 3)}
    with pytest.raises(SerMtlError, match="nothing that this stage could"):
        EarlierStage("a.yaml", first, wider).load(facts)
    copy = shutil.copytree(first, tmp_path / "first")
    shutil.rmtree(copy / "save")
    with pytest.raises(SerMtlError, match="no checkpoint"):
        EarlierStage("a.yaml", copy, wider).load(facts)
    facts["checksums"]["manifest"] = "another"
    with pytest.raises(SerMtlError, match="content of the manifest"):
        EarlierStage("a.yaml", first, wider).load(facts)


def test_one_stage_alone_begins_with_the_pre_trained_encoder(
    command, tiny_models, monkeypatch
):
    begun = {}

    def stop(brain, *_):
        for key, value in brain.hparams.encoder.state_dict().items():
            begun[key.removeprefix("trained.").replace("/", ".")] = value
        raise KeyboardInterrupt

    monkeypatch.setattr(SERBrain, "fit", stop)
    alone = ["--earlier_yaml=null", "--earlier_folder=nowhere"]
    with pytest.raises(KeyboardInterrupt):
        train.main(command(2, "alone", *alone))
    encoder = PretrainedEncoder(tiny_models["whisper"], freeze=1)
    given = encoder.state_dict()
    trained = [key for key in begun if key in given]
    assert trained
    assert all(torch.equal(begun[key], given[key]) for key in trained)
    runs = sweep(command, alone[0])
    assert len(runs.commands(runs.runs[0])) == 1


def test_other_sizes_are_refused(first, command):
    with pytest.raises(SerMtlError, match="had other sizes"):
        train.main(command(2, "wider", "--feature_size=24"))


def sweep(command, *more, folds=("1",)):
    _, _, *flags = command(2, "swept")
    ours = ("--output_folder", "--earlier_folder")
    return Sweep(
        RECIPE / "hparams" / "ari_stage2.yaml",
        [*(f for f in flags if not f.startswith(ours)), *more],
        seeds=[1986],
        folds=folds,
        output=command.root / "swept",
    )


def test_a_sweep_runs_both_stages_as_one(command, monkeypatch):
    runs = sweep(command)
    earlier, later = runs.commands(runs.runs[0])
    assert earlier[2:4] == ["hparams/ari_stage1.yaml", "--noprogressbar"]
    # as the sweep does, but for a process of each
    monkeypatch.chdir(RECIPE)
    for _, script, *arguments_of_stage in (earlier, later):
        assert script == "train.py"
        train.main(arguments_of_stage)
    (run,) = find_runs(command.root / "swept")
    assert run.results["yaml"] == "ari_stage2.yaml"
    inner = run.folder / "earlier" / "results.json"
    assert json.loads(inner.read_text())["yaml"] == "ari_stage1.yaml"
    assert f"--earlier_folder={run.folder / 'earlier'}" in later
    assert sweep(command).runs[0].score() is not None  # it is one of ours
    with pytest.raises(SerMtlError, match="earlier holds .* another overrides"):
        sweep(command, "--weight_decay=0.5")
    # in another place it would be the same experiment
    kept = shutil.copytree(run.folder, command.root / "moved" / "fold-1")
    results = json.loads((kept / "results.json").read_text())
    results["fold"] = 2
    results["overrides"]["earlier_folder"] = "/elsewhere"
    (kept / "results.json").write_text(json.dumps(results))
    shutil.copytree(run.folder, command.root / "moved" / "fold-2")
    assert len(find_runs(command.root / "moved")) == 2


def test_training_on_all_takes_what_the_card_drops_from_train_alone(
    first, command
):
    manifest = read_manifest(command.root / "manifest.csv", command.root)
    card = load_card(
        RECIPE / "protocols.yaml", "ravdess-6fold-consecutive+calm_to_neutral"
    )
    labels = card._content["labels"]
    dropped = next(iter(labels["map"]))
    del labels["map"][dropped]
    labels["drop"] = [dropped]
    before = card.split(manifest, 1, check_counts=False)
    after = card.split(manifest, 1, check_counts=False, unlabelled=True)
    assert before.valid == after.valid and before.test == after.test
    added = {i: r for i, r in after.train.items() if i not in before.train}
    assert added and list(after.train) == sorted(after.train)
    assert {row["emotion"] for row in added.values()} == {""}
    assert {row["raw_emotion"] for row in added.values()} == {dropped}
    heard = {r["speaker"] for r in before.train.values()}
    assert {row["speaker"] for row in added.values()} <= heard
    assert after.class_counts == before.class_counts
