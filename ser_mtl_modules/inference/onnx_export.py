"""A finished run as an ONNX file, which needs neither PyTorch nor this code."""

import contextlib
import functools
import json
import logging
import math

import torch

from ser_mtl_modules import __version__
from ser_mtl_modules.errors import SerMtlError, import_optional
from ser_mtl_modules.inference import safe_folder
from ser_mtl_modules.inference.convolved import by_convolutions
from ser_mtl_modules.inference.export import hearing_window, new_folder
from ser_mtl_modules.inference.model_card import model_card
from ser_mtl_modules.inference.recognizer import SHORTEST_S
from ser_mtl_modules.inference.trained_run import TrainedRun

FILE = "model.onnx"
TOLERANCE = 1e-4  # between probabilities of the run and of the file
CHECKED_S = (0.06, 0.5, 1.2345, 3.0)  # and the longest clip that is heard
USAGE = """
## The ONNX file

`model.onnx` hears a clip, `wave` [1, n_samples] of {sample_rate} Hz and between
{shortest_s} and {window_s} s, as float32 with full scale 1, and gives the
probabilities {outputs}, each [1, n_classes]. Its metadata has `classes` (JSON, in
the order of the probabilities), `sample_rate`, `window_s`, `overlap_s`, and
`trim`, by which silence at a clip's ends was cut away before the clip was heard
in training, and has to be here: {trim}.
It was compared with the run on clips of 60 ms to {window_s} s: no probability
differs by more than {tolerance}.

"""


class Probabilities(torch.nn.Module):
    """From one clip without padding to the probabilities of classes.

    Arguments
    ---------
    model : SpeechModel
        What a run has trained.
    views : list of callable
        Forms of the clip; probabilities are means over them.
    tasks : list of str
        Names of classifications.
    """

    def __init__(self, model, views, tasks):
        super().__init__()
        self.model = model
        self.views = views
        self.tasks = tasks

    def forward(self, wave):
        """Probabilities [1, C] for each task, of a wave [1, N]."""
        rows = []
        for view in self.views:
            heard = view(wave[0], "")[None]
            said = self.model(heard, heard.new_ones(1), self.tasks)
            rows.append([said[t].logits.float().softmax(1) for t in self.tasks])
        return tuple(sum(of_task) / len(rows) for of_task in zip(*rows))


def export_onnx(run, folder, ssl_hub=None):
    """Writes a finished run as ``model.onnx`` and its model card.

    The file tells classes apart (emotion, and gender and style where they were
    learned), and has neither speaker nor transcript. It is compared with the
    run, at lengths other than the one that was traced, before it is there.

    Arguments
    ---------
    run, folder, ssl_hub
        As for ``export_run``.

    Raises
    ------
    SerMtlError
        If ONNX is not installed, the run is not finished or can't be said in
        ONNX, the folder is in use, or the file doesn't say what the run says.
    """
    onnxruntime = import_onnx()
    with new_folder(folder) as written:
        trained = TrainedRun(run, ssl_hub=ssl_hub)
        tasks = {
            name: list(task.classes)
            for name, task in trained.model.tasks.items()
            if hasattr(task, "classes")
        }
        views = trained.signal.views["test"]
        window_s, overlap_s = hearing_window(trained)
        module = Probabilities(trained.model, views, list(tasks)).eval()
        program = trace(module, trained.sample_rate, window_s)
        facts = {
            "classes": json.dumps(tasks),
            "sample_rate": str(trained.sample_rate),
            "window_s": str(window_s),
            "overlap_s": str(overlap_s),
            "trim": _trim(trained.signal),
            "made_by": f"ser-mtl {__version__}",
            **{
                name: str(trained.results[name])
                for name in ("recipe", "yaml", "card", "fold", "seed")
            },
            "checksums": json.dumps(trained.results["checksums"]),
        }
        program.model.metadata_props.update(facts)
        program.save(written / FILE)
        lengths = [s for s in CHECKED_S if s < window_s] + [window_s]
        _compare(onnxruntime, written / FILE, trained, tasks, lengths)
        card = model_card(trained, window_s, overlap_s)
        usage = USAGE.format(
            outputs=" and ".join(f"`{name}`" for name in tasks),
            shortest_s=SHORTEST_S,
            tolerance=TOLERANCE,
            **facts,
        )
        card = card.replace("\n## Training\n", f"{usage}## Training\n", 1)
        (written / safe_folder.CARD).write_text(card, encoding="utf-8")


def import_onnx():
    """What writes ONNX files has to be there, and what runs them.

    Returns
    -------
    module
        onnxruntime.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        module = import_optional(package, "onnx", "--format onnx")
    return module


def _trim(signal):
    """How the clips of training were trimmed, in words."""
    trim = getattr(signal, "waves", signal).trim
    if isinstance(trim, functools.partial):
        settings = ", ".join(f"{k}={v}" for k, v in trim.keywords.items())
        return f"{trim.func.__module__}.{trim.func.__name__}({settings})"
    return f"{trim.__module__}.{trim.__name__}()"


def trace(module, sample_rate, longest_s):
    """The ONNX program of a module that hears clips of any length.

    Arguments
    ---------
    module : Probabilities
        On the CPU.
    sample_rate : int
        In Hz.
    longest_s : float
        Of clips, in seconds.

    Returns
    -------
    torch.onnx.ONNXProgram

    Raises
    ------
    SerMtlError
        If something in it can't be said in ONNX.
    """
    longest = math.floor(longest_s * sample_rate)
    shortest = math.ceil(SHORTEST_S * sample_rate)
    n_samples = torch.export.Dim("n_samples", min=shortest, max=longest)
    wave = torch.zeros(1, min(sample_rate, longest - 1))
    try:
        with torch.no_grad(), by_convolutions(), _no_fast_attention(), _quiet():
            return torch.onnx.export(
                module,
                (wave,),
                input_names=["wave"],
                output_names=module.tasks,
                dynamic_shapes=({1: n_samples},),
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # whatever the exporter may stumble over
        raise SerMtlError(
            f"This model can't be said in ONNX ({type(error).__name__}). "
            "`python -m ser_mtl_modules export RUN FOLDER` without "
            "--format onnx works for every run."
        ) from error


@contextlib.contextmanager
def _no_fast_attention():
    """torch's own operator for attention in evaluation is not ONNX's."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextlib.contextmanager
def _quiet():
    """The exporter tells of packages that it doesn't need."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _compare(onnxruntime, path, trained, tasks, lengths_s):
    """Raises if the file does not say what the run says."""
    session = onnxruntime.InferenceSession(
        path, providers=["CPUExecutionProvider"]
    )
    rng = torch.Generator().manual_seed(0)
    for seconds in lengths_s:
        n_samples = math.floor(seconds * trained.sample_rate)
        wave = 0.1 * torch.randn(n_samples, generator=rng)
        found = session.run(list(tasks), {"wave": wave[None].numpy()})
        said = trained.answers(wave)
        for (name, classes), row in zip(tasks.items(), found):
            prefix = trained.model.tasks[name].prefix
            for label, p in zip(classes, row[0]):
                expected = said[f"{prefix}p_{label}"]
                if not abs(expected - p) <= TOLERANCE:
                    raise SerMtlError(
                        f"{trained.folder}: the ONNX file says {p} for {name} "
                        f"{label} of {seconds} s of noise, and the run "
                        f"{expected}. It was not written; this is a mistake "
                        "of ours to report."
                    )
