"""What the benchmark measures, where it is known."""

from statistics import mean, median

import numpy as np
import pytest
from tiny_ravdess import RECIPE
from typer.testing import CliRunner

from ser_mtl_modules.__main__ import app
from ser_mtl_modules.dataio.manifest import read_manifest
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments import benchmark, small, start_benchmark

FLAGS = [
    "--device=cpu",
    "--noprogressbar",
    "--max_batch_duration=20",
    "--feature_size=16",
    small.EMOTION,
    small.SPEAKER,
    small.FBANK_ENCODER,
]


@pytest.mark.parametrize("name", benchmark.KNOWN)
def test_lengths_have_the_range_and_mean_that_are_known(name):
    shortest, longest, average = benchmark.KNOWN[name]
    lengths = benchmark.lengths_of(name, 10000)
    assert lengths == sorted(lengths) and median(lengths) < average
    assert mean(lengths) == pytest.approx(average, rel=1e-3)
    assert shortest <= lengths[0] < 1.01 * shortest
    assert 0.8 * longest < lengths[-1] <= longest


def test_quantiles_are_those_of_an_exponential_density():
    # far from the upper end it is the exponential distribution itself
    shares = np.array([0.1, 0.5, 0.9])
    lengths = benchmark._quantiles(shares, 1.0, 1000.0, 3.0)
    np.testing.assert_allclose(lengths, 1 - 2 * np.log(1 - shares), rtol=1e-6)


def test_lengths_of_a_manifest_are_its_own(tmp_path):
    path = start_benchmark.write_rows(tmp_path, 50)
    lengths = benchmark.lengths_of(str(path), 50)
    durations = [r["duration"] for r in read_manifest(path, "").rows.values()]
    assert mean(lengths) == pytest.approx(mean(durations), rel=0.01)
    with pytest.raises(SerMtlError, match="'msp-podcast'"):
        benchmark.lengths_of("msp-podcasts", 50)


def test_both_loops_hear_all_clips_and_the_recipe_pads_less(monkeypatch):
    measured = []
    original = benchmark.benchmark

    def keep(*args):
        measured.append(original(*args))
        return measured[0]

    monkeypatch.setattr(benchmark, "benchmark", keep)
    yaml = str(RECIPE / "hparams/mtl_fbank.yaml")
    alone = "--auxiliary_tasks=[]"
    command = ["benchmark", yaml, "--clips=48", "--passes=1", alone, *FLAGS]
    printed = CliRunner().invoke(app, command, catch_exceptions=False)
    assert "clips a second" in printed.output
    ours, plain = measured[0]["ours"], measured[0]["plain"]
    assert ours.n_clips == plain.n_clips == 48
    assert ours.audio == pytest.approx(plain.audio)
    assert ours.audio == pytest.approx(ours.read / 16000, rel=1e-4)
    assert 0 <= ours.padding < 0.15 < plain.padding < 0.6
    assert 0 < ours.waited < ours.seconds


def test_batches_are_some_of_those_of_many_clips():
    yaml = str(RECIPE / "hparams/mtl_fbank.yaml")
    flags = [*FLAGS, "--signal={in_memory: False}"]
    measured = benchmark.benchmark(yaml, flags, "msp-podcast", 2000, 3, 1)
    ours, plain = measured["ours"], measured["plain"]
    assert ours.n_batches == plain.n_batches == 3
    assert ours.padding < 0.05 < plain.padding


def test_a_large_manifest_starts(tmp_path, capfd):
    protocols = RECIPE.parent / "MSP-Podcast/protocols.yaml"
    path = start_benchmark.write_rows(tmp_path, 500)
    start_benchmark.start(protocols, "msp-podcast-official-2.0", path)
    assert "first batch" in capfd.readouterr().out
