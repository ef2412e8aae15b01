import itertools
from types import SimpleNamespace

import pytest
import torch

from ser_mtl_modules.dataio.transcripts import Characters
from ser_mtl_modules.tasks.transcription import (
    Alignments,
    Transcription,
    Transcripts,
)


class AB:
    """Two letters and the blank."""

    def __len__(self):
        return 3

    def encode(self, text):
        return ["-AB".index(c) for c in text]

    def decode(self, indices):
        return "".join("-AB"[i] for i in indices)

    def normalise(self, text):
        return text.upper()


@pytest.fixture
def task():
    torch.manual_seed(0)
    return Transcription(5, AB())


@pytest.fixture
def feats():
    return torch.randn(5, 4, 5, generator=torch.Generator().manual_seed(1))


def collapse(path):
    """Repetitions become one, then blanks go."""
    return [token for token, _ in itertools.groupby(path) if token]


def nats(log_p, tokens):
    """Minus log of the sum over all paths that read as the text."""
    paths = itertools.product(range(3), repeat=len(log_p))
    scores = [
        sum(row[token] for row, token in zip(log_p, path))
        for path in paths
        if collapse(path) == tokens
    ]
    return -torch.stack(scores).logsumexp(0)


def batch(*texts):
    return SimpleNamespace(transcript=list(texts))


def test_loss_equals_the_sum_over_all_paths(task, feats):
    texts, lens = ["AB", "A", "AA", "BAB", "BBA"], torch.tensor([4, 2, 3, 3, 4])
    prediction = task(feats, lens)
    terms = [
        nats(log_p[:n], AB().encode(text)) / len(text)
        for log_p, n, text in zip(prediction.log_p, lens, texts)
    ]
    torch.testing.assert_close(
        task.loss(prediction, task.target(batch(*texts))),
        sum(terms) / len(terms),
    )


def test_which_texts_can_be_aligned_equals_whether_there_is_a_path():
    rows = [
        (text, n)
        for size in range(4)
        for text in itertools.product([1, 2], repeat=size)
        for n in range(1, 6)
    ]
    tokens = [torch.tensor(text, dtype=torch.long) for text, _ in rows]
    texts = Transcripts(
        torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True),
        torch.tensor([len(text) for text, _ in rows]),
    )
    lens = torch.tensor([n for _, n in rows])
    feasible = Transcription.feasible(Alignments(None, lens), texts)
    for (text, n), found in zip(rows, feasible.tolist()):
        paths = itertools.product(range(3), repeat=n)
        aligned = any(collapse(path) == list(text) for path in paths)
        assert found == (aligned and len(text) > 0), (text, n)


def test_texts_that_are_empty_or_too_long_are_left_out(task, feats):
    lens = torch.tensor([4, 2, 4, 1, 3])
    prediction = task(feats, lens)
    target = task.target(batch("AB", "AA", "", "AB", "BA"))
    usable = torch.tensor([0, 4])
    expected = task.loss(
        Alignments(prediction.log_p[usable], lens[usable]),
        task.target(batch("AB", "BA")),
    )
    torch.testing.assert_close(task.loss(prediction, target), expected)


@pytest.mark.parametrize("texts", [["", ""], ["AAA", "ABAB"], ["", "BBA"]])
def test_without_usable_texts_loss_and_gradient_are_zero(task, feats, texts):
    prediction = task(feats[:2], torch.tensor([3, 3]))
    loss = task.loss(prediction, task.target(batch(*texts)))
    loss.backward()
    assert loss == 0
    assert not any(p.grad.any() for p in task.parameters())


def test_targets_are_the_tokens_of_normalised_texts():
    task = Transcription(5, Characters())
    target = task.target(batch("It's!", "", "a b"))
    assert target.lens.tolist() == [4, 0, 3]
    tokens = [t[:n].tolist() for t, n in zip(*target)]
    assert [task.tokenizer.decode(t) for t in tokens] == ["IT'S", "", "A B"]
    assert task.target(batch("", "")).lens.tolist() == [0, 0]


@pytest.mark.parametrize(
    "path, n, text",
    [
        ("AABB", 4, "AB"),
        ("A-AB", 4, "AAB"),
        ("----", 4, ""),
        ("-BAA", 2, "B"),  # what follows is padding
        ("BAAA", 4, "BA"),
    ],
)
def test_greedy_search_by_hand(task, path, n, text):
    log_p = torch.full((1, 4, 3), -9.0)
    for t, token in enumerate(path):
        log_p[0, t, "-AB".index(token)] = -0.1
    row = {"transcript": "AB", "hypothesis": text}
    prediction = Alignments(log_p, torch.tensor([n]))
    assert task.describe(prediction, batch("ab")) == [row]


def test_padding_frames_are_ignored(task, feats):
    lens = torch.tensor([2, 3, 4, 2, 3])
    target = task.target(batch("A", "AB", "BA", "BA", "B"))
    results = []
    for content in (0.0, 10.0):
        x = feats.clone()
        for clip, n in zip(x, lens):
            clip[n:] = content
        prediction = task(x, lens)
        results.append(task.loss(prediction, target).item())
        results.append(task.describe(prediction, batch(*"ABABA")))
    assert results[:2] == [pytest.approx(results[2]), results[3]]


def test_gradient_reaches_every_parameter(task, feats):
    prediction = task(feats[:2], torch.tensor([4, 3]))
    task.loss(prediction, task.target(batch("AB", "B"))).backward()
    assert all(p.grad.any() for p in task.parameters())
