from functools import partial

import pytest
import torch
import torch.nn.functional as F
from tiny_models import MODELS

from ser_mtl_modules.dataio.datasets import Waves
from ser_mtl_modules.dataio.feature_cache import CachedLevels
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.lobes.cached_encoder import CachedEncoder
from ser_mtl_modules.lobes.encoders import PretrainedEncoder
from ser_mtl_modules.lobes.residual_integration import (
    AugmentedResidualIntegration,
)

LENS = torch.tensor([5, 2])
every_model = pytest.mark.parametrize("name", MODELS)
small = partial(AugmentedResidualIntegration, bottleneck=4)


def trained(module):
    """As after many steps: no gate is even, and no Up is zero."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return module


@pytest.fixture
def levels():
    generator = torch.Generator().manual_seed(0)
    return list(torch.randn(3, 2, 5, 6, generator=generator))


@pytest.fixture
def batch():
    wavs = 0.1 * torch.randn(2, 9000, generator=torch.manual_seed(0))
    return wavs, torch.tensor([1.0, 0.4])


def test_equals_its_formula_frame_by_frame(levels):
    integrate = trained(small(3, 6))
    out = integrate(levels, LENS)
    part = integrate.layers[1]  # of the third layer: two levels are below
    shares = part.scores.exp() / part.scores.exp().sum()
    for b, n in enumerate(LENS):
        for t in range(n):
            r = sum(
                share
                * F.layer_norm(h[b, t], (6,), part.norm.weight, part.norm.bias)
                for share, h in zip(shares, levels[:2])
            )
            inner = F.gelu(part.down.weight @ r + part.down.bias)
            added = part.up.weight @ inner + part.up.bias
            torch.testing.assert_close(out[b, t], levels[2][b, t] + added)
        assert not out[b, n:].any()
    assert integrate(levels[:1], LENS) is levels[0]  # nothing is below


def test_top_k_is_of_the_largest_alone_and_has_the_gradient_of_all(levels):
    integrate = small(4, 6, top_k=2)
    with torch.no_grad():
        integrate.layers[2].scores.copy_(torch.tensor([0.0, 3.0, 1.0]))
    weights = integrate.weights(3)
    e = torch.tensor([3.0, 1.0]).exp()
    expected = torch.stack([torch.tensor(0.0), *(e / e.sum())])
    torch.testing.assert_close(weights.detach(), expected)
    (weights * torch.tensor([1.0, 2.0, 4.0])).sum().backward()
    assert integrate.layers[2].scores.grad.all()


@pytest.mark.parametrize("top_k", [0, -1, 1.5])
def test_no_level_at_all_is_no_integration(top_k):
    with pytest.raises(SerMtlError, match=f"top_k: {top_k}; expected"):
        small(4, 6, top_k=top_k)


@every_model
def test_an_encoder_begins_as_it_was_pre_trained(tiny_models, batch, name):
    plain = PretrainedEncoder(tiny_models[name], "none").eval()
    with_ari = PretrainedEncoder(
        tiny_models[name], "none", integration=small
    ).eval()
    expected, _ = plain(*batch)
    levels, _ = with_ari(*batch)
    assert torch.equal(levels, expected)


@every_model
def test_each_layer_gets_what_is_below_it(tiny_models, batch, name):
    encoder = PretrainedEncoder(tiny_models[name], "cnn", integration=small)
    trained(encoder.integration)
    levels, lens = encoder.eval()(*batch)
    model = encoder.model
    arguments = model.layer_arguments(levels[0], lens)
    for i, layer in enumerate(model.layers):
        entering = encoder.integration(list(levels[: i + 1]), lens)
        hidden = model.apply_layer(layer, entering, *arguments)
        if i == len(model.layers) - 1:
            hidden = model.last_norm(hidden)
        for b, n in enumerate(lens):
            torch.testing.assert_close(levels[i + 1, b, :n], hidden[b, :n])


@every_model
def test_padding_takes_no_part(tiny_models, batch, name):
    encoder = PretrainedEncoder(tiny_models[name], "cnn", integration=small)
    trained(encoder.integration)
    levels, lens = encoder.eval()(*batch)
    alone, _ = encoder(batch[0][1:, :3600], torch.ones(1))
    torch.testing.assert_close(
        levels[:, 1, : lens[1]], alone[:, 0], atol=1e-4, rtol=1e-4
    )


def test_after_one_step_gradient_reaches_every_gate_and_bottleneck(
    tiny_models, batch
):
    encoder = PretrainedEncoder(
        tiny_models["wavlm-base"], "cnn", integration=small
    )
    optimizer = torch.optim.SGD(encoder.integration.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        encoder(*batch)[0].sin().sum().backward()
        optimizer.step()
    for name, parameter in encoder.integration.named_parameters():
        single = name == "layers.0.scores"  # the share of one level is 1
        assert parameter.grad.any() or single, name


@pytest.mark.parametrize("freeze, n_frozen", [("all", 2), (1, 2), (2, 3)])
def test_frozen_layers_may_be_stored(tiny_models, batch, freeze, n_frozen):
    build = partial(
        PretrainedEncoder, tiny_models["whisper"], freeze, integration=small
    )
    encoder = build().eval()
    trained(encoder.integration)
    stored, lens = encoder.frozen(*batch)
    assert len(stored) == n_frozen
    levels, _ = encoder(*batch)
    torch.testing.assert_close(encoder.upper(stored, lens), levels)
    assert not torch.equal(levels, build().eval()(*batch)[0])
    levels.sin().sum().backward()
    reached = {n for n, p in encoder.named_parameters() if p.grad is not None}
    of_layers = {n for n in reached if n.startswith("model.layers")}
    assert any(n.startswith("integration") for n in reached)
    assert bool(of_layers) == (freeze != "all")


def test_all_but_the_integration_may_be_frozen_and_stored(
    tiny_models, batch, tmp_path
):
    build = partial(
        PretrainedEncoder, tiny_models["whisper"], "all", integration=small
    )
    cached = CachedEncoder(CachedLevels(build, Waves(), tmp_path))
    assert all("integration" in name for name in cached.state_dict())
    trained(cached)
    stored, lens = build().frozen(*batch)
    levels, _ = cached.train()(
        stored.permute(1, 2, 0, 3).half(), lens / stored.shape[2]
    )
    assert len(levels) == 4
    levels.sin().sum().backward()
    assert all(p.grad is not None for p in cached.parameters())
