"""What the page of `serve` shows, with and without a browser."""

import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile
import torch
from tiny_ravdess import RATE, clip
from typer.testing import CliRunner

from ser_mtl_modules.__main__ import app
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.inference import page, serve
from ser_mtl_modules.inference.clip_picture import attention_between
from ser_mtl_modules.inference.model_card import LIMITS

FILES = {
    "voice.wav": clip(1, 1, 1),
    "other.wav": clip(2, 2, 1),
    "silence.wav": np.zeros(RATE, dtype=np.float32),
    "click.wav": np.ones(100, dtype=np.float32),
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A folder as a page has it, with recordings good and bad."""
    folder = tmp_path_factory.mktemp("page") / "a1b2c3"
    folder.mkdir()
    for name, wave in FILES.items():
        soundfile.write(folder / name, wave, RATE)
    (folder / "bad.wav").write_text("no sound")
    return folder


def test_attention_is_that_of_frames_shared_out_by_time():
    rng = np.random.default_rng(0)
    start = np.sort(rng.uniform(0, 9, 12))
    stop = start + rng.uniform(0.1, 2.0, 12)  # they overlap, and leave gaps
    weights = rng.dirichlet(np.ones(12))
    edges = np.array([0.0, 0.3, 2.0, 5.5, 5.6, 12.0])
    expected = np.zeros(5)
    for a, b, w in zip(start, stop, weights):
        for k in range(5):
            common = min(b, edges[k + 1]) - max(a, edges[k])
            expected[k] += w * max(common, 0) / (b - a)
    shares = attention_between(edges, start, stop, weights)
    np.testing.assert_allclose(shares, expected, atol=1e-12)
    assert shares.sum() == pytest.approx(1)


def test_a_page_shows_what_the_recognizer_says(recognizer, recordings):
    file = recordings / "voice.wav"
    heard = page.hear(recognizer, str(file))
    p, _, _, (name,) = recognizer.classify_file(file)
    assert list(heard.tasks) == [t for t in recognizer.tasks if t != "speaker"]
    emotion = heard.tasks["emotion"]
    assert max(emotion, key=emotion.get) == name
    torch.testing.assert_close(
        torch.tensor(list(emotion.values())), p[0], atol=1e-5, rtol=0
    )
    assert set(heard.tasks["gender"]) == {"F", "M"}
    assert isinstance(heard.tasks["asr"], str) and heard.similarity is None
    assert heard.picture.width > 800 > heard.picture.height


def test_all_attributes_are_shown_by_their_names(
    recognizer, recordings, monkeypatch
):
    describe = recognizer.describe_file
    rated = {"arousal": 4.25, "valence": 1.5, "dominance": 3.0}
    rated = {f"{name}_estimate": value for name, value in rated.items()}
    monkeypatch.setattr(
        recognizer,
        "describe_file",
        lambda *given, **options: {**describe(*given, **options), **rated},
    )
    tasks = [*recognizer.tasks, "attributes"]
    monkeypatch.setattr(recognizer, "tasks", tasks)
    heard = page.hear(recognizer, str(recordings / "voice.wav"))
    said = heard.tasks["attributes"]
    assert said == "arousal 4.25, valence 1.5, dominance 3.0"


def test_a_picture_is_darker_where_attention_is(recognizer, recordings):
    # silence around it is cut away, so nothing is attended to there
    padded = np.pad(FILES["voice.wav"], RATE)
    soundfile.write(recordings / "padded.wav", padded, RATE)
    look = recognizer.describe_file(recordings / "padded.wav", attention=True)
    weights = look["attention"].over_time["pooling"]
    n = len(padded) / RATE
    before, within, after = attention_between(
        [0, 0.8, n - 0.8, n], *look["attention"][:2], weights
    )
    assert within == pytest.approx(1, abs=1e-4)
    assert before == after == 0


def test_a_voice_is_most_like_itself(recognizer, recordings):
    same, other = (
        page.hear(
            recognizer, str(recordings / "voice.wav"), str(recordings / name)
        ).similarity
        for name in ("voice.wav", "other.wav")
    )
    assert other < same == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    "name, message",
    [
        ("bad.wav", "bad.wav: cannot be read as audio"),
        ("click.wav", "click.wav: 6 ms, and a recording of 50 ms"),
        ("silence.wav", "silence.wav: nothing but silence"),
        (None, "Record a clip"),
    ],
)
def test_a_bad_clip_is_a_message_without_folders(
    recognizer, recordings, name, message
):
    with pytest.raises(SerMtlError) as error:
        page.hear(recognizer, name and str(recordings / name))
    assert str(error.value).startswith(message)
    assert str(recordings) not in str(error.value)
    if name:
        with pytest.raises(SerMtlError, match=message):
            page.hear(recognizer, recordings / "voice.wav", recordings / name)


def test_a_long_clip_is_refused_before_it_is_read(
    recognizer, recordings, monkeypatch
):
    monkeypatch.setattr(page, "LONGEST_S", 0.2)
    with pytest.raises(SerMtlError, match="up to 0 s"):
        page.hear(recognizer, recordings / "voice.wav")


def test_a_page_says_what_it_serves(exports, kind, tmp_path):
    facts = page.read_facts(exports[kind])
    assert facts.title.startswith("Emotion from speech: RAVDESS, mtl_f")
    assert "protocol card ravdess-6fold" in facts.run and "seed" in facts.run
    assert "emotion/UA" in facts.details and "Limits" not in facts.details
    (tmp_path / "README.md").write_text("# Mine\n")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SerMtlError, match="not the model card"):
            page.read_facts(folder)


def test_serve_says_what_is_missing(runs, monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    result = CliRunner().invoke(app, ["serve", str(runs["fbank"])])
    with pytest.raises(SerMtlError, match=r"pip install 'ser-mtl\[serve\]'"):
        raise result.exception


# ---- in a browser


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium, where there is one."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.mark.slow
def test_a_browser_drops_clips(
    browser, exports, recordings, tmp_path, monkeypatch
):
    pytest.importorskip("gradio")
    from ser_mtl_modules.inference.recognizer import EmotionRecognizer

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    recognizer = EmotionRecognizer.from_hparams(exports["fbank"])
    gradio = serve.import_gradio()
    blocks = serve.build(gradio, recognizer, "the/run")
    url = serve.start(gradio, blocks, "127.0.0.1", None)
    asked = set()
    try:
        shown = browser.new_page()
        shown.set_default_timeout(60_000)
        shown.on("request", lambda request: asked.add(request.url))
        shown.goto(url)
        shown.get_by_text("ravdess-6fold").first.wait_for()
        assert "the/run" in shown.inner_text("body")
        first_limit = " ".join(LIMITS.split("\n- ")[0][2:].split())
        assert first_limit in " ".join(shown.inner_text("#limits").split())
        drop(shown, recordings / "bad.wav")
        message = shown.locator("#message")
        message.get_by_text("cannot be read as audio").wait_for()
        assert "Traceback" not in shown.inner_text("body")
        shown.get_by_label("Clear").first.click()
        drop(shown, recordings / "voice.wav")
        shown.locator("#picture img").wait_for()
        message.wait_for(state="hidden")
        for name in recognizer.classes:
            assert name in shown.inner_text("body")
    finally:
        blocks.close()
    elsewhere = {urlsplit(u).hostname for u in asked} - {"127.0.0.1", None}
    assert not elsewhere and len(asked) > 3


def drop(shown, file):
    """Gives a page's first field for recordings a file."""
    if not shown.locator("input[type=file]").count():
        shown.get_by_label("Upload file").first.click()
    shown.locator("input[type=file]").first.set_input_files(Path(file))
