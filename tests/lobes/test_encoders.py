import copy
import os
import shutil
from functools import partial
from pathlib import Path

import huggingface_hub
import pytest
import torch
import transformers
from hyperpyyaml import load_hyperpyyaml
from tiny_models import MODELS

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.lobes.encoders import PretrainedEncoder

FAMILIES = ["wavlm-large", "hubert-base", "wav2vec2-large", "data2vec"]
FAMILIES += ["wavlm-base", "whisper"]
every_model = pytest.mark.parametrize("name", MODELS)
every_family = pytest.mark.parametrize("name", FAMILIES)


@pytest.fixture
def clip():
    """Noise with an envelope and an offset, 0.4 s."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(6400, generator=generator)
    return 0.1 * noise * torch.linspace(0, 9, 6400).sin().abs() + 0.01


def in_a_batch(clip, n_samples):
    """A clip and garbage after it, beside a longer one."""
    generator = torch.Generator().manual_seed(3)
    wavs = torch.randn(2, n_samples, generator=generator)
    wavs[0, : len(clip)] = clip
    return wavs, torch.tensor([len(clip) / n_samples, 1.0])


def transformers_own(folder, clip):
    """Hidden states and last one of a single clip, by transformers alone."""
    model = transformers.AutoModel.from_pretrained(folder)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    with torch.autocast("cpu", enabled=False):
        inputs = extractor(
            clip.numpy(), sampling_rate=16000, return_tensors="pt"
        )
    if "input_features" in inputs:
        model = model.get_encoder()
        feats = inputs["input_features"]
        out = model(feats, output_hidden_states=True)
    else:
        out = model(inputs["input_values"], output_hidden_states=True)
    return [h.detach() for h in out.hidden_states], out.last_hidden_state


# ---- levels


@every_model
@pytest.mark.parametrize("n", [1, 399, 401, 1601, 5333])
def test_a_clip_gets_the_same_alone_as_in_a_batch_six_times_as_long(
    tiny_models, clip, name, n
):
    encoder, clip = PretrainedEncoder(tiny_models[name]).eval(), clip[-n:]
    alone, alone_lens = encoder(clip[None], torch.ones(1))
    levels, lens = encoder(*in_a_batch(clip, max(6 * n, 2000)))
    t = lens[0]
    assert t == alone_lens[0] == alone.shape[2]
    assert lens.dtype == torch.long
    torch.testing.assert_close(levels[:, 0, :t], alone[:, 0], atol=1e-4, rtol=0)
    assert not levels[:, 0, t:].any()


def test_so_does_a_clip_that_is_loudest_where_it_ends(tiny_models, clip):
    # the frame after Whisper's last one would see that best
    encoder, clip = (
        PretrainedEncoder(tiny_models["whisper"], "all"),
        1e-3 * clip,
    )
    clip[-1] = 0.9
    alone, _ = encoder(clip[None], torch.ones(1))
    levels, lens = encoder(*in_a_batch(clip, 30_000))
    torch.testing.assert_close(
        levels[:, 0, : lens[0]], alone[:, 0], atol=1e-4, rtol=0
    )


@every_model
def test_gradients_see_no_padding_either(tiny_models, clip, name):
    grads = []
    for n in (6400, 25_000):
        encoder = PretrainedEncoder(tiny_models[name], freeze="none").eval()
        wavs, wav_lens = in_a_batch(clip, n)
        wavs.requires_grad_()
        levels, lens = encoder(wavs, wav_lens)
        levels[:, 0, : lens[0]].sin().sum().backward()
        assert not wavs.grad[0, 6400:].any()
        grads.append([p.grad for p in encoder.parameters() if p.requires_grad])
    for short, long in zip(*grads):
        error = (short - long).abs().max() / (1e-2 + short.abs().max())
        assert error < 1e-3


@every_model
def test_levels_are_transformers_hidden_states(tiny_models, clip, name):
    encoder = PretrainedEncoder(
        tiny_models[name], pad_to_30s=name == "whisper"
    ).eval()
    levels, lens = encoder(clip[None], torch.ones(1))
    hidden, last = transformers_own(tiny_models[name], clip)
    assert levels.shape[0] == encoder.n_levels == len(hidden) == 4
    assert levels.shape[3] == encoder.output_size == 16
    assert (encoder.frame_rate, encoder.sample_rate) == (50.0, 16000)
    for level, theirs in zip(levels, [*hidden[:-1], last]):
        theirs = theirs[:, : lens[0]]
        torch.testing.assert_close(level, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("n", [1, 399, 400, 719, 720, 6399, 6400])
def test_there_are_as_many_frames_as_the_strides_leave(tiny_models, clip, n):
    encoder = PretrainedEncoder(tiny_models["wav2vec2-base"]).eval()
    levels, lens = encoder(clip[None, :n], torch.ones(1))
    assert lens.tolist() == [max(0, n - 400) // 320 + 1] == [levels.shape[2]]


@pytest.mark.parametrize("n", [1, 159, 160, 479, 480, 6400])
@pytest.mark.parametrize("pad_to_30s", [True, False])
def test_whisper_has_a_frame_for_every_second_hop(
    tiny_models, clip, n, pad_to_30s
):
    encoder = PretrainedEncoder(tiny_models["whisper"], pad_to_30s=pad_to_30s)
    levels, lens = encoder(clip[None, :n], torch.ones(1))
    assert lens.tolist() == [(max(1, n // 160) + 1) // 2] == [levels.shape[2]]


def test_whispers_log_mels_are_its_feature_extractors(tiny_models, clip):
    # noise without end: the loudest frame is not one that sees the clip's end
    folder, clip = tiny_models["whisper"], torch.cat([5 * clip, clip, clip])
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    theirs = extractor(clip.numpy(), sampling_rate=16000, return_tensors="pt")
    logmels = PretrainedEncoder(folder).model.cnn.logmels
    ours, lens = logmels(clip[None], torch.tensor([len(clip)]))
    assert lens.tolist() == [120] and ours.shape == (1, 120, 80)
    theirs = theirs["input_features"][:, :, :120].transpose(1, 2)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_a_padded_whisper_is_the_same_in_a_batch(tiny_models, clip):
    encoder = PretrainedEncoder(tiny_models["whisper"], "all", pad_to_30s=True)
    alone, _ = encoder(clip[None], torch.ones(1))
    levels, lens = encoder(*in_a_batch(clip, 30_000))
    assert lens.tolist() == [20, 94]
    torch.testing.assert_close(levels[:, 0, :20], alone[:, 0])
    assert not levels[:, 0, 20:].any()


def test_a_row_may_be_longer_than_whisper_hears_if_no_clip_is(
    tiny_models, clip
):
    encoder = PretrainedEncoder(tiny_models["whisper"]).eval()
    alone, _ = encoder(clip[None], torch.ones(1))
    wavs = torch.nn.functional.pad(clip[None], (0, 64_000 - 6400))
    levels, lens = encoder(wavs, torch.tensor([0.1]))
    torch.testing.assert_close(levels[:, :, : lens[0]], alone)


@every_model
@pytest.mark.parametrize("n", [1, 200, 1600])
def test_silence_and_short_clips_are_finite(tiny_models, name, n):
    encoder = PretrainedEncoder(tiny_models[name], freeze="none").train()
    for wavs in (torch.zeros(1, n), torch.ones(1, n)):
        levels, _ = encoder(wavs, torch.ones(1))
        levels.sum().backward()
        assert levels.isfinite().all()
    grads = [p.grad for p in encoder.parameters() if p.requires_grad]
    assert all(g.isfinite().all() for g in grads)


def test_waves_are_normalised_where_the_preprocessor_says_so(
    tiny_models, tmp_path, clip, caplog
):
    folder = shutil.copytree(tiny_models["hubert-large"], tmp_path / "model")
    batch = torch.stack([clip, 4 * clip + 1]), torch.ones(2)
    settings = folder / "preprocessor_config.json"

    def loudness_counts():
        levels, _ = PretrainedEncoder(folder, "all")(*batch)
        return not torch.allclose(levels[:, 0], levels[:, 1], atol=1e-3)

    assert not loudness_counts()
    settings.write_text(settings.read_text().replace("true", "false"))
    assert loudness_counts()
    assert caplog.text == ""
    settings.unlink()
    assert not loudness_counts()  # as models with layer norms were trained
    assert "no preprocessor_config.json" in caplog.text


def test_half_precision_on_disk_is_single_here(tiny_models, tmp_path, clip):
    model = transformers.AutoModel.from_pretrained(tiny_models["whisper"])
    model.half().save_pretrained(tmp_path)
    encoder = PretrainedEncoder(tmp_path)
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    assert encoder(clip[None], torch.ones(1))[0].dtype == torch.float32


@every_model
def test_bfloat16_is_as_close_as_transformers_own(tiny_models, clip, name):
    encoder = PretrainedEncoder(
        tiny_models[name], freeze="none", pad_to_30s=name == "whisper"
    ).eval()
    exact, _ = encoder(clip[None], torch.ones(1))
    with torch.autocast("cpu", torch.bfloat16):
        levels, lens = encoder(clip[None], torch.ones(1))
        hidden, _ = transformers_own(tiny_models[name], clip)
    levels.float().sum().backward()
    # some of these random models are far off, with any code
    for level, theirs, right in zip(levels[:-1], hidden, exact):
        error = (level - right).norm()
        assert error < 1.2 * (theirs[:, : lens[0]] - right).norm() + 0.1


def test_attention_is_torchs_own_where_the_family_has_it(tiny_models):
    kinds = {
        name: PretrainedEncoder(folder).model.config._attn_implementation
        for name, folder in tiny_models.items()
    }
    wavlm = {name for name, kind in kinds.items() if kind != "sdpa"}
    assert wavlm == {"wavlm-base", "wavlm-large"}


# ---- what is frozen


@every_model
def test_frozen_is_without_gradient_and_dropout_also_in_training(
    tiny_models, clip, name
):
    encoder = PretrainedEncoder(tiny_models[name], freeze="all").train()
    batch = in_a_batch(clip, 9000)
    levels, lens = encoder(*batch)
    assert not levels.requires_grad
    assert not any(p.requires_grad for p in encoder.parameters())
    assert not any(m.training for m in encoder.model.modules())
    assert torch.equal(levels, encoder(*batch)[0])
    assert torch.equal(levels, encoder.upper(*encoder.frozen(*batch)))


@every_model
@pytest.mark.parametrize("freeze", [0, 1, 2, "cnn", "none"])
def test_gradient_reaches_all_that_is_trained_and_nothing_below(
    tiny_models, clip, name, freeze
):
    encoder = PretrainedEncoder(tiny_models[name], freeze).train()
    levels, lens = encoder(*in_a_batch(clip, 9000))
    levels.sin().sum().backward()
    trained = {n for n, p in encoder.named_parameters() if p.requires_grad}
    reached = {
        n
        for n, p in encoder.named_parameters()
        if p.grad is not None and p.grad.any()
    }
    # a key's bias moves all scores of a frame alike: rounding alone is left
    keys = {n for n in trained if n.endswith("k_proj.bias")}
    assert reached | keys == trained
    n_layers = {n.split(".")[2] for n in trained if "model.layers." in n}
    first = freeze if type(freeze) is int else 0
    assert n_layers == {str(i) for i in range(first, 3)}
    below = {n for n in trained if "layers" not in n or "cnn" in n}
    below -= {n for n in below if "last_norm" in n}
    assert any("cnn" in n for n in below) == (freeze == "none")
    if type(freeze) is int:
        assert below == set()


@every_family
@pytest.mark.parametrize("freeze", [0, 2])
def test_the_upper_layers_go_on_from_the_frozen_ones(
    tiny_models, clip, name, freeze
):
    encoder = PretrainedEncoder(tiny_models[name], freeze).eval()
    whole = PretrainedEncoder(tiny_models[name], "cnn").eval()
    batch = in_a_batch(clip, 9000)
    levels, lens = encoder.frozen(*batch)
    assert len(levels) == freeze + 1 and not levels.requires_grad
    upper = encoder.upper(levels.clone(), lens)
    assert torch.equal(upper, encoder(*batch)[0])
    expected, expected_lens = whole(*batch)
    torch.testing.assert_close(upper, expected)
    assert torch.equal(lens, expected_lens)


@pytest.mark.parametrize("freeze", ["all", 1, "none"])
def test_levels_normalised_are_all_of_one_scale(tiny_models, clip, freeze):
    wavs = torch.stack([clip, clip.roll(1000)])
    wav_lens = torch.tensor([1.0, 0.5])
    build = partial(PretrainedEncoder, tiny_models["whisper"], freeze)
    raw, lens = build().eval()(wavs, wav_lens)
    encoder = build(level_norm=True).eval()
    levels, _ = encoder(wavs, wav_lens)
    for level, before in zip(levels, raw):
        for i, n in enumerate(lens):
            x = before[i, :n]
            centred = x - x.mean(1, keepdim=True)
            scale = (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
            torch.testing.assert_close(level[i, :n], centred / scale)
            assert not level[i, n:].any()
    if freeze != "none":  # what a cache holds leads to the same
        stored, lens = encoder.frozen(wavs, wav_lens)
        torch.testing.assert_close(encoder.upper(stored, lens), levels)


@every_family
def test_trained_layers_keep_their_dropout_and_frozen_ones_do_not(
    tiny_models, clip, name
):
    encoder = PretrainedEncoder(tiny_models[name], 1).train()
    for layer in encoder.model.layers:
        layer.dropout = 0.5 if name == "whisper" else torch.nn.Dropout(0.5)
    encoder.train()
    (one, _), (two, _) = [encoder(clip[None], torch.ones(1)) for _ in range(2)]
    assert torch.equal(one[:2], two[:2])
    assert not torch.equal(one[2], two[2])


@every_family
@pytest.mark.parametrize("freeze", [1, "none"])
def test_gradient_checkpointing_changes_no_gradient(
    tiny_models, clip, name, freeze
):
    grads = []
    for gradient_checkpointing in (False, True):
        encoder = PretrainedEncoder(
            tiny_models[name], freeze, gradient_checkpointing
        )
        torch.manual_seed(5)  # of the dropout, which is the same twice
        encoder(*in_a_batch(clip, 9000))[0].sin().sum().backward()
        grads.append({n: p.grad for n, p in encoder.named_parameters()})
    torch.testing.assert_close(*grads)


def test_a_checksum_is_of_the_frozen_weights_and_of_nothing_else(tiny_models):
    encoder = PretrainedEncoder(tiny_models["wav2vec2-base"], 1)
    checksum = encoder.checksum()
    assert (
        checksum
        == PretrainedEncoder(tiny_models["wav2vec2-base"], 1).checksum()
    )
    others = {
        checksum,
        PretrainedEncoder(tiny_models["wav2vec2-base"], 2).checksum(),
        PretrainedEncoder(tiny_models["hubert-base"], 1).checksum(),
        PretrainedEncoder(tiny_models["whisper"], "all").checksum(),
        PretrainedEncoder(
            tiny_models["whisper"], "all", level_norm=True
        ).checksum(),
        PretrainedEncoder(
            tiny_models["whisper"], "all", pad_to_30s=True
        ).checksum(),
    }
    assert len(others) == 6
    with torch.no_grad():
        encoder.model.layers[1].layer_norm.bias += 1
    assert encoder.checksum() == checksum
    with torch.no_grad():
        encoder.model.layers[0].layer_norm.bias += 1
    assert encoder.checksum() != checksum


def test_checkpoints_give_the_weights_back(tiny_models, clip):
    encoder = PretrainedEncoder(tiny_models["wavlm-base"], 1)
    other = copy.deepcopy(encoder)
    torch.nn.init.normal_(other.model.layers[2].attention.q_proj.weight)
    other.load_state_dict(encoder.state_dict())
    assert other.checksum() == encoder.checksum()
    batch = clip[None], torch.ones(1)
    assert torch.equal(other.eval()(*batch)[0], encoder.eval()(*batch)[0])


# ---- loading


@every_model
def test_a_line_of_yaml_makes_any_of_them(tiny_models, name, capfd):
    text = f"""
ssl_hub: {tiny_models[name]}
encoder: !new:ser_mtl_modules.lobes.encoders.PretrainedEncoder
    source: !ref <ssl_hub>
    freeze: all
"""
    encoder = load_hyperpyyaml(text)["encoder"]
    assert encoder.n_frozen_levels == encoder.n_levels == 4
    assert capfd.readouterr() == ("", "")  # no bars, no decoder missed


def test_a_name_without_a_network_is_one_line_with_the_way_out(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SerMtlError) as error:
        PretrainedEncoder("nobody/no-such-encoder")
    message = str(error.value)
    assert "nobody/no-such-encoder" in message and "\n" not in message
    assert "--ssl_hub=/path/to/folder" in message


def test_a_folder_that_is_not_there_or_holds_no_model_is_named(tmp_path):
    with pytest.raises(SerMtlError, match="no such folder"):
        PretrainedEncoder(tmp_path / "encoder")
    with pytest.raises(SerMtlError, match="no config.json in this folder"):
        PretrainedEncoder(tmp_path)
    (tmp_path / "config.json").write_text("{not json")
    with pytest.raises(SerMtlError, match="config.json is of no use"):
        PretrainedEncoder(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(SerMtlError, match="'bert'.*wav2vec2, wavlm, whisper"):
        PretrainedEncoder(tmp_path)


def test_code_beside_a_model_is_never_run(tiny_models, tmp_path):
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    (tmp_path / "config.json").write_text(
        '{"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config"}}'
    )
    with pytest.raises(SerMtlError, match="config.json is of no use"):
        PretrainedEncoder(tmp_path)


def test_missing_and_damaged_weights_are_errors(tiny_models, tmp_path):
    model = transformers.AutoModel.from_pretrained(tiny_models["hubert-base"])
    config = model.config
    config.save_pretrained(tmp_path)
    with pytest.raises(SerMtlError, match="weights can't be loaded"):
        PretrainedEncoder(tmp_path)
    weights = model.state_dict()
    for key in list(weights):
        if ".layers.1." in key:
            del weights[key]
    model.save_pretrained(tmp_path, state_dict=weights)
    with pytest.raises(SerMtlError, match="16 of its weights(.|\n)*layers.1."):
        PretrainedEncoder(tmp_path)
    config.hidden_size, config.num_attention_heads = 8, 1
    config.save_pretrained(tmp_path)
    with pytest.raises(SerMtlError, match="weights can't be loaded"):
        PretrainedEncoder(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"version https://git-lfs")
    with pytest.raises(SerMtlError, match="weights can't be loaded"):
        PretrainedEncoder(tmp_path)


@pytest.mark.parametrize("freeze", [3, -1, True, "CNN", None, 1.0])
def test_an_unknown_freeze_is_answered_with_the_known_ones(tiny_models, freeze):
    with pytest.raises(SerMtlError, match="all, cnn, none.*3 layers.*0 to 2"):
        PretrainedEncoder(tiny_models["wavlm-base"], freeze)


@pytest.mark.parametrize("freeze", ["cnn", "none"])
def test_without_a_frozen_level_there_is_nothing_to_keep(
    tiny_models, clip, freeze
):
    encoder = PretrainedEncoder(tiny_models["wavlm-base"], freeze)
    with pytest.raises(SerMtlError, match="No level is frozen"):
        encoder.frozen(clip[None], torch.ones(1))


def test_levels_of_another_setting_are_refused(tiny_models, clip):
    levels, lens = PretrainedEncoder(tiny_models["wavlm-base"], 2).frozen(
        clip[None], torch.ones(1)
    )
    with pytest.raises(SerMtlError, match="3 levels for freeze: 1"):
        PretrainedEncoder(tiny_models["wavlm-base"], 1).upper(levels, lens)


def test_thirty_seconds_are_for_whisper_and_not_for_a_part_of_it(tiny_models):
    with pytest.raises(SerMtlError, match="for Whisper"):
        PretrainedEncoder(tiny_models["wavlm-base"], pad_to_30s=True)
    with pytest.raises(SerMtlError, match="don't go together"):
        PretrainedEncoder(tiny_models["whisper"], 1, pad_to_30s=True)


def test_a_clip_longer_than_whisper_hears_is_an_error(tiny_models):
    encoder = PretrainedEncoder(tiny_models["whisper"])
    with pytest.raises(SerMtlError, match="2.5 s.*hears 2 s at most"):
        encoder(torch.randn(1, 40_000), torch.ones(1))


@pytest.mark.real_data
@pytest.mark.skipif(
    "SER_MTL_MODELS" not in os.environ, reason="SER_MTL_MODELS isn't set"
)
def test_the_real_whisper_hears_a_part_of_30_s_much_as_the_whole(clip):
    folder = Path(os.environ["SER_MTL_MODELS"]) / "whisper-base-encoder"
    batch = in_a_batch(clip, 6 * len(clip))
    levels, lens = PretrainedEncoder(folder, "all")(*batch)
    alone, _ = PretrainedEncoder(folder, "all")(clip[None], torch.ones(1))
    padded, _ = PretrainedEncoder(folder, "all", pad_to_30s=True)(*batch)
    # single values are as large as 1e3, so it is the whole that counts
    for level, one in zip(levels[:, 0, : lens[0]], alone[:, 0]):
        assert (level - one).norm() < 1e-4 * one.norm()
    # higher up, what noise turns into depends on the silence after it
    likeness = torch.cosine_similarity(levels[:4], padded[:4], dim=-1)
    assert likeness[:, 0, : lens[0]].mean(1).min() > 0.9
