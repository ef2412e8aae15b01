"""Checkpoints that survive a kill at any instant."""

import logging
import os
import pathlib
import shutil

from speechbrain.utils.checkpoints import (
    METAFNAME,
    Checkpoint,
    Checkpointer,
    get_default_hook,
)
from speechbrain.utils.distributed import (
    MainProcessContext,
    ddp_barrier,
    if_main_process,
)

PARTIAL = "partial"


def sync(path):
    """Flushes a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class CrashSafeCheckpointer(Checkpointer):
    """SpeechBrain's checkpointer, with saves and deletions in one instant each.

    SpeechBrain writes ``CKPT.yaml`` first and in place: a kill inside a save
    leaves a folder that passes for a checkpoint and fails at every restart.
    Here a checkpoint is written under another name, flushed, and renamed; a
    deletion renames first. What a kill leaves behind bears that other name, is
    never loaded, and is removed at the next start. "Latest" is the one that
    trained longest, whatever the clock did.

    Arguments
    ---------
    checkpoints_dir : str or pathlib.Path
        Where checkpoints are.
    recoverables : dict
        What is saved, by name.
    """

    def __init__(self, checkpoints_dir, recoverables=None):
        super().__init__(checkpoints_dir, recoverables)
        if if_main_process():
            for leftover in self.checkpoints_dir.glob(f"{PARTIAL}*"):
                shutil.rmtree(leftover)
        ddp_barrier()

    def save_checkpoint(
        self, meta=None, end_of_epoch=True, name=None, verbosity=logging.DEBUG
    ):
        """As SpeechBrain's, but whole or not at all.

        Arguments
        ---------
        meta : dict, optional
            Goes into the checkpoint's meta file.
        end_of_epoch : bool
            Whether the epoch counter goes on with the next epoch.
        name : str, optional
            Of the checkpoint; by default the time.
        verbosity : int
            Logging level of the message.

        Returns
        -------
        Checkpoint or None
            None where this is not the main process.
        """
        saved = None
        if if_main_process():  # all ranks have the same
            with MainProcessContext():  # hooks would wait for the others
                saved = self._write(meta, end_of_epoch, name, verbosity)
        ddp_barrier()
        return saved

    def _write(self, meta, end_of_epoch, name, verbosity):
        final = (
            self._new_checkpoint_dirpath()
            if name is None
            else self._custom_checkpoint_dirpath(name)
        )
        partial = final.with_name(f"{PARTIAL}+{final.name}")
        partial.mkdir()
        for name, obj in self.recoverables.items():
            save = self.custom_save_hooks.get(name)
            if save is None:
                save = get_default_hook(obj, self._save_hooks())
            if save is None:
                raise RuntimeError(f"{name}: no way to save a {type(obj)}")
            save(obj, partial / f"{name}.ckpt")
        saved_meta = self._save_checkpoint_metafile(
            partial / METAFNAME, dict(meta or {}), end_of_epoch
        )
        for file in partial.iterdir():
            sync(file)
        sync(partial)
        os.rename(partial, final)
        sync(self.checkpoints_dir)
        logging.getLogger(__name__).log(verbosity, f"Saved {final}")
        files = {file.stem: file for file in final.glob("*.ckpt")}
        return Checkpoint(final, saved_meta, files)

    @staticmethod
    def _save_hooks():
        from speechbrain.utils import checkpoints

        return checkpoints.DEFAULT_SAVE_HOOKS

    def keep(self, *importance_keys):
        """Deletes every checkpoint that is first by none of the keys.

        Arguments
        ---------
        *importance_keys : callable
            Of a ``Checkpoint``; the highest value is first.
        """
        if if_main_process():
            found = self.list_checkpoints()
            kept = {
                max(found, key=key).path for key in importance_keys if found
            }
            for checkpoint in found:
                if checkpoint.path not in kept:
                    self._delete(checkpoint.path)
        ddp_barrier()

    @staticmethod
    def _delete(path):
        path = pathlib.Path(path)
        leftover = path.with_name(f"{PARTIAL}+deleted+{path.name}")
        os.rename(path, leftover)
        shutil.rmtree(leftover)


def progress(checkpoint):
    """How far a checkpoint has trained: epoch, then step within the next."""
    return checkpoint.meta["epoch"], checkpoint.meta["step"]
