import pytest
from hyperpyyaml import load_hyperpyyaml
from tiny_ravdess import RECIPE

from ser_mtl_modules.dataio.datasets import Waves
from ser_mtl_modules.errors import SerMtlError
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
