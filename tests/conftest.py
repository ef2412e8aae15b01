"""Fixtures that many tests share."""

import pytest
from tiny_ravdess import write_corpus


@pytest.fixture(scope="session")
def tiny_ravdess(tmp_path_factory):
    """The tiny corpus; tests that change it copy it first."""
    return write_corpus(tmp_path_factory.mktemp("corpus") / "RAVDESS")
