import pytest
from hyperpyyaml import load_hyperpyyaml
from tiny_ravdess import RECIPE

from ser_mtl_modules.dataio.datasets import Waves
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments import cache_benchmark
from ser_mtl_modules.experiments.cache_benchmark import without_cache
from ser_mtl_modules.training.settings import override, parse

CACHED = """
rate: 16000
signal: !new:ser_mtl_modules.dataio.feature_cache.CachedLevels
    encoder: !name:fake_encoders.FakeEncoder
        freeze: all
        size: 5 # dimensions
    waves: !new:ser_mtl_modules.dataio.datasets.Waves
        sample_rate: !ref <rate>
        trim: !name:ser_mtl_modules.dataio.trimming.trim_silence
            range_db: 30.0
    folder: nowhere
encoder: !new:ser_mtl_modules.lobes.cached_encoder.CachedEncoder
    signal: !ref <signal>
"""


def test_the_encoder_takes_the_place_of_stored_levels(tmp_path):
    (tmp_path / "cached.yaml").write_text(CACHED)
    flags = without_cache(CACHED)
    text = "\n".join(f.removeprefix("--").replace("=", ": ", 1) for f in flags)
    built = load_hyperpyyaml(override(tmp_path / "cached.yaml", parse(text)))
    assert type(built["signal"]) is Waves
    assert built["signal"].trim.keywords == {"range_db": 30.0}
    assert type(built["encoder"]).__name__ == "FakeEncoder"
    assert built["encoder"].output_size == 5


@pytest.mark.parametrize(
    "text, message",
    [
        (
            (RECIPE / "hparams" / "mtl_fbank.yaml").read_text(),
            "nothing to compare",
        ),
        ("a: 1", "nothing to compare"),
        (CACHED.replace("!name:fake", "!new:fake"), "expected !name:CLASS"),
    ],
)
def test_a_yaml_without_stored_levels_is_refused(text, message):
    with pytest.raises(SerMtlError, match=message):
        without_cache(text)


TRAIN = """
import json, sys, time
(folder,) = [f.split("=")[1] for f in sys.argv if f.startswith("--output")]
if "--breaks" in sys.argv:
    sys.exit("no more paper")
time.sleep(0.3)
print("x.epoch_loop - Going into epoch 1", flush=True)
time.sleep(0.2)
print("x.epoch_loop - Going into epoch 2", flush=True)
import pathlib
pathlib.Path(folder).mkdir()
results = {"seconds": 8.0, "epochs": 2}
pathlib.Path(folder, "results.json").write_text(json.dumps(results))
"""


@pytest.fixture
def recipe(tmp_path):
    """One whose train.py does nothing."""
    (tmp_path / "hparams").mkdir()
    (tmp_path / "hparams" / "cached.yaml").write_text(CACHED)
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


def test_three_trainings_are_timed_from_their_start(recipe, capfd):
    cache_benchmark.main([str(recipe / "hparams" / "cached.yaml"), "--fold=2"])
    *_, head, first, second, without = capfd.readouterr().out.splitlines()
    assert head.split() == ["seconds", "begins", "an", "epoch", "in", "all"]
    for line in (first, second, without):
        begins, epoch, whole = map(float, line.split()[-3:])
        assert begins >= 0.3 and epoch == 4.0
        # 0.2 less what rounding to tenths takes
        assert whole > begins + 0.05


def test_a_training_that_fails_and_a_yaml_that_is_missing_are_told(recipe):
    yaml = str(recipe / "hparams" / "cached.yaml")
    with pytest.raises(SerMtlError, match="train.py ended with exit code 1"):
        cache_benchmark.main([yaml, "--breaks"])
    with pytest.raises(SerMtlError, match="none.yaml: No such file"):
        cache_benchmark.main([str(recipe / "none.yaml")])
