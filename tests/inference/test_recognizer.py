"""Recordings of any rate, channels and length."""

import huggingface_hub
import numpy as np
import pytest
import soundfile
import torch
from tiny_ravdess import clip

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.inference.recognizer import EmotionRecognizer
from ser_mtl_modules.inference.trained_run import TrainedRun
from ser_mtl_modules.inference.windows import combined, spans

RATE = 16000


@pytest.fixture
def write(tmp_path):
    """A function that writes a voice of so many seconds, and says where."""

    def write(seconds, name="a.wav", rate=RATE, channels=1):
        voice = clip(3, 7, 1, rate=rate, seconds=seconds)
        voice = voice[: round(seconds * rate)]
        soundfile.write(
            tmp_path / name, np.stack([voice] * channels, axis=1), rate
        )
        return tmp_path / name

    return write


def test_files_and_batches_give_the_same(recognizer, write):
    paths = [write(0.4, "a.wav"), write(0.9, "b.wav")]
    clips = [recognizer.load_audio(path) for path in paths]
    batch = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)
    lens = torch.tensor([len(c) / batch.shape[1] for c in clips])
    p, score, index, names = recognizer.classify_batch(batch, lens)
    embeddings = recognizer.encode_batch(batch, lens)
    assert embeddings.shape[:2] == (2, 1)
    assert torch.allclose(p.sum(1), torch.ones(2), atol=1e-5)
    for i, path in enumerate(paths):
        alone = recognizer.classify_file(path)
        assert torch.allclose(alone[0][0], p[i], atol=1e-6)
        assert alone[3] == [names[i]] == [recognizer.classes[index[i]]]
        assert alone[1] == alone[0].max()
        one = recognizer.encode_batch(clips[i][None])
        assert torch.allclose(one[0], embeddings[i], atol=1e-5)


@pytest.mark.parametrize(
    "name, rate, channels, seconds",
    [
        ("a.flac", 44100, 2, 0.5),
        ("a.mp3", 44100, 2, 0.5),
        ("a.ogg", 48000, 1, 0.5),
        ("a.wav", 8000, 1, 0.5),
        ("a.wav", 16000, 1, 0.05),
        ("a.wav", 44100, 2, 0.06),
        ("a.wav", 11025, 3, 7.3),
    ],
)
def test_any_format_rate_and_length(
    recognizer, write, name, rate, channels, seconds
):
    said = recognizer.describe_file(write(seconds, name, rate, channels))
    p = [said[f"p_{name}"] for name in recognizer.classes]
    assert sum(p) == pytest.approx(1, abs=1e-5)
    assert said["prediction"] == recognizer.classes[int(np.argmax(p))]
    assert np.linalg.norm(said["embedding"]) == pytest.approx(1, abs=1e-4)
    assert isinstance(said["hypothesis"], str)
    assert said["gender_prediction"] in ("F", "M")


def test_what_can_not_be_heard_is_told(recognizer, write, tmp_path):
    with pytest.raises(SerMtlError, match="49 ms"):
        recognizer.classify_file(write(0.049))
    with pytest.raises(SerMtlError, match="no such file"):
        recognizer.classify_file(tmp_path / "nothing.wav")
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(SerMtlError, match="cannot be read as audio"):
        recognizer.classify_file(tmp_path / "text.wav")


def test_silence_has_an_answer(recognizer, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(8000), RATE)
    said = recognizer.describe_file(tmp_path / "a.wav", attention=True)
    assert np.isfinite([v for k, v in said.items() if "p_" in k]).all()


def test_a_long_recording_is_the_mean_of_its_windows(
    recognizer, write, monkeypatch
):
    monkeypatch.setattr(recognizer.hparams, "window_s", 1.0)
    monkeypatch.setattr(recognizer.hparams, "overlap_s", 0.2)
    path = write(2.5)
    said = recognizer.describe_file(path)
    wave = recognizer.load_audio(path)
    parts = [wave[s : s + RATE] for s in (0, 12000, 24000)]
    expected = [recognizer.classify_batch(part[None])[0] for part in parts]
    heard = [len(recognizer.hparams.signal.trim(part, RATE)) for part in parts]
    mean = sum(n * p[0] for n, p in zip(heard, expected)) / sum(heard)
    found = [said[f"p_{name}"] for name in recognizer.classes]
    assert np.allclose(found, mean, atol=1e-5)
    batch = recognizer.classify_batch(wave[None])[0]
    assert np.allclose(batch, found, atol=1e-5)


def test_attention_covers_what_is_heard(recognizer, tmp_path, monkeypatch):
    monkeypatch.setattr(recognizer.hparams, "window_s", 1.5)
    monkeypatch.setattr(recognizer.hparams, "overlap_s", 0.5)
    voice = clip(3, 7, 1, seconds=0.8)[: int(0.8 * RATE)]
    silence = np.zeros(RATE)
    for path, parts, start, stop in [
        ("short.wav", [silence[: RATE // 2], voice], 0.4, 1.3),
        ("long.wav", [silence, voice, voice, voice, silence], 0.9, 3.5),
    ]:
        soundfile.write(tmp_path / path, np.concatenate(parts), RATE)
        said = recognizer.describe_file(tmp_path / path, attention=True)
        start_s, stop_s, over_time, over_tasks = said["attention"]
        assert len(start_s) == len(stop_s)
        assert min(start_s) == pytest.approx(start, abs=0.03)
        assert max(stop_s) == pytest.approx(stop, abs=0.03)
        assert set(over_time) == {"gender", "speaker", "asr", "pooling"}
        for weights in over_time.values():
            assert len(weights) == len(start_s)
            assert sum(weights) == pytest.approx(1, abs=1e-4)
        assert set(over_tasks) == {"gender", "speaker", "asr"}
        assert sum(over_tasks.values()) == pytest.approx(1, abs=1e-4)


def test_windows_are_of_one_length_and_overlap():
    for duration in (10.1, 12.0, 17.9, 100.0, 3600.0):
        windows = spans(duration, 10.0, 2.0)
        assert windows[0][0] == 0 and windows[-1][1] == duration
        for (start, stop), (later, _) in zip(windows, windows[1:]):
            assert stop - start == pytest.approx(10)
            assert stop - later >= 2 - 1e-9
        assert (len(windows) - 2) * 8 + 10 < duration  # no more than needed


def test_texts_of_windows_follow_one_another():
    rows = [{"hypothesis": text} for text in ("DOGS", "", "SIT")]
    assert combined(rows, [1.0, 1.0, 1.0]) == {"hypothesis": "DOGS SIT"}


def test_loading_leaves_the_generators_alone_and_freezes(exports, kind):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    cpu = {"device": "cpu"}
    recognizer = EmotionRecognizer.from_hparams(exports[kind], run_opts=cpu)
    assert torch.equal(torch.rand(3), expected)
    assert not any(p.requires_grad for p in recognizer.parameters())
    assert not any(m.training for m in recognizer.mods.modules())
    assert not any(t.is_meta for t in recognizer.mods.buffers())


def test_a_run_and_its_export_agree_on_any_clip(runs, recognizer, kind):
    run = TrainedRun(runs[kind])
    wave = 0.1 * torch.randn(9000)
    ours = run.answers(wave)
    theirs = recognizer.model.answers(wave, recognizer.hparams.views)
    assert ours.keys() == theirs.keys()
    for column, value in ours.items():
        if "p_" in column or column == "embedding":
            assert np.allclose(value, theirs[column], atol=1e-5)


def test_a_name_on_the_hub_is_downloaded_as_files(
    exports, kind, tmp_path, monkeypatch
):
    asked = {}

    def download(name, **options):
        asked.update(options, name=name)
        return str(exports[kind])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    EmotionRecognizer.from_hparams("someone/model", savedir=tmp_path)
    assert asked["name"] == "someone/model"
    assert asked["local_dir"] == tmp_path

    def fail(name, **options):
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(SerMtlError, match="no folder, and not to be had"):
        EmotionRecognizer.from_hparams("someone/model")
