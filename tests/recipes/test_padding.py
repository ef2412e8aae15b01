"""A clip's company, and what it is padded to, change nothing of its own."""

import pytest
import torch
from tiny_models import MODELS


def outputs(brain, wavs, wav_lens):
    """All that the tasks say of the first clip, by name."""
    with torch.no_grad():
        main, others, lens = brain.features(wavs, wav_lens)
        fused = brain.modules.co_attention(main, others, lens)
        said = {
            name: task(others.get(name, fused), lens)
            for name, task in brain.modules.tasks.items()
        }
    n = lens[0]
    return {
        "emotion": said["emotion"].logits[0],
        "embedding": said["emotion"].embeddings[0],
        "gender": said["gender"].logits[0],
        "speaker": said["speaker"][0],
        "asr": said["asr"].log_p[0, :n],
        "fused": fused[0, :n],
    }


def assert_padding_changes_nothing(brain, n, atol):
    """For a clip of n samples, padded to six times its length in a batch."""
    for module in brain.modules.modules():
        # as if trained: batch norms have seen something
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.normal_(module.running_mean, std=0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    brain.modules.eval()
    clip = 0.1 * torch.randn(n) * torch.linspace(0, 12, n).sin().abs()
    alone = outputs(brain, clip[None], torch.ones(1))
    batch = torch.randn(3, 6 * n)  # what follows the clip is not silent
    batch[0, :n] = clip
    together = outputs(brain, batch, torch.tensor([1 / 6, 1.0, 0.5]))
    assert set(alone) == set(together)
    for name, output in alone.items():
        torch.testing.assert_close(
            together[name], output, atol=atol, rtol=0, msg=name
        )


@pytest.mark.parametrize("n", [1, 399, 1600, 5000, 16000])
@pytest.mark.parametrize("fusion", ["Chain", "ParallelGates", "TaskTokens"])
def test_every_output_is_the_same_alone_and_padded_six_times(build, n, fusion):
    torch.manual_seed(0)
    kind = f"!name:ser_mtl_modules.lobes.co_attention.{fusion}"
    brain = build(f"--co_attention={kind}", "--feature_size=32")
    assert_padding_changes_nothing(brain, n, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_so_it_is_on_a_pre_trained_encoder(build, tiny_models, name):
    torch.manual_seed(0)
    brain = build(f"--ssl_hub={tiny_models[name]}", yaml="mtl.yaml")
    for n in (399, 1600, 5000):  # six times as much is 2 s, Whisper's most
        assert_padding_changes_nothing(brain, n, atol=1e-4)
