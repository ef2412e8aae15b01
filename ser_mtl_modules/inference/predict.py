"""Answers about many recordings, one after the other, as they come."""

import contextlib
import csv
import json
import sys
import tempfile
from pathlib import Path

import soundfile
from tqdm import tqdm

from ser_mtl_modules.errors import SerMtlError, nearest
from ser_mtl_modules.inference.export import export_run
from ser_mtl_modules.inference.recognizer import EmotionRecognizer
from ser_mtl_modules.tasks.attributes import ATTRIBUTES

# Endings of what libsndfile reads; .raw has no header to say what it is
ENDINGS = {f".{name.lower()}" for name in soundfile.available_formats()}
ENDINGS = ENDINGS - {".raw"} | {".aif", ".aiff", ".mp3", ".oga", ".opus"}


@contextlib.contextmanager
def opened(model, device="cpu", trust=False):
    """The recognizer of an export or, exported for the time being, of a run.

    Arguments
    ---------
    model : str or Path
        The folder.
    device : str
        Where to compute.
    trust : bool
        As for ``EmotionRecognizer.from_hparams``. A run is trusted: its own
        YAML is built anyway.

    Yields
    ------
    EmotionRecognizer
    """
    with tempfile.TemporaryDirectory() as folder:
        if (Path(model) / "results.json").exists():
            export_run(model, Path(folder) / "export")
            model, trust = Path(folder) / "export", True
        yield EmotionRecognizer.from_hparams(
            model, trust=trust, run_opts={"device": device}
        )


def predict_files(recognizer, paths, tasks, format):
    """Prints what is heard in each recording as soon as it is.

    Arguments
    ---------
    recognizer : EmotionRecognizer
        Who hears.
    paths : list of Path
        Files, and folders, of which all recordings below are heard.
    tasks : list of str
        What is wanted, of the recognizer's tasks.
    format : str
        ``table``, ``csv``, or ``json``, one object a line.

    Returns
    -------
    int
        Recordings that could not be heard; each one is named on stderr.
    """
    _check(recognizer, tasks, format)
    write = {"table": _Table, "csv": _Csv, "json": _Json}[format]()
    files, n_bad = list(_recordings(paths)), 0
    # disable=None: no bar where stderr is a file
    for path in tqdm(files, unit="file", file=sys.stderr, disable=None):
        try:
            if path.is_dir():
                raise SerMtlError(f"{path}: there is no recording below.")
            said = recognizer.describe_file(path)
        except SerMtlError as error:
            n_bad += 1
            tqdm.write(f"Skipped: {error}", file=sys.stderr)
            continue
        with tqdm.external_write_mode(file=sys.stdout):
            write({"file": str(path), **columns_of(said, tasks)})
            sys.stdout.flush()
    if n_bad:
        print(f"{n_bad} of {len(files)} skipped.", file=sys.stderr)
    return n_bad


def _check(recognizer, tasks, format):
    for name in tasks:
        if name not in recognizer.tasks:
            raise SerMtlError(
                f"--tasks: the model has no task '{name}'. "
                + nearest(name, recognizer.tasks)
            )
    if "speaker" in tasks and format != "json":
        raise SerMtlError(
            "--tasks: the speaker is an embedding, which has no place in a "
            "table; --format json has it."
        )


def _recordings(paths):
    """Files, those in folders sorted; a folder without any as itself."""
    for path in paths:
        found = [path]
        if path.is_dir():
            found = sorted(
                file
                for file in path.rglob("*")
                if file.suffix.lower() in ENDINGS and file.is_file()
            )
        yield from found or [path]


def columns_of(said, tasks):
    """What is said of a recording, by the names of tasks.

    Arguments
    ---------
    said : dict
        Of ``EmotionRecognizer.describe_file``.
    tasks : list of str
        What is wanted of it.

    Returns
    -------
    dict
        Of a classification the class, under the task's name, and behind it the
        probabilities of all classes, a dict (``p`` of emotion, ``gender_p`` of
        gender); of ``asr`` the text, of ``speaker`` the embedding, a list; of
        ``attributes`` a number for each, by its name, on the raters' scale.

    Example
    -------
    >>> columns_of(
    ...     {"prediction": "sad", "p_sad": 0.9, "p_calm": 0.1}, ["emotion"]
    ... )
    {'emotion': 'sad', 'p': {'sad': 0.9, 'calm': 0.1}}
    """
    columns = {}
    for task in tasks:
        if task == "speaker":
            columns["speaker"] = said["embedding"].tolist()
        elif task == "asr":
            columns["asr"] = said["hypothesis"]
        elif task == "attributes":
            for name in ATTRIBUTES:
                columns[name] = round(said[f"{name}_estimate"], 2)
        else:
            prefix = "" if task == "emotion" else f"{task}_"
            columns[task] = said[f"{prefix}prediction"]
            start = f"{prefix}p_"
            columns[f"{prefix}p"] = {
                name[len(start) :]: round(value, 6)
                for name, value in said.items()
                if name.startswith(start)
            }
    return columns


class _Json:
    def __call__(self, row):
        print(json.dumps(row, ensure_ascii=False))


class _Csv:
    """A column for each probability."""

    def __init__(self):
        self.writer = csv.writer(sys.stdout, lineterminator="\n")
        self.names = None

    def __call__(self, row):
        flat = {}
        for name, value in row.items():
            if isinstance(value, dict):
                flat.update({f"{name}_{k}": v for k, v in value.items()})
            else:
                flat[name] = value
        if self.names is None:
            self.names = list(flat)
            self.writer.writerow(self.names)
        self.writer.writerow(flat.values())


class _Table:
    """A line for each recording; the probability is that of the class."""

    def __init__(self):
        self.started = False

    def __call__(self, row):
        columns, previous = {}, None
        for name, value in row.items():
            if isinstance(value, dict):
                columns[previous] += f" {100 * value[row[previous]]:.0f} %"
            else:
                columns[name], previous = value, name
        if not self.started:
            self.started = True
            self._line(columns, columns)
        self._line(columns, columns.values())

    @staticmethod
    def _line(columns, values):
        widths = [40 if name == "file" else 18 for name in columns]
        cells = [f"{v:<{w}}" for v, w in zip(values, widths)]
        print("  ".join(cells).rstrip())
