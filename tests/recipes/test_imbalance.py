"""Rare classes are corrected for once, by one switch of the YAML."""

import pytest
import train
from tiny_ravdess import arguments, scores

from ser_mtl_modules.dataio.batching import DurationBatchSampler
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.training.imbalance import class_weights

pytestmark = pytest.mark.usefixtures("no_pictures")

SAMPLING = "--imbalance=!new:ser_mtl_modules.training.imbalance.BySampling {}"
ALONE = ["--auxiliary_tasks=[]", "--number_of_epochs=1"]


def test_the_default_is_weights_by_the_counts_of_train(build):
    brain = build()
    found = class_weights(dict(brain.modules.items()))
    assert list(found) == [
        "tasks.emotion.criterion",
        "embedding_losses.swfc",
    ]
    assert brain.hparams.loss_counts == brain.hparams.class_counts
    assert brain.hparams.imbalance.by_class is False


@pytest.mark.parametrize("yaml", ["mtl_fbank.yaml", "mll_fbank.yaml"])
def test_one_override_samples_by_class(
    yaml, tiny_ravdess, tmp_path, monkeypatch
):
    asked = []
    make = DurationBatchSampler.__init__

    def init(self, *args, **kwargs):
        make(self, *args, **kwargs)
        asked.append(self.by_class and self.shuffle)

    monkeypatch.setattr(DurationBatchSampler, "__init__", init)
    flags = ALONE if yaml.startswith("mtl") else ALONE[1:]
    run = tmp_path / "run"
    train.main(arguments(tiny_ravdess, run, *flags, SAMPLING, yaml=yaml))
    assert asked == [True, False, False]  # of train alone
    assert "UA" in scores(run)["emotion"]


def test_sampling_and_a_loss_that_weighs_is_refused_before_training(
    tiny_ravdess, tmp_path
):
    twice = "--emotion={loss: {class_counts: [1, 2, 3, 4, 5, 6, 7, 8]}}"
    run = tmp_path / "run"
    with pytest.raises(SerMtlError, match="emotion.criterion.*twice"):
        train.main(arguments(tiny_ravdess, run, *ALONE, SAMPLING, twice))
    assert not (run / "hyperparams.yaml").exists()
