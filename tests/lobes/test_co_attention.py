import functools

import pytest
import torch

from ser_mtl_modules.lobes.co_attention import Chain, Nothing, build
from ser_mtl_modules.lobes.masking import frame_mask

LENS = torch.tensor([7, 3, 1])
NAMES = ["speaker", "asr"]


@pytest.fixture
def feats():
    """Features of the main task and of two others, zero in padding."""
    generator = torch.Generator().manual_seed(0)
    main, speaker, asr = torch.randn(3, 3, 7, 8, generator=generator)
    for x in (main, speaker, asr):
        x[~frame_mask(LENS, 7)] = 0
    return main, {"speaker": speaker, "asr": asr}


@pytest.fixture
def chain():
    torch.manual_seed(0)
    return Chain(8, NAMES, n_heads=2).eval()


def test_equals_its_equations_step_by_step_on_a_clip(chain, feats):
    main, auxiliaries = feats
    for clip, n in enumerate(LENS):
        u = main[clip, :n]
        for name in NAMES:
            gate, other = chain.gates[name], auxiliaries[name][clip, :n]
            q, k, v = (
                (x @ w.T + b).unflatten(1, (2, 4)).transpose(0, 1)  # [H, T, 4]
                for x, w, b in zip(
                    (u, other, other),
                    gate.attention.in_proj_weight.chunk(3),
                    gate.attention.in_proj_bias.chunk(3),
                )
            )
            weights = (q @ k.transpose(1, 2) / 4**0.5).softmax(dim=-1)
            a = gate.attention.out_proj(
                (weights @ v).transpose(0, 1).flatten(1)
            )
            g = torch.sigmoid(gate.gate(torch.cat([u, a], dim=1)))
            u = chain.norms[name](u + g * a)
        fused = chain(main, auxiliaries, LENS)[clip]
        torch.testing.assert_close(fused[:n], u, atol=1e-5, rtol=1e-4)
        assert not fused[n:].any()


def test_padding_content_does_not_matter(chain, feats):
    main, auxiliaries = feats
    before = chain(main, auxiliaries, LENS)
    for x in (main, *auxiliaries.values()):
        x[~frame_mask(LENS, 7)] = 50.0
    torch.testing.assert_close(chain(main, auxiliaries, LENS), before)


def test_a_clip_gets_the_same_alone_as_in_a_batch(chain, feats):
    main, auxiliaries = feats
    batch = chain(main, auxiliaries, LENS)
    for i, n in enumerate(LENS):
        others = {name: x[i : i + 1, :n] for name, x in auxiliaries.items()}
        alone = chain(main[i : i + 1, :n], others, LENS[i : i + 1])
        torch.testing.assert_close(alone[0], batch[i, :n], atol=1e-6, rtol=1e-5)


def test_order_of_the_auxiliaries_is_that_of_the_chain(chain, feats):
    turned = Chain(8, NAMES[::-1], n_heads=2).eval()
    turned.load_state_dict(chain.state_dict())
    main, auxiliaries = feats
    there, back = (c(main, auxiliaries, LENS) for c in (chain, turned))
    assert (there - back).abs().max() > 0.01
    # but the order of the dict that holds their features is nothing
    items = dict(reversed(auxiliaries.items()))
    assert torch.equal(chain(main, items, LENS), there)


def test_gradient_reaches_every_parameter_and_every_task(chain, feats):
    main, auxiliaries = feats
    for x in (main, *auxiliaries.values()):
        x.requires_grad_()
    chain(main, auxiliaries, LENS).sin().sum().backward()
    assert all(p.grad.any() for p in chain.parameters())
    for x in (main, *auxiliaries.values()):
        mask = frame_mask(LENS, 7)
        assert x.grad[mask].any(dim=1).all() and not x.grad[~mask].any()


@pytest.mark.parametrize("kind", [Chain, Nothing])
def test_without_auxiliaries_the_main_task_keeps_its_features(kind, feats):
    fusion = build(kind, 8, [])
    assert torch.equal(fusion(feats[0], {}, LENS), feats[0])
    assert not [*fusion.parameters()]


def test_nothing_ignores_the_auxiliaries(feats):
    assert torch.equal(Nothing(8, NAMES)(*feats, LENS), feats[0])


def test_build_takes_a_kind_with_its_arguments_filled_in():
    chain = build(functools.partial(Chain, n_heads=1), 8, dict.fromkeys(NAMES))
    assert list(chain.gates) == NAMES
    assert chain.gates["asr"].attention.num_heads == 1
