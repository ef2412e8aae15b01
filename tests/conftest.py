"""Fixtures that many tests share."""

import pytest
import torch
from hypothesis import settings
from tiny_ravdess import write_corpus

# an example takes as long as the machine's other work lets it
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def tiny_ravdess(tmp_path_factory):
    """The tiny corpus; tests that change it copy it first."""
    return write_corpus(tmp_path_factory.mktemp("corpus") / "RAVDESS")


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory):
    """A folder for each of the small pre-trained models, by name."""
    # here, as transformers takes seconds to import
    from tiny_models import MODELS, write_model

    root = tmp_path_factory.mktemp("models")
    return {name: write_model(name, root / name) for name in MODELS}


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small models gain nothing from more, and lose on a busy machine."""
    torch.set_num_threads(1)
