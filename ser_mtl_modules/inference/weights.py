"""Weights as safetensors: numbers and nothing else, so nothing to run."""

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from ser_mtl_modules.errors import SerMtlError


def save_weights(path, state):
    """Writes tensors by name.

    Arguments
    ---------
    path : str or Path
        The file.
    state : dict of str to torch.Tensor
        As of ``state_dict``.
    """
    save_file(
        {name: tensor.contiguous().cpu() for name, tensor in state.items()},
        path,
        metadata={"format": "pt"},
    )


def load_weights(module, path):
    """Gives a module all of its weights; a hook for SpeechBrain's Pretrainer.

    The module takes over the tensors that are read: what is on torch's meta
    device gets real, and nothing is copied.

    Arguments
    ---------
    module : torch.nn.Module
        Has the names and shapes of the file, no more and no fewer.
    path : str or Path
        A safetensors file.

    Raises
    ------
    SerMtlError
        If the file is damaged, or of another model.
    """
    expected = {name: t.dtype for name, t in module.state_dict().items()}
    try:
        tensors = load_file(path)
        for name, tensor in tensors.items():
            _check_tensor(name, tensor, expected, path)
        module.load_state_dict(tensors, assign=True)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise SerMtlError(
            f"{path}: not the weights of the model that hyperparams.yaml "
            f"describes: {str(error)[:500]}\nExport the run again, or get "
            "the folder again."
        ) from error


def _check_tensor(name, tensor, expected, path):
    if name in expected and tensor.dtype != expected[name]:
        raise SerMtlError(
            f"{path}: {name} is of {tensor.dtype}, expected {expected[name]}. "
            "Export the run again, or get the folder again."
        )
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise SerMtlError(
            f"{path}: {name} has numbers that are NaN or infinite, and so "
            "would all answers be. Export the run again, or get the folder "
            "again."
        )


def read_header(path):
    """The largest dimension of the tensors of a file, and how many there are.

    Arguments
    ---------
    path : str or Path
        A safetensors file. Its header is held against the size of the file;
        no tensor is read.

    Returns
    -------
    tuple of int

    Example
    -------
    >>> path = getfixture("tmp_path") / "model.safetensors"
    >>> save_weights(path, torch.nn.Linear(3, 5).state_dict())
    >>> read_header(path)
    (5, 2)
    """
    try:
        with safe_open(path, "pt") as file:
            shapes = [file.get_slice(n).get_shape() for n in file.keys()]
    except (SafetensorError, OSError) as error:
        raise SerMtlError(
            f"{path}: no safetensors file, or a damaged one ({error}). "
            "Weights in other formats, which can run code when they are "
            "loaded, are not read. Get the folder again."
        ) from error
    return max((d for shape in shapes for d in shape), default=0), len(shapes)
