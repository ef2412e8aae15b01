"""Fixtures that many tests share."""

import functools

import pytest
import torch
from hypothesis import settings
from tiny_ravdess import without_pictures, write_corpus

from speechbrain.utils import logger

# an example takes as long as the machine's other work lets it
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def pytest_collection_modifyitems(items):
    """Files with slow tests first, so that no process is left with one.

    By itself xdist begins with files of many tests; slow ones have few.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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


@pytest.fixture(scope="module")
def no_pictures():
    """Of the runs of a file."""
    with without_pictures():
        yield


@pytest.fixture(autouse=True, scope="session")
def one_list_of_packages():
    """It is in the files of every run, takes a second, and stays the same."""
    describe = functools.cache(logger.get_environment_description)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logger, "get_environment_description", describe)
        yield


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Small models gain nothing from more, and lose on a busy machine."""
    torch.set_num_threads(1)
