"""The folder of an export, checked before anything of it is loaded."""

import json
import os
import stat
from pathlib import Path

from ser_mtl_modules.errors import SerMtlError, shortlist
from ser_mtl_modules.inference.safe_yaml import check_yaml
from ser_mtl_modules.inference.weights import read_header

YAML = "hyperparams.yaml"
WEIGHTS = "model.safetensors"
LABELS = "label_encoder.txt"
CARD = "README.md"
CONFIG = "encoder/config.json"
FEATURES = "encoder/preprocessor_config.json"
READ = (YAML, WEIGHTS, LABELS, CARD, CONFIG, FEATURES)
ENCODER_FILES = {Path(CONFIG).name, Path(FEATURES).name}

# Strings that a model's settings may hold; all else are numbers, or lists of
# them. What is not here could name code (auto_map), a repository to get it
# from (_name_or_path, attn_implementation), or a library (quantization_config).
WORDS = {
    "model_type": {
        "data2vec-audio",
        "hubert",
        "wav2vec2",
        "wavlm",
        "whisper",
    },
    **dict.fromkeys(
        ("activation_function", "feat_extract_activation", "hidden_act"),
        {"gelu", "gelu_new", "relu", "silu"},
    ),
    "feat_extract_norm": {"group", "layer"},
    "feature_extractor_type": {
        "Wav2Vec2FeatureExtractor",
        "WhisperFeatureExtractor",
    },
    "padding_side": {"left", "right"},
}
MOST = {  # of a number in the settings; others are sizes that weights have
    "feature_size": 1024,
    "n_fft": 65_536,
}
LARGEST = 1_000_000


def check_folder(folder, yaml=YAML):
    """Refuses a folder that is not what `export_run` would have written.

    Further files beside those of an export are never read, and don't matter.

    Arguments
    ---------
    folder : str or Path
        An export.
    yaml : str
        The name of its hyperparameters.

    Raises
    ------
    SerMtlError
        If loading could do anything but build one of our models and fill it
        with numbers.
    """
    folder = Path(folder).absolute()
    if Path(yaml).name != yaml:
        raise SerMtlError(
            f"{yaml}: expected the name of a file in {folder}, such as {YAML}."
        )
    _check_files(folder, yaml)
    largest, n_tensors = read_header(folder / WEIGHTS)
    try:
        text = (folder / yaml).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SerMtlError(f"{folder / yaml}: not a text in UTF-8: {error}.")
    classes = check_yaml(text, folder / yaml, largest, n_tensors)
    _check_labels(folder / LABELS, classes)
    for name in (CONFIG, FEATURES):
        if (folder / name).exists():
            _check_settings(folder / name, n_tensors)


def _check_files(folder, yaml):
    """All that is read is a plain file of the folder itself."""
    for name in (yaml, WEIGHTS, LABELS):
        if not os.path.lexists(folder / name):
            raise SerMtlError(
                f"{folder}: there is no {name}. Expected a folder that "
                "`python -m ser_mtl_modules export RUN FOLDER` has written."
            )
    root = folder.resolve()
    for path in (folder / n for n in (yaml, WEIGHTS, LABELS, "encoder")):
        if os.path.lexists(path):
            _check_place(path, root)
    encoder = folder / "encoder"
    if encoder.is_dir():
        names = {path.name for path in encoder.iterdir()}
        if names - ENCODER_FILES:
            raise SerMtlError(
                f"{encoder}: holds more than the settings of an encoder:\n"
                f"{shortlist(sorted(names - ENCODER_FILES), 5)}\n"
                f"Expected {' and '.join(sorted(ENCODER_FILES))}. Remove it, "
                "if you know what it is."
            )
        for name in names:
            _check_place(encoder / name, root)


def _check_place(path, root):
    found = Path(os.path.realpath(path))  # of a loop it gives the link itself
    if not found.is_relative_to(root):
        raise SerMtlError(
            f"{path}: a link out of the folder, to {found}. Expected a folder "
            "that has all of its files; copy the file there if it is yours."
        )
    mode = found.lstat().st_mode if os.path.lexists(found) else 0
    kind = stat.S_ISDIR if path.name == "encoder" else stat.S_ISREG
    if not kind(mode):
        raise SerMtlError(
            f"{path}: neither a file nor a folder, or one in place of the "
            "other. Get the folder again."
        )


def _check_labels(path, classes):
    """The file of labels is of the YAML's classes, in their order."""
    known = [f"{name!r} => {i}" for i, name in enumerate(classes)]
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise SerMtlError(f"{path}: not a text in UTF-8: {error}.") from error
    if lines[: len(known)] != known or "=>" in "".join(lines[len(known) :][:1]):
        raise SerMtlError(
            f"{path}: other classes than those of {YAML}, or in another "
            f"order; expected {', '.join(classes)}. Export the run again, or "
            "get the folder again."
        )


def _check_settings(path, n_tensors):
    if path.stat().st_size > 100_000:
        raise SerMtlError(f"{path}: too long for the settings of an encoder.")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise SerMtlError(f"{path}: not readable as JSON ({error}).") from error
    if not isinstance(settings, dict):
        raise SerMtlError(f"{path}: no mapping of settings to values.")
    for key, value in settings.items():
        most = MOST.get(key, LARGEST)
        if key.endswith("layers"):
            most = n_tensors
        if not is_harmless(key, value, most):
            raise SerMtlError(
                f"{path}: {key}: {str(value)[:80]!r}. The settings of an "
                "encoder in an export are numbers in reasonable bounds, and "
                f"these words: {', '.join(sorted(WORDS))}. If you know who "
                "wrote it, and trust them as you trust a program of theirs: "
                "trust=True (--trust)."
            )


def is_harmless(key, value, most=LARGEST):
    """Whether a setting of an encoder can do nothing but size it.

    Arguments
    ---------
    key : str
        Its name.
    value : object
        What is said in JSON.
    most : int
        How large a number may be.

    Returns
    -------
    bool

    Example
    -------
    >>> is_harmless("d_model", 512), is_harmless("hidden_act", "gelu")
    (True, True)
    >>> is_harmless("attn_implementation", "someone/kernel")
    False
    """
    if not key.isidentifier() or key.startswith("_"):
        return False
    if isinstance(value, list):
        return len(value) <= 100 and all(
            isinstance(v, (int, float)) and abs(v) <= most for v in value
        )
    if isinstance(value, (int, float)):
        return abs(value) <= most
    if isinstance(value, str):
        return value in WORDS.get(key, ())
    return value is None
