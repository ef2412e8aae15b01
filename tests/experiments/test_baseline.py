"""The simple row of a table, written out once more by hand."""

import sys
import types

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from tiny_ravdess import AS_IS, RECIPE, SLOW, cached_arguments

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments import baseline
from ser_mtl_modules.experiments.baseline import (
    FEATURES,
    STRENGTHS,
    Baseline,
    probabilities,
)
from ser_mtl_modules.experiments.report import find_runs, report_on


def flags(corpus, folder):
    """For train.py, without what says which YAML and which run."""
    _, _, *given = cached_arguments(
        corpus, folder, "all", heard=f"{AS_IS}, {SLOW}"
    )
    return [flag for flag in given if not flag.startswith("--output_folder")]


def make(corpus, folder, features="levels", classifier="logistic", **settings):
    yaml = RECIPE / "hparams" / "mtl_frozen.yaml"
    given = flags(corpus, folder / "run")
    settings = {"folds": ["1", "4"], "output": folder / "out", **settings}
    return Baseline(yaml, given, features, classifier, **settings)


@pytest.fixture(scope="module")
def executed(tiny_ravdess, tmp_path_factory):
    folder = tmp_path_factory.mktemp("baseline")
    made = make(tiny_ravdess, folder)
    made.execute()
    return made, folder


def test_answers_are_those_of_a_regression_on_means_of_levels(executed):
    made, folder = executed
    for run in find_runs(folder / "out"):
        manifest, card, split = made._open(run.results["fold"])
        signal = made._signal()
        signal.prepare(split, manifest.checksum)

        def means(rows, view):
            levels = [signal.read(i, view).float().numpy() for i in rows]
            return np.stack([x.mean(0).reshape(-1) for x in levels])

        as_is, slow = signal.views["train"]
        features = [means(split.train, view) for view in (as_is, slow)]
        scale = StandardScaler().fit(np.concatenate(features))
        labels = [row["emotion"] for row in split.train.values()] * 2
        regression = LogisticRegression(C=run.results["strength"])
        regression.set_params(max_iter=1000)
        regression.fit(scale.transform(np.concatenate(features)), labels)
        p = np.mean(
            [
                regression.predict_proba(scale.transform(means(split.test, v)))
                for v in (as_is, slow)
            ],
            axis=0,
        )
        for row, chances in zip(run.rows, p, strict=True):
            said = dict(zip(regression.classes_, chances))
            assert row["prediction"] == max(said, key=said.get)
            for name, chance in said.items():
                assert row[f"p_{name}"] == pytest.approx(chance, abs=1e-4)


def test_the_strength_is_chosen_on_valid(executed, monkeypatch):
    made, folder = executed
    run = find_runs(folder / "out")[0]
    scores = {}
    for strength in STRENGTHS:
        monkeypatch.setattr(baseline, "STRENGTHS", (strength,))
        _, card, split = made._open(run.results["fold"])
        signal = made._signal()
        signal.prepare(split, run.results["checksums"]["manifest"])

        def feature_of(utterance, row, view):
            return FEATURES["levels"]()(signal, utterance, row, view)

        _, _, metrics = baseline.fit(
            baseline.CLASSIFIERS["logistic"],
            split,
            signal.views,
            feature_of,
            card.metric,
        )
        scores[strength] = metrics["emotion"][card.metric]
    assert run.results["strength"] == max(scores, key=scores.get)


def test_it_is_a_row_that_others_are_compared_with(executed):
    _, folder = executed
    (row,) = report_on([folder / "out"])["rows"]
    assert row["folds"] == ["1", "4"] and row["missing_folds"] == 4
    assert "logistic on levels" in row["method"]
    content = report_on([folder / "out"], against=folder / "out")
    assert content["notes"]  # what differences are to; results.json agrees
    assert not any("results.json" in note for note in content["notes"])


def test_a_finished_fold_is_not_run_again(
    executed, tiny_ravdess, tmp_path, monkeypatch
):
    _, folder = executed
    monkeypatch.setattr(baseline, "fit", None)
    make(tiny_ravdess, folder).execute()
    with pytest.raises(TypeError):
        make(tiny_ravdess, folder, folds=["1", "2"]).execute()
    other = make(tiny_ravdess, folder, classifier="rbf-svm")
    with pytest.raises(SerMtlError, match="another overrides.*logistic on"):
        other.execute()


@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_support_vector_machine_is_as_sure_as_it_decides(n_classes):
    generator = np.random.default_rng(0)
    targets = np.arange(60) % n_classes
    features = generator.normal(size=(60, 5)) + targets[:, None]
    model = baseline.make_pipeline(StandardScaler(), SVC())
    model.fit(features, targets)
    p = probabilities(model, features)
    assert p.shape == (60, n_classes)
    assert np.allclose(p.sum(axis=1), 1.0)
    assert (p.argmax(axis=1) == model.predict(features)).mean() > 0.95


def test_opensmile_hears_what_a_view_makes_of_a_clip(monkeypatch):
    heard = []

    class Smile:
        def __init__(self, feature_set):
            self.feature_set = feature_set

        def process_signal(self, wave, rate):
            heard.append((self.feature_set, wave.tolist(), rate))
            return types.SimpleNamespace(
                to_numpy=lambda dtype: np.ones((1, 88), dtype)
            )

    module = types.SimpleNamespace(
        Smile=Smile, FeatureSet={"eGeMAPSv02": "88 of them"}
    )
    monkeypatch.setitem(sys.modules, "opensmile", module)

    class Signal:
        sample_rate = 8000

        def wave(self, utterance, row):
            return np.full(3, row)

    found = FEATURES["egemaps"]()(
        Signal(), "a", 2, lambda wave, utterance: types.SimpleNamespace(
            numpy=lambda: 2 * wave
        )
    )  # fmt: skip
    assert heard == [("88 of them", [4, 4, 4], 8000)]
    assert found.shape == (88,)


def test_mistakes_are_told(tiny_ravdess, tmp_path, monkeypatch):
    with pytest.raises(SerMtlError, match="--features=levles.*levels"):
        make(tiny_ravdess, tmp_path, features="levles")
    with pytest.raises(SerMtlError, match="--classifier=svm"):
        make(tiny_ravdess, tmp_path, classifier="svm")
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(SerMtlError, match="opensmile.*pip install"):
        make(tiny_ravdess, tmp_path, features="compare").execute()
    waves = Baseline(
        RECIPE / "hparams" / "mtl_fbank.yaml",
        flags(tiny_ravdess, tmp_path / "run")[:4],
        "levels",
        "logistic",
        output=tmp_path / "out",
    )
    with pytest.raises(SerMtlError, match="mtl_frozen.yaml"):
        waves.execute()
