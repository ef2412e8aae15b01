"""A pre-trained speech model from a folder or from the Hugging Face hub."""

import contextlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModel, FeatureExtractionMixin
from transformers.utils import logging

from ser_mtl_modules.errors import SerMtlError, shortlist

# What transformers raises where files are missing, damaged or don't fit
LOADING_ERRORS = (OSError, ValueError, RuntimeError, KeyError, SafetensorError)


@contextlib.contextmanager
def quiet_transformers():
    """No progress bars, and no reports of weights that nobody asked for."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def first_line(error):
    """The first line of an exception's message, or the name of its class.

    Without the full stop: it stands within a sentence.
    """
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def read_config(source, known):
    """The configuration of a model.

    Arguments
    ---------
    source : str or Path
        A folder, or a name on the hub.
    known : iterable of str
        Values of ``model_type`` that are welcome.

    Returns
    -------
    transformers.PreTrainedConfig
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise SerMtlError(
                f"Encoder {source}: there is no config.json in this folder. "
                "It takes a folder that holds config.json and "
                "model.safetensors, as transformers' save_pretrained writes it."
            )
    elif folder.is_absolute() or str(source).startswith((".", "~")):
        raise SerMtlError(
            f"Encoder {source}: there is no such folder. Give one that holds "
            "config.json and model.safetensors: --ssl_hub=/path/to/folder"
        )
    try:
        # never code that comes with a model
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except LOADING_ERRORS as error:
        if folder.is_dir():
            raise SerMtlError(
                f"Encoder {source}: config.json is of no use: "
                f"{first_line(error)}. Known kinds of model (model_type): "
                f"{', '.join(known)}."
            ) from error
        raise SerMtlError(
            f"Encoder {source}: neither in the local cache nor to be had from "
            "the Hugging Face hub (no network, or no model of that name); "
            "download it where there is a network and give its folder: "
            "--ssl_hub=/path/to/folder"
        ) from error
    if config.model_type not in known:
        raise SerMtlError(
            f"Encoder {source}: a model of the kind '{config.model_type}' "
            f"is not one that is known here: {', '.join(known)}."
        )
    return config


def read_feature_settings(source):
    """What preprocessor_config.json says, or None without such a file.

    Arguments
    ---------
    source : str or Path
        A folder, or a name on the hub.

    Returns
    -------
    dict or None
    """
    try:
        settings, _ = FeatureExtractionMixin.get_feature_extractor_dict(source)
    except OSError:
        return None
    return settings


def load_model(source, parts, pretrained=True):
    """A model with all of its weights, in single precision.

    Arguments
    ---------
    source : str or Path
        A folder, or a name on the hub.
    parts : dict of str to tuple of str
        For each ``model_type`` that is welcome, beginnings of the names of
        weights that have to be there. What else is missing (Whisper's decoder,
        say) doesn't matter.
    pretrained : bool
        False reads no weights: they are on torch's meta device.

    Returns
    -------
    tuple
        The model, in eval mode, and the dict of its feature extractor's
        settings, None where it has none.
    """
    with quiet_transformers():
        config = read_config(source, parts)
        # Whisper's decoder would be built, filled and thrown away; the other
        # models have none and don't look
        config.decoder_layers = 0
        settings = read_feature_settings(source)
        if not pretrained:
            with torch.device("meta"):
                model = AutoModel.from_config(config, dtype=torch.float32)
            return model.eval(), settings
        try:
            model, info = AutoModel.from_pretrained(
                source,
                config=config,
                dtype=torch.float32,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except LOADING_ERRORS as error:
            raise SerMtlError(
                f"Encoder {source}: its weights can't be loaded: "
                f"{first_line(error)}. Download it again, or give another "
                "folder: --ssl_hub=/path/to/folder"
            ) from error
    needed = parts[config.model_type]
    missing = sorted(k for k in info["missing_keys"] if k.startswith(needed))
    if missing:
        raise SerMtlError(
            f"Encoder {source}: {len(missing)} of its weights are not in the "
            "file, and would be random. The file is of another model than "
            "config.json, or is incomplete; download it again. Missing:\n"
            f"{shortlist(missing, 5)}"
        )
    return model, settings
