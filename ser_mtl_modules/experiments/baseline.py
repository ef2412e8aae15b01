"""The row that every table starts with: a linear model on means.

Features of a clip are a few numbers for its whole length, and a classifier of
scikit-learn tells the classes apart. It writes the files of a run, so that a
report shows it beside the others and pairs its answers with theirs.
"""

import io
import time
from pathlib import Path

import numpy as np
import ruamel.yaml
from hyperpyyaml import load_hyperpyyaml
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

import speechbrain as sb
from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.folds import open_fold
from ser_mtl_modules.errors import SerMtlError, import_optional, nearest
from ser_mtl_modules.experiments.report import refuse_another
from ser_mtl_modules.training import results, settings

PRECISION = "fp32"  # of the encoder; scikit-learn has its own
STRENGTHS = (0.0001, 0.001, 0.01, 0.1, 1.0)  # 1 / regularisation
CLASSIFIERS = {
    "logistic": lambda c: LogisticRegression(C=c, max_iter=1000),
    "linear-svm": lambda c: LinearSVC(C=c),
    "rbf-svm": lambda c: SVC(C=100 * c),  # 0.01 to 100
}


# ---- features


def level_means(signal, utterance, row, view):
    """Means over time of all levels of an encoder, side by side.

    Arguments
    ---------
    signal : CachedLevels
        Prepared for the fold.
    utterance : str
        The clip's ID.
    row : dict
        Of the manifest.
    view : callable
        One of the signal's.

    Returns
    -------
    numpy.ndarray
        Shape [L * D].
    """
    where = (row[key] for key in ("wav", "start", "stop"))
    levels = signal.read(utterance, view, *where)  # [T, L, D]
    if levels.ndim != 3:
        raise SerMtlError(
            "--features=levels: this YAML's signal is waves. Give one whose "
            "encoder is frozen and its levels stored, such as "
            "hparams/mtl_frozen.yaml."
        )
    return levels.float().mean(dim=0).flatten().numpy()


class Functionals:
    """Statistics over a clip of openSMILE's low-level descriptors.

    Arguments
    ---------
    feature_set : str
        ``eGeMAPSv02`` (88 features; Eyben et al., 2016) or ``ComParE_2016``
        (6373; Schuller et al., 2016).
    """

    def __init__(self, feature_set):
        # its licence is for research only
        opensmile = import_optional("opensmile", "opensmile", "--features")
        self.smile = opensmile.Smile(opensmile.FeatureSet[feature_set])

    def __call__(self, signal, utterance, row, view):
        """As `level_means`: features of the clip in a view."""
        wave = view(signal.wave(utterance, row), utterance)
        waves = getattr(signal, "waves", signal)
        found = self.smile.process_signal(wave.numpy(), waves.sample_rate)
        return found.to_numpy(dtype=np.float32)[0]


FEATURES = {
    "levels": lambda: level_means,
    "egemaps": lambda: Functionals("eGeMAPSv02"),
    "compare": lambda: Functionals("ComParE_2016"),
}


# ---- one fold


def probabilities(model, features):
    """How sure a classifier is of each class, shape [n, C].

    A support vector machine gives no probabilities; the softmax of its
    decision values stands for them, which orders classes as it does.
    """
    if hasattr(model[-1], "predict_proba"):
        return model.predict_proba(features)
    values = model.decision_function(features)
    if values.ndim == 1:  # of two classes: the second one's
        values = np.stack([-values, values], axis=1)
    values = np.exp(values - values.max(axis=1, keepdims=True))
    return values / values.sum(axis=1, keepdims=True)


def answers(model, classes, rows, views, feature_of):
    """What a classifier says of clips: rows of ``predictions.csv``."""
    said = []
    for view in views:
        features = np.stack([feature_of(i, r, view) for i, r in rows.items()])
        for (utterance, row), p in zip(
            rows.items(), probabilities(model, features)
        ):
            said.append(
                {
                    "ID": utterance,
                    "speaker": row["speaker"],
                    "gender": row["gender"],
                    "style": row["style"],
                    "target": row["emotion"],
                    "prediction": classes[p.argmax()],
                    **{f"p_{c}": float(x) for c, x in zip(classes, p)},
                }
            )
    return results.average_views(said)


def fit(classifier, split, views, feature_of, metric):
    """The classifier whose strength does best on valid.

    Arguments
    ---------
    classifier : callable
        Makes one of a strength C.
    split : Split
        Of the fold; its test set is not looked at.
    views : dict
        Of the signal: each clip of train takes part in all of train's.
    feature_of : callable
        ``feature_of(utterance, row, view)``, an array.
    metric : str
        Of the card.

    Returns
    -------
    model, strength, metrics
        The last one on valid.
    """
    train = [
        (feature_of(utterance, row, view), split.classes.index(row["emotion"]))
        for view in views["train"]
        for utterance, row in split.train.items()
    ]
    features, targets = map(np.array, zip(*train))
    best = None
    for strength in STRENGTHS:
        model = make_pipeline(StandardScaler(), classifier(strength))
        model.fit(features, targets)
        rows = answers(
            model, split.classes, split.valid, views["valid"], feature_of
        )
        metrics = results.metrics_from_rows(rows, split.classes)
        score = metrics["emotion"][metric]
        if best is None or score > best[0]:  # the weaker one breaks ties
            best = score, model, strength, metrics
    return best[1:]


class Baseline:
    """A simple classifier on all folds of a card.

    Arguments
    ---------
    yaml_file : str or path-like
        In the ``hparams`` of a recipe: corpus, card, trimming, and for
        ``levels`` the frozen encoder and its views come from there.
    flags : list of str
        As for ``train.py``.
    features, classifier : str
        Names in ``FEATURES`` and ``CLASSIFIERS``.
    folds : list of str, optional
        Of the card; all by default.
    output : str or path-like, optional
        Gets a run for each fold, as a sweep's folder does; by default
        ``results/baseline/<features>-<classifier>/<card>`` in the recipe.

    Raises
    ------
    SerMtlError
        If a name is not known, what it needs is not installed, or runs of
        another experiment are in the folder.
    """

    def __init__(
        self, yaml_file, flags, features, classifier, folds=None, output=None
    ):
        for kind, name, known in (
            ("features", features, FEATURES),
            ("classifier", classifier, CLASSIFIERS),
        ):
            if name not in known:
                raise SerMtlError(
                    f"--{kind}={name} is not known. {nearest(name, known)}"
                )
        self.yaml = Path(yaml_file).absolute()
        self.recipe = self.yaml.parents[1]
        _, _, text = sb.parse_arguments([str(self.yaml), *flags])
        self.overrides = {
            **settings.as_dict(text),
            "baseline": f"{classifier} on {features}",
        }
        self.text = settings.override(self.yaml, text)
        self.options = settings.plain_settings(self.text, settings.FOUND)
        self.features, self.classifier = features, classifier
        self.folds = folds
        self.root = Path(
            output
            or self.recipe
            / "results"
            / "baseline"
            / f"{features}-{classifier}"
            / self.options["card"]
        ).absolute()
        self._known = {}  # by utterance and view

    def execute(self):
        """Runs what is not finished; gives the folder of the runs."""
        describe = FEATURES[self.features]()
        signal = self._signal()

        def feature_of(utterance, row, view):
            place = utterance, view.name
            if place not in self._known:
                self._known[place] = describe(signal, utterance, row, view)
            return self._known[place]

        protocols = self.recipe / "protocols.yaml"
        card = load_card(protocols, self.options["card"])
        for fold in self.folds or card.folds:
            folder = self.root / f"fold-{fold}" / "seed-0"
            if not refuse_another(
                folder, self.yaml, card, self.overrides, PRECISION
            ):
                self._run(fold, folder, signal, feature_of)
        return self.root

    def _open(self, fold):
        keys = "preparation data_folder manifest card download skip_bad_audio"
        wanted = [*keys.split(), "check_counts"]
        options = {key: self.options[key] for key in wanted}
        return open_fold(self.recipe, fold=fold, **options)

    def _signal(self):
        """What the YAML reads, without the model that it is read by."""
        signal = settings.parse(self.text)["signal"]
        text = io.StringIO()
        ruamel.yaml.YAML().dump({**self.options, "signal": signal}, text)
        return load_hyperpyyaml(text.getvalue())["signal"]

    def _run(self, fold, folder, signal, feature_of):
        manifest, card, split = self._open(fold)
        signal.prepare(split, manifest.checksum)
        begin = time.monotonic(), time.process_time()
        model, strength, valid = fit(
            CLASSIFIERS[self.classifier],
            split,
            signal.views,
            feature_of,
            card.metric,
        )
        rows = answers(
            model, split.classes, split.test, signal.views["test"], feature_of
        )
        folder.mkdir(parents=True, exist_ok=True)
        results.write_predictions(folder / "predictions.csv", rows)
        results.write_results(
            folder / "results.json",
            {
                "recipe": self.recipe.name,
                "yaml": self.yaml.name,
                "card": card.name,
                "fold": fold,
                "n_folds": len(card.folds),
                "seed": 0,  # nothing is drawn
                "overrides": self.overrides,
                "strength": strength,
                "checksums": {
                    "card": card.checksum,
                    "manifest": manifest.checksum,
                    "yaml": settings.checksum(self.yaml),
                },
                "commit": results.commit_of(self.recipe),
                "versions": results.versions(),
                "device": results.device_name("cpu"),
                "precision": PRECISION,
                "epochs": 0,
                "best_epoch": 0,
                "seconds": round(time.monotonic() - begin[0], 1),
                "cpu_seconds": round(time.process_time() - begin[1], 1),
                "peak_memory_mb": results.peak_memory_mb("cpu"),
                "metrics": {
                    "valid": valid,
                    "test": results.metrics_from_rows(rows, split.classes),
                },
            },
        )
