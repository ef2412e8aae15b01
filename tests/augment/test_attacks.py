"""Attacks stay in their ball, and hurt."""

import pytest
import torch
import torch.nn.functional as F

from ser_mtl_modules.augment.attacks import SignedGradient

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])
IDS = list("abcdef")


def attack(kind, epsilon):
    return {
        "FGSM": SignedGradient("FGSM", epsilon),
        "BIM": SignedGradient("BIM", epsilon, 10, 0.2),
        "PGD": SignedGradient("PGD", epsilon, 10, 0.2, random_start=True),
    }[kind]


@pytest.fixture
def net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Linear(30, 40),
            torch.nn.Tanh(),
            torch.nn.Linear(40, 40),
            torch.nn.Tanh(),
            torch.nn.Linear(40, 3),
        ).requires_grad_(False)


@pytest.fixture
def clean(net):
    """Clips that the net gets right."""
    x = torch.randn(400, 30, generator=torch.Generator().manual_seed(1))
    said = net(x).argmax(1)
    return torch.stack([x[said == label][i] for i, label in enumerate(LABELS)])


@pytest.fixture
def loss(net):
    return lambda x: F.cross_entropy(net(x), LABELS, reduction="none")


ONE = torch.ones(6, 1)
KINDS = ["FGSM", "BIM", "PGD"]


@pytest.mark.parametrize("kind", KINDS)
def test_epsilon_0_is_the_identity(kind, loss, clean):
    assert torch.equal(attack(kind, 0.0)(loss, clean, ONE, IDS), clean)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epsilon", [0.01, 0.3, 5.0])
def test_changes_stay_in_the_ball_and_off_what_is_masked(
    kind, epsilon, loss, clean
):
    unit = torch.rand(6, 30, generator=torch.Generator().manual_seed(2))
    unit[:, 20:] = 0.0
    change = attack(kind, epsilon)(loss, clean, unit, IDS) - clean
    assert (change.abs() <= epsilon * unit + 1e-6).all()
    assert not change[:, 20:].any()
    assert change[:, :20].any(dim=1).all()


def test_fgsm_is_one_step_along_the_sign(loss, clean):
    x = clean.clone().requires_grad_()
    loss(x).sum().backward()
    expected = clean + 0.2 * x.grad.sign()
    torch.testing.assert_close(
        attack("FGSM", 0.2)(loss, clean, ONE, IDS), expected
    )


def test_bim_is_the_worst_of_its_steps_written_as_a_loop(loss, clean):
    x, seen = clean.clone(), []
    for _ in range(11):
        x = x.detach().requires_grad_()
        losses = loss(x)
        seen.append((losses.detach(), x.detach()))
        losses.sum().backward()
        x = x.detach() + 0.2 * 0.3 * x.grad.sign()
        x = torch.maximum(torch.minimum(x, clean + 0.3), clean - 0.3)
    worst = torch.stack([losses for losses, _ in seen]).argmax(0)
    expected = torch.stack([seen[w][1][i] for i, w in enumerate(worst)])
    found = attack("BIM", 0.3)(loss, clean, ONE, IDS)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("epsilon", [0.03, 0.1, 0.3])
def test_more_steps_hurt_more(epsilon, loss, clean):
    losses = {
        kind: loss(attack(kind, epsilon)(loss, clean, ONE, IDS)).mean()
        for kind in KINDS
    }
    assert losses["PGD"] >= losses["FGSM"] - 1e-6
    assert losses["BIM"] >= losses["FGSM"] - 1e-6
    assert losses["FGSM"] > loss(clean).mean()


def test_nothing_is_right_in_the_end(net, loss, clean):
    x = attack("PGD", 2.0)(loss, clean, ONE, IDS)
    assert not (net(x).argmax(1) == LABELS).any()


def test_a_clip_is_attacked_alike_alone_and_in_a_padded_batch(net):
    weight = torch.randn(50, 3, generator=torch.Generator().manual_seed(3))
    clips = [torch.randn(n) for n in (20, 50)]
    labels = torch.tensor([0, 2])

    def run(clips, labels, ids):
        x = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence(
            [torch.ones(len(clip)) for clip in clips], batch_first=True
        )

        def loss(x):
            logits = x.tanh() @ weight[: x.shape[1]]
            return F.cross_entropy(logits, labels, reduction="none")

        return attack("PGD", 0.3)(loss, x, mask, ids)

    together = run(clips, labels, ["a", "b"])
    for i, clip in enumerate(clips):
        alone = run([clip], labels[i : i + 1], ["ab"[i]])[0]
        torch.testing.assert_close(together[i, : len(clip)], alone)


def test_the_start_is_each_clips_own(loss, clean):
    same = clean[:1].expand(2, -1)
    start = SignedGradient("PGD", 1.0, 1, 0.0, random_start=True)

    def flat(x):
        return x.sum(1)

    a, b = start(flat, same, torch.ones(2, 1), ["a", "b"]) - same
    assert not torch.equal(a, b)
    again = start(flat, same, torch.ones(2, 1), ["b", "a"]) - same
    assert torch.equal(again[0], b) and torch.equal(again[1], a)
