"""Two finished runs and their exports."""

import pytest
import train
from tiny_ravdess import AS_IS, SLOW, arguments, without_pictures, write_corpus

from ser_mtl_modules.dataio.audio_shards import pack
from ser_mtl_modules.dataio.manifest import read_manifest
from ser_mtl_modules.inference.export import export_run
from ser_mtl_modules.inference.recognizer import EmotionRecognizer

KINDS = ["fbank", "frozen"]
SHARDS = "!new:ser_mtl_modules.dataio.audio_shards.AudioShards"


@pytest.fixture(scope="session")
def runs(tmp_path_factory, tiny_models):
    """By kind: a run from log-mels, one on a frozen Whisper in two views.

    The first reads its clips from shards, which the second has no need of.
    """
    folder = tmp_path_factory.mktemp("inference")
    corpus = write_corpus(folder / "RAVDESS", n_emotions=2)
    with without_pictures():
        train.main(
            arguments(
                corpus,
                folder / "frozen",
                f"--ssl_hub={tiny_models['whisper']}",
                f"--signal={{folder: {folder / 'features'}, "
                f"views: [{AS_IS}], test_views: [{AS_IS}, {SLOW}]}}",
                yaml="mtl_frozen.yaml",
            )
        )
        manifest = read_manifest(folder / "manifest.csv", corpus)
        pack(manifest, corpus, folder / "shards", shard_bytes=10**5)
        shards = (
            f"{SHARDS} {{folder: {folder / 'shards'}, data_folder: {corpus}}}"
        )
        train.main(
            arguments(
                corpus, folder / "fbank", f"--signal={{shards: {shards}}}"
            )
        )
    return {kind: folder / kind for kind in KINDS}


@pytest.fixture(scope="session")
def exports(runs):
    """The exports' folders by kind; tests that change one copy it first."""
    folders = {}
    for kind, run in runs.items():
        folders[kind] = run.parent / "exports" / kind
        export_run(run, folders[kind])
    return folders


@pytest.fixture(scope="session", params=KINDS)
def kind(request):
    """Of a run."""
    return request.param


@pytest.fixture(scope="session")
def recognizer(exports, kind):
    """A loaded export."""
    cpu = {"device": "cpu"}
    return EmotionRecognizer.from_hparams(exports[kind], run_opts=cpu)
