"""What is learned is in the audio and in the labels of train."""

import pytest
import torch
import train
from tiny_ravdess import arguments, scores, write_corpus

from ser_mtl_modules.dataio.cards import Card
from ser_mtl_modules.randomness import generator

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus") / "R", takes=2)


def ua(corpus, folder):
    train.main(
        arguments(
            corpus,
            folder,
            "--auxiliary_tasks=[]",
            "--number_of_epochs=4",
            "--encoder={channels: [8, 16], n_blocks: 1, n_mels: 40}",
            "--augment={speeds: [100], noise_prob: 0.0}",
            "--dropout=0.0",
            "--lr=0.02",
        )
    )
    return scores(folder)["emotion"]["UA"]


def shuffle_train(split, seed):
    """A split whose train labels are permuted, all else as it is."""

    def shuffled(self, *args):
        fold = split(self, *args)
        rows = list(fold.train.values())
        order = torch.randperm(len(rows), generator=generator(seed, "labels"))
        emotions = [rows[i]["emotion"] for i in order]
        for row, emotion in zip(rows, emotions):
            row["emotion"] = emotion
        return fold

    return shuffled


@pytest.mark.slow
def test_labels_of_train_make_the_difference(corpus, tmp_path, monkeypatch):
    learned = ua(corpus, tmp_path / "learned")
    split, chance = Card.split, []
    for seed in range(3):
        monkeypatch.setattr(Card, "split", shuffle_train(split, seed))
        chance.append(ua(corpus, tmp_path / f"chance-{seed}"))
    # Clips of a class sound alike here, so each class falls to one guess as a
    # whole: 12.5 % with a deviation of as much, less by sqrt(3) in the mean.
    assert learned > 75
    assert sum(chance) / 3 < 12.5 + 2 * 12.5 / 3**0.5
