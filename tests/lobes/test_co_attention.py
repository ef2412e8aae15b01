"""Every kind against its equations, and what holds for all of them."""

from functools import partial

import pytest
import torch

from ser_mtl_modules.lobes.co_attention import (
    CaMser,
    Chain,
    Concatenate,
    NoGates,
    Nothing,
    ParallelGates,
    SigmoidGates,
    SoftmaxGates,
    TaskTokens,
    attention,
    build,
    relu_over_time,
)
from ser_mtl_modules.lobes.masking import frame_mask

LENS = torch.tensor([7, 3, 1])
NAMES = ["speaker", "asr"]
KINDS = {
    "Nothing": Nothing,
    "Concatenate": Concatenate,
    "Chain": partial(Chain, n_heads=2),
    "ParallelGates": partial(ParallelGates, n_heads=2),
    "SoftmaxGates": partial(ParallelGates, n_heads=2, gate=SoftmaxGates),
    "NoGates": partial(ParallelGates, n_heads=2, gate=NoGates),
    "TaskTokens": partial(TaskTokens, n_heads=2),
    "CaMser": CaMser,
    "CaMser, relu": partial(CaMser, norm=relu_over_time),
}


@pytest.fixture
def feats():
    """Features of the main task and of two others, zero in padding."""
    generator = torch.Generator().manual_seed(0)
    main, speaker, asr = torch.randn(3, 3, 7, 8, generator=generator)
    for x in (main, speaker, asr):
        x[~frame_mask(LENS, 7)] = 0
    return main, {"speaker": speaker, "asr": asr}


@pytest.fixture(params=KINDS)
def fuse(request):
    """Each kind in turn."""
    return made(KINDS[request.param])


def made(kind):
    torch.manual_seed(0)
    fuse = build(kind, 8, NAMES).eval()
    for parameter in fuse.parameters():  # no bias is 0, no scale is 1
        torch.nn.init.normal_(parameter, std=0.5)
    return fuse


def clips(feats):
    """One clip after the other, without padding."""
    main, auxiliaries = feats
    for i, n in enumerate(LENS):
        yield i, n, main[i, :n], {k: x[i, :n] for k, x in auxiliaries.items()}


def multi_head(layer, queries, keys):
    """Attention of queries [T, 8] to keys [S, 8], one frame at a time."""
    weight_q, weight_k, weight_v = layer.in_proj_weight.chunk(3)
    bias_q, bias_k, bias_v = layer.in_proj_bias.chunk(3)
    attended, weights = [], []
    for query in queries:
        q, k = weight_q @ query + bias_q, keys @ weight_k.T + bias_k
        v = keys @ weight_v.T + bias_v
        heads = [slice(0, 4), slice(4, 8)]
        w = [(k[:, h] @ q[h] / 4**0.5).softmax(dim=0) for h in heads]
        mixed = torch.cat([w_h @ v[:, h] for w_h, h in zip(w, heads)])
        attended.append(layer.out_proj.weight @ mixed + layer.out_proj.bias)
        weights.append(sum(w) / 2)
    return torch.stack(attended), torch.stack(weights)


def gated(gate, u, other):
    """sigmoid(W [u ; A] + b) * A, and the weights of A."""
    a, weights = multi_head(gate.attention, u, other)
    g = 1 / (1 + torch.exp(-gate.gate(torch.cat([u, a], dim=1))))
    return g * a, weights


# ---- each kind is its equations


def chain(fuse, u, others):
    amounts = {}
    for name in NAMES:
        message, _ = gated(fuse.gates[name], u, others[name])
        amounts[name] = message.norm(dim=1)
        u = fuse.norms[name](u + message)
    return u, amounts


def concatenate(fuse, main, others):
    w = fuse.project.weight
    parts = {
        "speaker": others["speaker"] @ w[:, 8:16].T,
        "asr": others["asr"] @ w[:, 16:].T,
    }
    u = main @ w[:, :8].T + fuse.project.bias
    amounts = {name: part.norm(dim=1) for name, part in parts.items()}
    return u + parts["speaker"] + parts["asr"], amounts


def parallel(fuse, main, others, gate):
    a = {
        name: multi_head(fuse.attentions[name], main, others[name])[0]
        for name in NAMES
    }
    z = None
    if not isinstance(fuse.gate, NoGates):
        z = {
            name: fuse.gate.layers[k](torch.cat([main, a[name]], dim=1))
            for k, name in enumerate(NAMES)
        }
    messages = {name: gate(z, name) * a[name] for name in NAMES}
    amounts = {name: m.norm(dim=1) for name, m in messages.items()}
    return fuse.norm(main + messages["speaker"] + messages["asr"]), amounts


def sigmoid(z, name):
    return 1 / (1 + torch.exp(-z[name]))


def softmax(z, name):
    return z[name].exp() / (z["speaker"].exp() + z["asr"].exp())


def no_gate(z, name):
    return 1.0


def tokens(fuse, main, others):
    c = torch.stack([others[name].mean(dim=0) for name in NAMES])  # [K, 8]
    message, weights = gated(fuse.gate, main, c)
    length = message.norm(dim=1)
    amounts = {name: length * weights[:, k] for k, name in enumerate(NAMES)}
    return fuse.norm(main + message), amounts


def ca_mser(fuse, main, others, relu):
    w_q = {
        "speaker": fuse.query.weight[:, :8],
        "asr": fuse.query.weight[:, 8:],
    }
    parts = {name: torch.zeros(len(main)) for name in NAMES}
    for t, frame in enumerate(main):
        for name in NAMES:
            q = w_q[name] @ others[name].mean(dim=0)
            parts[name][t] = q @ (fuse.key.weight @ frame) / 8**0.5
    s = parts["speaker"] + parts["asr"]
    if relu:
        w = s.clamp(min=0) / len(main)
    else:
        w = s.exp() / s.exp().sum()
    amounts = {name: w * part.abs() for name, part in parts.items()}
    return len(main) * w[:, None] * main, amounts


REFERENCES = {
    "Nothing": lambda fuse, main, others: (main, {}),
    "Concatenate": concatenate,
    "Chain": chain,
    "ParallelGates": partial(parallel, gate=sigmoid),
    "SoftmaxGates": partial(parallel, gate=softmax),
    "NoGates": partial(parallel, gate=no_gate),
    "TaskTokens": tokens,
    "CaMser": partial(ca_mser, relu=False),
    "CaMser, relu": partial(ca_mser, relu=True),
}


@torch.no_grad()
@pytest.mark.parametrize("name", KINDS)
def test_equals_its_equations_step_by_step_on_a_clip(name, feats):
    fuse = made(KINDS[name])
    fused = fuse(*feats, LENS)
    found = fuse.amounts(*feats, LENS)
    for i, n, main, others in clips(feats):
        expected, amounts = REFERENCES[name](fuse, main, others)
        torch.testing.assert_close(fused[i, :n], expected, atol=1e-5, rtol=1e-4)
        assert not fused[i, n:].any()
        assert list(found) == list(amounts)
        for task, amount in amounts.items():
            torch.testing.assert_close(
                found[task][i, :n], amount, atol=1e-5, rtol=1e-4
            )


def test_mean_of_ca_mser_is_the_weighted_vector_of_the_ancestor(feats):
    fuse = made(CaMser)
    weights = fuse.weights(*feats, LENS)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))
    assert not weights[~frame_mask(LENS, 7)].any()
    vector = torch.einsum("bt,btd->bd", weights, feats[0])
    mean = fuse(*feats, LENS).sum(dim=1) / LENS[:, None]
    torch.testing.assert_close(mean, vector)


def test_softmax_gates_sum_to_one_over_the_tasks():
    attended = torch.randn(2, 3, 7, 8)
    gates = SoftmaxGates(8, 2)(torch.randn(3, 7, 8), attended)
    torch.testing.assert_close(gates.sum(dim=0), torch.ones(3, 7, 8))
    gates = SigmoidGates(8, 2)(torch.randn(3, 7, 8), attended)
    assert (gates.sum(dim=0) - 1).abs().max() > 0.1


# ---- what holds for all of them


@torch.no_grad()
def test_padding_content_does_not_matter(fuse, feats):
    main, auxiliaries = feats
    mask = frame_mask(LENS, 7)
    before = fuse(main, auxiliaries, LENS)[mask]
    seen = attention(fuse, main, auxiliaries, LENS)
    for x in (main, *auxiliaries.values()):
        x[~mask] = 50.0
    after = fuse(main, auxiliaries, LENS)[mask]
    torch.testing.assert_close(after, before)
    again = attention(fuse, main, auxiliaries, LENS)
    torch.testing.assert_close(again.over_time, seen.over_time)
    torch.testing.assert_close(again.over_tasks, seen.over_tasks)


@torch.no_grad()
def test_a_clip_gets_the_same_alone_as_padded_to_six_times_its_length(
    fuse, feats
):
    def padded(x):
        return torch.nn.functional.pad(x, (0, 0, 0, 35))

    batch = fuse(
        padded(feats[0]), {k: padded(x) for k, x in feats[1].items()}, LENS
    )
    assert not batch[~frame_mask(LENS, 42)].any()
    for i, n, main, others in clips(feats):
        others = {name: x[None] for name, x in others.items()}
        alone = fuse(main[None], others, LENS[i : i + 1])
        torch.testing.assert_close(alone[0], batch[i, :n], atol=1e-6, rtol=1e-5)


def test_gradient_reaches_every_parameter_and_every_task(fuse, feats):
    main, auxiliaries = feats
    for x in (main, *auxiliaries.values()):
        x.requires_grad_()
    # of the long clip: a single frame has but one weight to give, and where
    # no score is positive relu gives none at all
    fuse(main, auxiliaries, LENS)[0].sin().sum().backward()
    assert all(p.grad.any() for p in fuse.parameters())
    assert main.grad[0].any()
    assert isinstance(fuse, Nothing) == (auxiliaries["asr"].grad is None)
    for x in auxiliaries.values():
        assert x.grad is None or x.grad[0].any(dim=1).all()


def test_no_gradient_comes_from_or_goes_to_padding(fuse, feats):
    main, auxiliaries = feats
    for x in (main, *auxiliaries.values()):
        x.requires_grad_()
    mask = frame_mask(LENS, 7)
    fuse(main, auxiliaries, LENS)[mask].sin().sum().backward()
    for x in (main, *auxiliaries.values()):
        if x.grad is not None:
            assert x.grad.isfinite().all() and not x.grad[~mask].any()


@torch.no_grad()
def test_attention_sums_to_one_over_frames_and_over_tasks(fuse, feats):
    main, auxiliaries = feats
    over_time, over_tasks = attention(fuse, main, auxiliaries, LENS)
    names = [] if isinstance(fuse, Nothing) else NAMES
    assert list(over_time) == list(over_tasks) == names
    for name in names:
        assert (over_time[name] >= 0).all()
        assert not over_time[name][~frame_mask(LENS, 7)].any()
        total = over_time[name].sum(dim=1)
        # relu may leave a clip with nothing
        taken = fuse(main, auxiliaries, LENS).flatten(1).any(dim=1)
        torch.testing.assert_close(total, taken.float())
        assert taken[0]
    if names:
        torch.testing.assert_close(sum(over_tasks.values()), taken.float())


@torch.no_grad()
@pytest.mark.parametrize("name", ["Chain", "ParallelGates", "Concatenate"])
def test_attention_is_where_something_is_to_be_taken(name, feats):
    fuse = made(KINDS[name])
    main, auxiliaries = feats
    if name != "Concatenate":  # values without bias, or silence would speak
        for module in fuse.modules():
            if isinstance(module, torch.nn.MultiheadAttention):
                module.in_proj_bias[16:].zero_()
                module.out_proj.bias.zero_()
    auxiliaries["asr"].zero_()
    over_tasks = attention(fuse, main, auxiliaries, LENS).over_tasks
    torch.testing.assert_close(over_tasks["speaker"], torch.ones(3))
    assert not over_tasks["asr"].any()


def test_order_of_the_dict_of_features_means_nothing(fuse, feats):
    main, auxiliaries = feats
    turned = dict(reversed(auxiliaries.items()))
    assert torch.equal(fuse(main, turned, LENS), fuse(main, auxiliaries, LENS))


def test_order_of_the_auxiliaries_is_that_of_the_chain(feats):
    chain = made(KINDS["Chain"])
    turned = Chain(8, NAMES[::-1], n_heads=2).eval()
    turned.load_state_dict(chain.state_dict())
    there, back = (c(*feats, LENS) for c in (chain, turned))
    assert (there - back).abs().max() > 0.01


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_without_auxiliaries_the_main_task_keeps_its_features(kind, feats):
    fuse = build(kind, 8, [])
    assert torch.equal(fuse(feats[0], {}, LENS), feats[0])
    assert not [*fuse.parameters()]
    assert attention(fuse, feats[0], {}, LENS) == ({}, {})


def test_nothing_ignores_the_auxiliaries(feats):
    assert torch.equal(Nothing(8, NAMES)(*feats, LENS), feats[0])


def test_build_takes_a_kind_with_its_arguments_filled_in():
    chain = build(partial(Chain, n_heads=1), 8, dict.fromkeys(NAMES))
    assert list(chain.gates) == NAMES
    assert chain.gates["asr"].attention.num_heads == 1


@torch.no_grad()
def test_half_precision_gives_about_the_same(fuse, feats):
    with torch.autocast("cpu", torch.bfloat16):
        half = fuse(*feats, LENS)
        seen = attention(fuse, *feats, LENS)
    difference = (half.float() - fuse(*feats, LENS)).norm()
    assert difference < 0.05 * half.float().norm()
    for weights in seen.over_time.values():
        assert weights.dtype == torch.float32
        assert weights[0].sum().item() == pytest.approx(1, abs=1e-5)
