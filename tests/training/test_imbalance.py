import pytest
import torch

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.losses.cross_entropy import CrossEntropy
from ser_mtl_modules.losses.swfc import SampleWeightedFocalContrastive
from ser_mtl_modules.training.imbalance import (
    BySampling,
    ByWeights,
    Uncorrected,
    class_weights,
)

COUNTS = [60, 12, 3]
SWITCHES = [ByWeights, BySampling, Uncorrected]


def losses(counts, weighting="inverse"):
    """Modules as a YAML has them, with two losses deep within."""
    task = torch.nn.Module()
    task.criterion = CrossEntropy(counts, weighting, label_smoothing=0.1)
    swfc = SampleWeightedFocalContrastive(counts)
    return {
        "tasks": torch.nn.ModuleDict({"emotion": task}),
        "embedding_losses": torch.nn.ModuleDict({"swfc": swfc}),
    }


@pytest.mark.parametrize("switch", SWITCHES)
def test_losses_made_of_its_counts_pass_each_switch(switch):
    switch().check(losses(switch().loss_counts(COUNTS)))


@pytest.mark.parametrize("switch", [BySampling, Uncorrected])
def test_losses_of_its_counts_are_those_without_weights(switch):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(9, 3, generator=generator)
    labels = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2, 2])
    counts = switch().loss_counts(COUNTS)
    task, swfc = (
        losses(counts)["tasks"]["emotion"].criterion,
        losses(counts)["embedding_losses"]["swfc"],
    )
    plain = CrossEntropy(label_smoothing=0.1)
    torch.testing.assert_close(task(logits, labels), plain(logits, labels))
    plain = SampleWeightedFocalContrastive(COUNTS, alpha=0.0)
    torch.testing.assert_close(swfc(logits, labels), plain(logits, labels))


def test_by_weights_leaves_counts_as_they_are():
    assert ByWeights().loss_counts(COUNTS) == COUNTS
    assert [s().by_class for s in SWITCHES] == [False, True, False]


@pytest.mark.parametrize("kind", ["emotion", "swfc"])
@pytest.mark.parametrize(
    "switch, words", [(BySampling, "twice"), (Uncorrected, "correction")]
)
def test_one_loss_with_weights_of_its_own_is_refused(switch, words, kind):
    equal, weighed = losses([1, 1, 1]), losses(COUNTS)
    place = {"emotion": "tasks", "swfc": "embedding_losses"}[kind]
    with pytest.raises(SerMtlError, match=f"{place}.{kind}.*{words}.*ByWei"):
        switch().check({**equal, place: weighed[place]})


def test_of_a_balanced_corpus_weights_are_no_correction():
    BySampling().check(losses([7, 7, 7]))
    BySampling().check(losses([7, 0, 7]))  # nor is a class that is absent


def test_by_weights_without_a_loss_that_weighs_is_refused():
    plain = {"task": CrossEntropy(COUNTS, "none")}
    with pytest.raises(SerMtlError, match="no loss.*BySampling"):
        ByWeights().check(plain)
    Uncorrected().check(plain)
    assert class_weights(plain) == {}
