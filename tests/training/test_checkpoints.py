"""Checkpoints are whole or absent, whatever happens in between."""

import os

import pytest
import torch

from ser_mtl_modules.training import checkpoints
from ser_mtl_modules.training.checkpoints import CrashSafeCheckpointer, progress


class Killed(BaseException):
    pass


@pytest.fixture
def layer():
    return torch.nn.Linear(2, 2)


def save(folder, layer, epoch, **meta):
    checkpointer = CrashSafeCheckpointer(folder, {"layer": layer})
    return checkpointer.save_checkpoint({"epoch": epoch, "step": 0, **meta})


def test_the_latest_is_loaded(tmp_path, layer):
    for epoch in (1, 2):
        layer.weight.data.fill_(epoch)
        save(tmp_path, layer, epoch)
    layer.weight.data.zero_()
    checkpointer = CrashSafeCheckpointer(tmp_path, {"layer": layer})
    checkpointer.recover_if_possible(importance_key=progress)
    assert (layer.weight == 2).all()


@pytest.mark.parametrize("call", range(1, 6))
def test_a_kill_inside_a_save_leaves_the_one_before(
    tmp_path, layer, monkeypatch, call
):
    layer.weight.data.fill_(1)
    save(tmp_path, layer, 1)
    layer.weight.data.fill_(2)
    calls = []

    def dies(original):
        def wrapped(*args):
            calls.append(1)
            if len(calls) == call:
                raise Killed
            return original(*args)

        return wrapped

    monkeypatch.setattr(checkpoints, "sync", dies(checkpoints.sync))
    monkeypatch.setattr(os, "rename", dies(os.rename))
    with pytest.raises(Killed):
        save(tmp_path, layer, 2)
    monkeypatch.undo()
    checkpointer = CrashSafeCheckpointer(tmp_path, {"layer": layer})
    found = checkpointer.recover_if_possible(importance_key=progress)
    # the fifth call comes after the rename: then it counts
    assert found.meta["epoch"] == (2 if call == 5 else 1)
    assert (layer.weight == found.meta["epoch"]).all()
    assert len(list(tmp_path.iterdir())) == found.meta["epoch"]


def test_speechbrains_own_checkpointer_does_not_survive_that(tmp_path, layer):
    # why this class is here: a folder with nothing but its meta file
    from speechbrain.utils.checkpoints import Checkpointer

    theirs = Checkpointer(tmp_path, {"layer": layer})
    theirs.add_recoverable("layer", layer, custom_save_hook=_die)
    with pytest.raises(Killed):
        theirs.save_checkpoint()
    with pytest.raises((RuntimeError, KeyError), match="layer"):
        Checkpointer(tmp_path, {"layer": layer}).recover_if_possible()


def _die(obj, path):
    raise Killed


def test_keep_deletes_what_no_key_puts_first(tmp_path, layer):
    for epoch, score in enumerate([0.3, 0.9, 0.5, 0.4], start=1):
        save(tmp_path, layer, epoch, score=score)
    checkpointer = CrashSafeCheckpointer(tmp_path, {"layer": layer})
    checkpointer.keep(progress, lambda c: c.meta["score"])
    left = {c.meta["epoch"] for c in checkpointer.list_checkpoints()}
    assert left == {2, 4}
    assert len(list(tmp_path.iterdir())) == 2


def test_a_kill_inside_a_deletion_leaves_no_half_checkpoint(
    tmp_path, layer, monkeypatch
):
    save(tmp_path, layer, 1)
    save(tmp_path, layer, 2)

    def dies(path):
        next(path.iterdir()).unlink()
        raise Killed

    monkeypatch.setattr(checkpoints.shutil, "rmtree", dies)
    checkpointer = CrashSafeCheckpointer(tmp_path, {"layer": layer})
    with pytest.raises(Killed):
        checkpointer.keep(progress)
    monkeypatch.undo()
    checkpointer = CrashSafeCheckpointer(tmp_path, {"layer": layer})
    assert [c.meta["epoch"] for c in checkpointer.list_checkpoints()] == [2]
    assert len(list(tmp_path.iterdir())) == 1
