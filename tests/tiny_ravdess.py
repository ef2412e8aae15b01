"""A corpus small enough to train on in seconds, and how tests train on it."""

import contextlib
import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib.figure import Figure

from ser_mtl_modules.experiments import small

RATE = 16000


def clip(emotion, actor, take, rate=RATE, seconds=0.35):
    """A voice whose overtone is the emotion's, its pitch the actor's."""
    rng = np.random.default_rng([emotion, actor, take])
    t = np.arange(round(seconds * (1 + 0.3 * rng.random()) * rate)) / rate
    pitch = (110 if actor % 2 else 210) * (1 + 0.02 * actor / 24)
    voice = sum(
        np.sin(2 * np.pi * k * pitch * t) / k ** (1 + actor / 48)
        for k in range(1, 8)
    )
    overtone = np.sin(2 * np.pi * (400 * emotion + 20 * rng.random()) * t)
    noise = 0.1 * rng.standard_normal(len(t))
    return (0.1 * (voice + overtone + noise)).astype(np.float32)


def write_corpus(folder, takes=1, n_emotions=8, seconds=0.35):
    """RAVDESS's layout and names: 24 actors, short clips.

    An actor has n_emotions of the eight, and the next actor the next ones.
    """
    for actor in range(1, 25):
        (folder / f"Actor_{actor:02d}").mkdir(parents=True)
        for i in range(n_emotions):
            emotion = 1 + (actor + i * 8 // n_emotions) % 8
            for take in range(1, takes + 1):
                statement = 1 + (emotion + actor + take) % 2
                name = f"03-01-{emotion:02d}-01-{statement:02d}-{take:02d}"
                soundfile.write(
                    folder / f"Actor_{actor:02d}" / f"{name}-{actor:02d}.wav",
                    clip(emotion, actor, take, seconds=seconds),
                    RATE,
                )
    return folder


ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "RAVDESS"
SMALL = {  # by method, or YAML; other encoders are as small as --ssl_hub
    "mtl": [small.EMOTION, small.SPEAKER],
    "mtl_aug.yaml": [small.EMOTION, small.FBANK_ENCODER],
    "mll": ["--embedding_size=8"],
    "ari": [small.INTEGRATION],
}


def arguments(
    data_folder, output_folder, *more, yaml="mtl_fbank.yaml", recipe=RECIPE
):
    """A command line for a tiny training of a recipe."""
    flags = [
        f"--data_folder={data_folder}",
        f"--output_folder={output_folder}",
        f"--manifest={Path(output_folder).parent / 'manifest.csv'}",
        "--check_counts=False",
        "--number_of_epochs=2",
        "--max_batch_duration=6",
        "--feature_size=16",
        *([small.FBANK_ENCODER] if "fbank" in yaml else []),
        *SMALL.get(yaml, SMALL[yaml[:3]]),
        "--device=cpu",
        *more,
    ]
    last = {flag.split("=")[0]: flag for flag in flags}  # wins
    return [
        str(recipe / "hparams" / yaml),
        "--noprogressbar",
        *last.values(),
    ]


@contextlib.contextmanager
def without_pictures():
    """For tiny runs: drawing takes them longest, and is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda figure, path, **_: None)
        yield


DATAIO = "ser_mtl_modules.dataio"
VIEWS = "ser_mtl_modules.augment.views"

AS_IS = f"!new:{VIEWS}.AsIs {{}}"
SLOW = f"!new:{VIEWS}.Speed [90]"


def cached_arguments(
    corpus, folder, freeze, features="features", heard=AS_IS, more=()
):
    """A command line for training on cached levels of a small encoder."""
    return arguments(
        corpus,
        folder,
        f"--signal=!new:{DATAIO}.feature_cache.CachedLevels "
        f"{{encoder: !name:fake_encoders.FakeEncoder {{freeze: {freeze}}}, "
        f"waves: !new:{DATAIO}.datasets.Waves {{}}, "
        f"folder: {folder.parent / features}, views: [{AS_IS}, {SLOW}], "
        f"test_views: [{heard}]}}",
        "--encoder=!new:ser_mtl_modules.lobes.cached_encoder.CachedEncoder "
        "{signal: !ref <signal>, "
        "mask: !new:ser_mtl_modules.augment.levels.DropSpans {}}",
        "--augment=!new:ser_mtl_modules.augment.waves.NoAugment {}",
        "--auxiliary_tasks=[gender]",
        *more,
    )


def predictions(folder):
    """The rows of a run's predictions.csv."""
    with open(Path(folder) / "predictions.csv", newline="") as file:
        return list(csv.DictReader(file))


def scores(folder):
    """What results.json says of the test set."""
    text = (Path(folder) / "results.json").read_text()
    return json.loads(text)["metrics"]["test"]


def copy(corpus, folder):
    """A copy of a corpus that a test may damage."""
    return Path(shutil.copytree(corpus, folder))
