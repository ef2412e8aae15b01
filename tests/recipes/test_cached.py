"""The recipe on levels that are computed once."""

import json

import pytest
import torch
import train
from fake_encoders import FakeEncoder
from tiny_ravdess import AS_IS, SLOW, cached_arguments, predictions, scores

from ser_mtl_modules.dataio import level_file
from ser_mtl_modules.training.results import read_run

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture(scope="module", params=["all", 1])
def finished(request, tiny_ravdess, tmp_path_factory):
    """A run's folder."""
    folder = tmp_path_factory.mktemp("cached") / "finished"
    train.main(cached_arguments(tiny_ravdess, folder, request.param))
    return folder, request.param


def test_the_tasks_are_trained_and_scored(finished):
    finished, _ = finished
    assert set(scores(finished)) == {"emotion", "gender"}
    history = json.loads((finished / "history.json").read_text())
    # on valid: in two epochs of train, what is dropped out decides
    assert history[1]["valid"]["emotion"] < history[0]["valid"]["emotion"]


def test_a_second_run_is_the_same_and_computes_nothing(finished, tiny_ravdess):
    finished, freeze = finished
    FakeEncoder.built = 0
    FakeEncoder.encoded.clear()
    again = finished.parent / "again"
    train.main(cached_arguments(tiny_ravdess, again, freeze))
    assert predictions(again) == predictions(finished)
    assert not FakeEncoder.encoded
    assert (FakeEncoder.built == 0) == (freeze == "all")


def test_answers_are_averaged_over_the_views_of_test(finished, tiny_ravdess):
    finished, freeze = finished
    found = {"as-is": read_run(finished).rows}
    trained = [f"--save_folder={finished / 'save'}"]
    for name, heard in [("slow", SLOW), ("both", f"{AS_IS}, {SLOW}")]:
        folder = finished.parent / name
        train.main(
            cached_arguments(
                tiny_ravdess, folder, freeze, heard=heard, more=trained
            )
        )
        assert not (folder / "train_log.txt").exists()  # asked, not trained
        found[name] = read_run(folder).rows
    for as_is, slow, both in zip(
        found["as-is"], found["slow"], found["both"], strict=True
    ):
        assert as_is["ID"] == slow["ID"] == both["ID"]
        for name in both:
            if "p_" in name:
                mean = (float(as_is[name]) + float(slow[name])) / 2
                assert float(both[name]) == pytest.approx(mean, abs=1e-6)
    assert found["as-is"] != found["slow"]


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def test_a_run_killed_in_the_preparation_ends_as_one_that_was_not(
    finished, tiny_ravdess, monkeypatch
):
    finished, freeze = finished
    original, calls = level_file._write_all, []

    def killed(file, content):
        calls.append(1)
        if len(calls) == 99:
            raise Killed
        original(file, content)

    command = cached_arguments(
        tiny_ravdess, finished.parent / "killed", freeze, "others"
    )
    monkeypatch.setattr(level_file, "_write_all", killed)
    with pytest.raises(Killed):
        train.main(command)
    train.main(command)
    assert predictions(finished.parent / "killed") == predictions(finished)


def test_a_checkpoint_holds_what_is_trained_and_no_frozen_weight(finished):
    finished, freeze = finished
    (path, *_) = (finished / "save").glob("*/encoder.ckpt")
    held = torch.load(path, weights_only=True)
    trained = ["trained.above.weight", "trained.above.bias"]
    assert list(held) == ([] if freeze == "all" else trained)
    assert "empty state_dict" not in (finished / "log.txt").read_text()
