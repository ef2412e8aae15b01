"""What remains of a run's score where clips are not as they were.

A finished run is asked about the clips of its test set in noise, in rooms,
through codecs, under attack, and about another corpus. Answers to each
condition are in a file of their own, ``RUN/robustness/answers/<condition>.csv``,
written whole or not at all: after a kill, those that are there are not computed
again. Tables and the picture are made from these files.

A clip is changed after it was trimmed, and heard once: in the first of the
forms (views) that the run was tested with. Where those are several, the clean
score is not the run's own, but what all others compare with.
"""

import functools
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from tqdm import tqdm

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.augment.corruptions import Untouched
from ser_mtl_modules.augment.noises import TRAINING_NOISES
from ser_mtl_modules.augment.unheard_noises import Voices, refuse_shared
from ser_mtl_modules.dataio.batching import DurationBatchSampler
from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.datasets import COLUMNS
from ser_mtl_modules.dataio.manifest import read_manifest
from ser_mtl_modules.errors import SerMtlError, nearest
from ser_mtl_modules.experiments.demo import RECIPES
from ser_mtl_modules.experiments.robustness_conditions import (
    SUITES,
    Corrupted,
    generated_noises,
    name_of,
    recorded_noises,
)
from ser_mtl_modules.experiments.robustness_report import score, write_report
from ser_mtl_modules.inference.trained_run import TrainedRun
from ser_mtl_modules.training.results import read_predictions, write_predictions

VERSION = 1  # raised when answers of before can't be used any more
IN_MEMORY = 4096  # clips; at 16 kHz about a gigabyte


class Clips:
    """Clips of a corpus as a run hears them, before its view.

    Arguments
    ---------
    run : TrainedRun
        Reads and trims them.
    rows : dict of str to dict
        Of a manifest, with the card's classes as ``emotion``.
    """

    def __init__(self, run, rows):
        self.run = run
        self.rows = rows
        self.wave = functools.lru_cache(IN_MEMORY)(self._wave)

    def _wave(self, utterance):
        return self.run.signal.wave(utterance, self.rows[utterance])

    def batches(self, utterances):
        """IDs of clips of similar length, as many as in training."""
        hparams, rate = self.run.hparams, self.run.sample_rate
        sampler = DurationBatchSampler(
            [len(self.wave(utterance)) / rate for utterance in utterances],
            hparams["max_batch_duration"],
            hparams["max_batch_size"],
            shuffle=False,
        )
        return [[utterances[i] for i in batch] for batch in sampler]


class Robustness:
    """A run, its test clips, and what it answers under conditions.

    Arguments
    ---------
    folder : str or Path
        Of a finished run.
    device : str
        Where to compute.
    ssl_hub : str, optional
        As for `TrainedRun`.

    Raises
    ------
    SerMtlError
        If the run, its card or its corpus are not what they were, or answers
        of another run are in the folder.
    """

    def __init__(self, folder, device="cpu", ssl_hub=None):
        self.run = TrainedRun(folder, device, ssl_hub)
        self.folder = self.run.folder / "robustness"
        _, self.card, self.manifest = corpus_of(self.run)
        split = self.card.split(
            self.manifest,
            self.run.results["fold"],
            self.run.hparams["check_counts"],
        )
        self.test = sorted(split.test)
        # of training nothing may be heard, not even as babble
        self.clips = Clips(self.run, {**split.valid, **split.test})
        self.view = self.run.signal.views["test"][0]
        self._claim_folder()

    def _claim_folder(self):
        """Refuses answers of another run, or of another way of asking."""
        files = ("results.json", "predictions.csv")
        sha = hashlib.sha256()
        for name in files:
            sha.update((self.run.folder / name).read_bytes())
        about = {
            "version": VERSION,
            "run": sha.hexdigest(),
            "view": self.view.name,
        }
        path = self.folder / "about.json"
        if path.exists():
            if json.loads(path.read_text(encoding="utf-8")) != about:
                raise SerMtlError(
                    f"{self.folder} holds answers of another run than the one "
                    "that lies here now, or of another version of this "
                    "command. Move the folder away, or delete it."
                )
            return
        with atomic_write(path) as file:
            json.dump(about, file, indent=1)

    def conditions(self, suite, noise=None, rooms=None):
        """Those of a suite.

        Arguments
        ---------
        suite : str
            ``standard`` or ``quick``.
        noise, rooms : str or Path, optional
            Folders with noise and with impulse responses; by default they are
            generated.

        Returns
        -------
        list
        """
        if suite not in SUITES:
            raise SerMtlError(f"--suite={suite}. {nearest(suite, SUITES)}")
        rate, rows = self.run.sample_rate, self.clips.rows
        if noise is None:
            speakers = {name: row["speaker"] for name, row in rows.items()}
            noises = generated_noises(rate, Voices(self.clips.wave, speakers))
        else:
            noises = recorded_noises(noise, rate)
        refuse_shared(TRAINING_NOISES, [sound.kind for sound in noises])
        on_logmels = hasattr(self.run.model.encoder, "of_logmels")
        return SUITES[suite](noises, rate, rooms, on_logmels)

    def other_corpus(self, path):
        """The test clips of all folds of another corpus's card.

        Arguments
        ---------
        path : str or Path
            ``recipes/EMODB/emodb-10fold-loso``: a recipe, prepared, and the
            name of one of its cards.

        Returns
        -------
        tuple
            Its card, clips of classes that both have, and these classes.
        """
        recipe, name = Path(path).parent, Path(path).name
        if not (recipe / "protocols.yaml").is_file():
            raise SerMtlError(
                f"--cross={path}: there is no {recipe / 'protocols.yaml'}. "
                "Give a recipe and one of its cards, such as "
                "recipes/EMODB/emodb-10fold-loso."
            )
        card = load_card(recipe / "protocols.yaml", name)
        if card.corpus == self.card.corpus:
            raise SerMtlError(
                f"--cross={path}: the run was trained on {card.corpus}, too. "
                "Choose a card of another corpus."
            )
        common = [c for c in self.run.classes if c in card.classes]
        if len(common) < 2:
            raise SerMtlError(
                f"--cross={path}: {card.name} has {', '.join(card.classes)}, "
                f"and the run {', '.join(self.run.classes)}. Fewer than two "
                "classes have the same name in both."
            )
        path = recipe / "results" / "manifest.csv"
        meta = read_manifest(path, "").meta
        manifest = read_manifest(path, meta["data_folder"])
        strict = self.run.hparams["check_counts"]
        rows = {}
        for fold in card.folds:
            rows.update(card.split(manifest, fold, strict).test)
        rows = {k: row for k, row in rows.items() if row["emotion"] in common}
        return card, Clips(self.run, rows), common

    def answers(self, condition, clips, utterances, name, progress):
        """What the run says under a condition; computed if need be.

        Arguments
        ---------
        condition : callable
            Of ``robustness_conditions``.
        clips : Clips
            Where the utterances are from.
        utterances : list of str
            IDs.
        name : str
            Of the file.
        progress : tqdm
            Told of each batch.

        Returns
        -------
        list of dict
            Rows of a predictions.csv, with ``loss`` and ``snr_db``.
        """
        path = self.folder / "answers" / f"{name}.csv"
        if not path.exists():
            rows = []
            for batch in clips.batches(utterances):
                rows += self._ask(condition, clips, batch)
                progress.update(len(batch))
            write_predictions(path, rows)
        rows, _ = read_predictions(path)
        for row in rows:
            row["loss"], row["snr_db"] = (
                float(row["loss"]),
                float(row["snr_db"]),
            )
        return rows

    def _ask(self, condition, clips, utterances):
        model = self.run.model
        task = next(iter(model.tasks.values()))
        rows = [clips.rows[utterance] for utterance in utterances]
        columns = {c: [row[c] for row in rows] for c in COLUMNS}
        batch = SimpleNamespace(id=utterances, **columns)
        target = task.target(batch)
        waves = [clips.wave(utterance) for utterance in utterances]
        prediction, snrs = condition(
            model, self.view, waves, utterances, target
        )
        losses = F.cross_entropy(prediction.logits, target, reduction="none")
        return [
            {
                "ID": utterance,
                "speaker": row["speaker"],
                "gender": row["gender"],
                **said,
                "loss": loss,
                "snr_db": snr,
            }
            for utterance, row, said, loss, snr in zip(
                utterances,
                rows,
                task.describe(prediction, batch),
                losses.tolist(),
                snrs.tolist(),
            )
        ]

    def measure(self, suite="standard", noise=None, rooms=None, cross=()):
        """All of it, into ``RUN/robustness``.

        Arguments
        ---------
        suite, noise, rooms
            As for `conditions`.
        cross : list of str
            As for `other_corpus`.

        Returns
        -------
        dict
            The content of ``results.json`` there.
        """
        conditions = self.conditions(suite, noise, rooms)
        others = [self.other_corpus(path) for path in cross]
        n_clips = len(self.test) * len(conditions)
        n_clips += sum(len(clips.rows) for _, clips, _ in others)
        scored = []
        # disable=None: no bar where the output is a file
        with tqdm(total=n_clips, unit="clip", disable=None) as progress:
            for condition in conditions:
                progress.set_description(f"{condition.kind} {condition.level}")
                already = progress.n
                rows = self.answers(
                    condition,
                    self.clips,
                    self.test,
                    condition.name,
                    progress,
                )
                progress.update(already + len(rows) - progress.n)
                scored.append(score(rows, self.run.classes, condition))
                if condition.group == "clean":
                    clean = rows
            for other in others:
                scored += self._cross(other, clean, progress)
        scored += _by_group(clean, self.run.classes)
        facts = {
            "schema": VERSION,
            "suite": suite,
            "noise": noise and str(noise),
            "rooms": rooms and str(rooms),
            "card": self.card.name,
            "fold": self.run.results["fold"],
            "view": self.view.name,
            "n_views_of_test": len(self.run.signal.views["test"]),
        }
        return write_report(self.folder, facts, scored)

    def _cross(self, other, clean, progress):
        """Another corpus beside one's own test, over the common classes."""
        card, clips, common = other
        progress.set_description(card.name)
        rows = self.answers(
            Corrupted(Untouched()),
            clips,
            sorted(clips.rows),
            name_of("cross", card.name, card.checksum[:12]),
            progress,
        )
        own = [row for row in clean if row["target"] in common]
        unit = f"{len(common)} classes of {card.name}"
        return [
            score(
                _among(answers, common),
                common,
                SimpleNamespace(
                    group="cross", kind=kind, level=level, unit=unit
                ),
            )
            for kind, level, answers in (
                ("own test", self.card.corpus, own),
                ("other corpus", card.corpus, rows),
            )
        ]


def measure_robustness(
    folder,
    suite="standard",
    noise=None,
    rooms=None,
    cross=(),
    device="cpu",
    ssl_hub=None,
):
    """As `Robustness` and its `measure`, for the command line."""
    with torch.random.fork_rng(devices=[]):
        run = Robustness(folder, device, ssl_hub)
        return run.measure(suite, noise, rooms, cross)


def corpus_of(run):
    """What a run was trained on, if it is still what it was.

    Arguments
    ---------
    run : TrainedRun
        The run.

    Returns
    -------
    tuple of Path, Card and Manifest
        The recipe's folder, the run's card and its manifest.

    Raises
    ------
    SerMtlError
        If card or manifest have changed.
    """
    recipe, results = _recipe_of(run), run.results
    card = load_card(recipe / "protocols.yaml", results["card"])
    manifest = read_manifest(
        recipe / run.hparams["manifest"], run.hparams["data_folder"]
    )
    for what, found in {"card": card, "manifest": manifest}.items():
        if found.checksum != results["checksums"][what]:
            raise SerMtlError(
                f"{run.folder}: its {what} is not the one of {recipe} any "
                "more, so clips that it was trained on could be among "
                "those of the test. Run the recipe again."
            )
    return recipe, card, manifest


def _recipe_of(run):
    """The folder of the recipe that a run is of: it lies there, or is ours."""
    for folder in run.folder.parents:
        ours = folder.name == run.results["recipe"]
        if ours and (folder / "protocols.yaml").is_file():
            return folder
    recipe = RECIPES / run.results["recipe"]
    if not recipe.is_dir():
        raise SerMtlError(
            f"{run.folder}: there is no recipe {run.results['recipe']} around "
            f"it, nor in {RECIPES}. Move the run into its recipe's results."
        )
    return recipe


def _among(rows, classes):
    """Rows whose prediction is the most probable one of some classes."""
    return [
        {**row, "prediction": max(classes, key=lambda c: row[f"p_{c}"])}
        for row in rows
    ]


def _by_group(clean, classes):
    """Scores of each gender and each speaker, where they are known."""
    scored = []
    for column in ("gender", "speaker"):
        for value in sorted({row[column] for row in clean} - {""}):
            rows = [row for row in clean if row[column] == value]
            what = SimpleNamespace(
                group=column, kind=column, level=value, unit=""
            )
            scored.append(score(rows, classes, what))
    return scored
