"""A page for a browser on this machine, made with Gradio.

Nothing leaves the machine: the server listens on this machine's own address,
Gradio's analytics are off, and the page may not ask anyone else for anything.
"""

import contextlib
import os
import sys
import tempfile

from ser_mtl_modules.errors import SerMtlError, import_optional
from ser_mtl_modules.inference.model_card import INTENDED_USE, LIMITS
from ser_mtl_modules.inference.page import hear, read_facts

HERE = ("127.0.0.1", "localhost", "::1")
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
STYLE = """
.gradio-container { max-width: 66rem !important; margin: 0 auto !important; }
#message { border-left: .3rem solid #D55E00; padding: .6rem 1rem;
           background: #D55E0018; border-radius: .3rem; }
#limits { border-left: .3rem solid #0072B2; padding: .2rem 1rem; }
"""
WARNING = (
    "How someone sounds to a model of one corpus, not what they feel. "
    "[What it is not for](#limits)"
)
PICTURE = (
    "The wave is dark where emotion is told from. Strips show where something "
    "of the other tasks comes in, and how much of it is of each task."
)
NAMES = {"asr": "What was said"}  # of tasks; others are called as they are


def serve(recognizer, model, host="127.0.0.1", port=7860):
    """Shows a page until it is interrupted.

    Arguments
    ---------
    recognizer : EmotionRecognizer
        Who hears.
    model : str or Path
        What was opened, a run or an export.
    host : str
        The address to listen on.
    port : int
        Of it.

    Raises
    ------
    SerMtlError
        If Gradio is not installed, or the port is in use.
    """
    gradio = import_gradio()
    if host not in HERE:
        print(
            f"Whoever can reach {host} can use this page, and what they say "
            "comes to this machine.",
            file=sys.stderr,
        )
    # recordings are gone when the page is
    with tempfile.TemporaryDirectory(prefix="ser_mtl_page.") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        blocks = build(gradio, recognizer, model)
        url = start(gradio, blocks, host, port)
        print(f"{url} shows {model}; Ctrl-C ends it.", flush=True)
        blocks.block_thread()


def import_gradio():
    """The package; its analytics are off before it is imported.

    Returns
    -------
    module
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    return import_optional("gradio", "serve", "The page")


def start(gradio, blocks, host, port):
    """Starts the server, in a thread of its own.

    Arguments
    ---------
    gradio : module
        Of `import_gradio`.
    blocks : gradio.Blocks
        The page.
    host, port
        As for `serve`.

    Returns
    -------
    str
        The page's address.
    """
    from starlette.middleware import Middleware  # comes with Gradio

    fonts = {"font": ["system-ui", "sans-serif"], "font_mono": ["monospace"]}
    try:
        _, url, _ = blocks.launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            ssr_mode=False,
            enable_monitoring=False,
            run_history=False,
            footer_links=[],
            # Gradio's own fonts would come from elsewhere
            theme=gradio.themes.Soft(**fonts),
            css=STYLE,
            app_kwargs={"middleware": [Middleware(AskNobodyElse)]},
        )
    except OSError as error:
        raise SerMtlError(
            f"--port {port} of {host} can't be used ({error}). Give another "
            "one, or end what uses it."
        ) from error
    return url


class AskNobodyElse:
    """Tells browsers to get nothing that this server doesn't have.

    Arguments
    ---------
    app : callable
        An ASGI application.
    """

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        """Answers a request, with a policy among the headers."""

        async def send_with_policy(message):
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", POLICY.encode())
                message["headers"] = [*message["headers"], policy]
            await send(message)

        http = scope["type"] == "http"
        await self.app(scope, receive, send_with_policy if http else send)


def build(gradio, recognizer, model):
    """The page.

    Arguments
    ---------
    gradio : module
        Of `import_gradio`.
    recognizer, model
        As for `serve`.

    Returns
    -------
    gradio.Blocks
    """
    facts = read_facts(recognizer.hparams.folder)
    voices = "speaker" in recognizer.tasks
    with gradio.Blocks(
        title=facts.title, analytics_enabled=False, delete_cache=(600, 3600)
    ) as blocks:
        gradio.Markdown(
            f"# {facts.title}\n\n{facts.run}: `{model}`\n\n{WARNING}"
        )
        with gradio.Row():
            with gradio.Column():
                clips = [_audio(gradio, "Record a clip, or drop a file")]
                message = gradio.Markdown(visible=False, elem_id="message")
                others = gradio.Column()
                if voices:
                    with gradio.Accordion("Compare the voice", open=False):
                        clips.append(_audio(gradio, "Another clip"))
                        similarity = gradio.Number(
                            label="Similarity of the two voices, from -1 to 1",
                            precision=2,
                            interactive=False,
                        )
            with gradio.Column():
                answers = _answers(gradio, recognizer, others)
        gradio.Markdown(f"### Where it looks\n\n{PICTURE}")
        picture = gradio.Image(
            show_label=False, interactive=False, buttons=[], elem_id="picture"
        )
        gradio.Markdown(
            f"### What it is for, and what not\n\n{INTENDED_USE}\n\n{LIMITS}",
            elem_id="limits",
        )
        with gradio.Accordion("Training and results", open=False):
            gradio.Markdown(facts.details)
        if voices:
            answers.append(similarity)

        def listen(path, other=None):
            try:
                heard = hear(recognizer, path, other)
            except SerMtlError as error:
                nothing = [None] * (len(answers) + 1)
                return [gradio.Markdown(str(error), visible=True), *nothing]
            shown = [*heard.tasks.values()]
            if voices:
                shown.append(heard.similarity)
            return [gradio.Markdown(visible=False), *shown, heard.picture]

        gradio.on(
            [clip.change for clip in clips],
            listen,
            clips,
            [message, *answers, picture],
            show_progress_on=picture,
            api_visibility="private",
        )
    return blocks


def _audio(gradio, label):
    return gradio.Audio(
        sources=["microphone", "upload"],
        type="filepath",
        label=label,
        buttons=[],
    )


def _answers(gradio, recognizer, others):
    """A widget for each task, in the order of ``Heard.tasks``.

    Emotion's is where it is made; those of other tasks are in a column.
    """
    widgets = []
    for name, task in recognizer.mods["tasks"].items():
        if name == "speaker":
            continue
        label = NAMES.get(name, name.capitalize())
        with others if widgets else contextlib.nullcontext():
            if hasattr(task, "classes"):
                n_classes = len(task.classes)
                widget = gradio.Label(num_top_classes=n_classes, label=label)
            else:
                widget = gradio.Textbox(label=label, interactive=False)
        widgets.append(widget)
    return widgets
