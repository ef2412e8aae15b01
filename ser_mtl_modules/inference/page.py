"""What a page shows of a model and of a recording; ``serve.py`` draws it."""

import io
import re
from pathlib import Path
from typing import NamedTuple

import PIL.Image

from ser_mtl_modules.dataio.audio import inspect_header
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.inference import safe_folder
from ser_mtl_modules.inference.clip_picture import plot_clip
from ser_mtl_modules.inference.predict import columns_of

LONGEST_S = 300.0  # a page is to answer soon


class Heard(NamedTuple):
    """What is shown of a recording."""

    # by task: probabilities by class, or text (what was said, attributes)
    tasks: dict
    similarity: float | None  # of two voices, from -1 to 1
    picture: PIL.Image.Image  # of the wave, coloured by attention


def hear(recognizer, path, other=None):
    """What a model says of a recording.

    Arguments
    ---------
    recognizer : EmotionRecognizer
        Who hears.
    path : str or None
        The recording; None where there is none yet.
    other : str, optional
        A recording whose voice is compared with it.

    Returns
    -------
    Heard

    Raises
    ------
    SerMtlError
        With a message for the page: recordings are called by their names, as
        nobody knows the folder where a page keeps them.
    """
    if path is None:
        raise SerMtlError("Record a clip, or drop a file.")
    wave = _read(recognizer, path)
    said = _named(recognizer.describe_file, path, attention=True)
    tasks = {}
    for task in recognizer.tasks:
        if task == "speaker":
            continue
        columns = columns_of(said, [task])
        if task in columns:
            # probabilities, which follow the class, where there are such
            tasks[task] = list(columns.values())[-1]
        else:  # numbers that have names of their own: attributes
            tasks[task] = ", ".join(f"{k} {v}" for k, v in columns.items())
    similarity = None
    if other is not None:
        _read(recognizer, other)
        voice = _named(recognizer.describe_file, other)["embedding"]
        similarity = float(said["embedding"] @ voice)
    picture = io.BytesIO()
    rate = recognizer.hparams.sample_rate
    plot_clip(picture, wave.numpy(), rate, said["attention"])
    return Heard(tasks, similarity, PIL.Image.open(picture))


def _read(recognizer, path):
    """The wave of a recording that is to be heard."""
    name = Path(path).name
    duration = _named(inspect_header, path).duration
    if duration > LONGEST_S:
        raise SerMtlError(
            f"{name}: {duration:.0f} s, and this page hears up to "
            f"{LONGEST_S:.0f} s. `python -m ser_mtl_modules predict` hears "
            "recordings of any length."
        )
    wave = _named(recognizer.load_audio, path)
    if not wave.any():
        raise SerMtlError(f"{name}: nothing but silence. Is the microphone on?")
    return wave


def _named(function, path, **options):
    """What a function says of a file; its error names the file alone."""
    try:
        return function(path, **options)
    except SerMtlError as error:
        message = str(error).replace(str(path), Path(path).name)
        raise SerMtlError(message) from error


class Facts(NamedTuple):
    """What a page says of its model."""

    title: str
    run: str  # card, fold and seed, in a line
    details: str  # training and results, Markdown


def read_facts(folder):
    """What a model's card says of it.

    Arguments
    ---------
    folder : str or Path
        An export, with the README.md that ``model_card`` writes.

    Returns
    -------
    Facts

    Raises
    ------
    SerMtlError
        If there is no README.md, or another one.
    """
    path = Path(folder) / safe_folder.CARD
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        text = ""
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    details = re.search(
        r"^## Training$.*?(?=^## Intended use$)", text, re.S | re.M
    )
    facts = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", text, re.MULTILINE))
    names = ("protocol card", "fold", "seed")
    if not title or not details or not set(names) <= set(facts):
        raise SerMtlError(
            f"{path}: not the model card that an export has, so a page could "
            "not say what it serves. Export the run again, or get the folder "
            "again."
        )
    run = ", ".join(f"{name} {facts[name]}" for name in names)
    return Facts(title[1], run, details[0].strip())
