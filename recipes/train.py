#!/usr/bin/env python3
"""Recipe for multi-task and multi-loss speech emotion recognition.

An encoder serves the emotion task and auxiliary ones (gender, speaker,
transcript, augmentation, reconstruction) where there are any; each task weighs
the encoder's levels for itself, and emotion sees the others through
co-attention. A task may be learned by several losses, of clips that may be
mixed, or have unlabelled speech beside them. This file is the same for all
corpora; what a method is made of stands in its YAML.

To run it, in a corpus's folder:
> python train.py hparams/mtl_fbank.yaml --data_folder=/path/to/RAVDESS

With 4 GPUs (docs/scale.md):
> torchrun --nproc_per_node=4 train.py hparams/mtl.yaml --data_folder=...

Papers: https://arxiv.org/abs/2508.17878 (multi-task, co-attention, SWFC),
https://arxiv.org/abs/2512.04551 (multi-loss, energy-adaptive mixup) and
https://arxiv.org/abs/2207.05298 (augmentation types, reconstruction).

Authors
 * The ser-mtl authors 2026
"""

import json
import logging
import sys
from pathlib import Path

import torch
from hyperpyyaml import load_hyperpyyaml

import speechbrain as sb
from speechbrain.utils.distributed import rank_prefixed_message, run_on_main

# a corpus's train.py is a link to this file: Python looks beside the file
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ser_mtl_modules.atomic import atomic_write  # noqa: E402
from ser_mtl_modules.dataio.batching import DurationBatchSampler  # noqa: E402
from ser_mtl_modules.dataio.datasets import dataset  # noqa: E402
from ser_mtl_modules.dataio.folds import open_fold  # noqa: E402
from ser_mtl_modules.dataio.unlabelled import n_labelled  # noqa: E402
from ser_mtl_modules.errors import SerMtlError  # noqa: E402
from ser_mtl_modules.lobes.co_attention import attention  # noqa: E402
from ser_mtl_modules.losses.soft_targets import main_class  # noqa: E402
from ser_mtl_modules.metrics.classification import confusion  # noqa: E402
from ser_mtl_modules.ranks import n_ranks  # noqa: E402
from ser_mtl_modules.training import figures, results, settings  # noqa: E402
from ser_mtl_modules.training.attention import plot_attention  # noqa: E402
from ser_mtl_modules.training.brain import SERBrain  # noqa: E402

logger = logging.getLogger(__name__)


class MultiTaskBrain(SERBrain):
    """Emotion, and what helps to hear it."""

    def compute_forward(self, batch, stage):
        """Waves, or levels computed before, to the prediction of every task."""
        batch = batch.to(self.device)
        wavs, wav_lens = batch.sig
        n = n_labelled(batch)  # what comes after is not for the main task
        if stage == sb.Stage.TRAIN:
            wavs, wav_lens, labels = self.hparams.augment(wavs, wav_lens)
            vars(batch).update(labels)  # for tasks that learn what was done
            wavs, wav_lens, shares = self.hparams.mixup(wavs, wav_lens)
            self.shares = shares[:n]
        main, others, lens = self.features(wavs, wav_lens)
        fused = self.modules.co_attention(main, others, lens)
        seen = {name: (feats, lens) for name, feats in others.items()}
        return {
            name: task(*seen.get(name, (fused[:n], lens[:n])))
            for name, task in self.modules.tasks.items()
        }

    def features(self, wavs, wav_lens):
        """Those of the main task, of the others by name, and frames."""
        levels, lens = self.modules.encoder(wavs, wav_lens)
        feats = {
            name: fuse(levels, lens)
            for name, fuse in self.modules.layer_fusions.items()
        }
        main = next(iter(feats))
        return feats.pop(main), feats, lens

    def attention(self, sig):
        """Where emotion looks in a clip, and at which other tasks."""
        sig = sig[None].to(self.device), torch.ones(1, device=self.device)
        with self.evaluating():
            main, others, lens = self.features(*sig)
            fuse = self.modules.co_attention
            over_time, over_tasks = attention(fuse, main, others, lens)
            pool = self.modules.tasks["emotion"].pool
            over_time["pooling"] = pool.attention(
                fuse(main, others, lens), lens
            )
        return over_time, over_tasks

    def compute_objectives(self, predictions, batch, stage):
        """Weighted sum of the terms; each one is logged on its own too."""
        tasks = self.modules.tasks
        targets = {name: task.target(batch) for name, task in tasks.items()}
        main = next(iter(tasks))
        if stage == sb.Stage.TRAIN:
            targets[main] = tasks[main].mix(targets[main], self.shares)
            predictions, targets = self.of_all_ranks(predictions, targets)
        losses = {
            name: loss(predictions[main].embeddings, main_class(targets[main]))
            for name, loss in self.modules.embedding_losses.items()
            if self.wants(name)
        }
        for name, task in tasks.items():
            losses |= task.losses(
                name, predictions[name], targets[name], self.wants
            )
        return self.objective(losses, batch)

    def on_epoch_end(self, record):
        """Losses by name and the metrics of valid go to the train logger."""
        self.hparams.train_logger.log_stats(  # on the first rank alone
            {"epoch": record["epoch"], "lr": record["lr"]},
            train_stats=record["train"],
            valid_stats={
                **record["valid"],
                **results.headline(record["metrics"]),
            },
        )


def make_brain(hparams, run_opts, metric):
    """What trains; a YAML may have another metric than the card's."""
    return MultiTaskBrain(
        modules=hparams["modules"],
        opt_class=hparams["opt_class"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
        loss_weights=hparams["loss_weights"],
        classes=hparams["classes"],
        metric=hparams.get("metric", metric),
        seed=hparams["seed"],
        n_epochs=hparams["number_of_epochs"],
        learning_rates=hparams["learning_rates"],
        schedule=hparams["schedule"],
        average_decay=hparams["average_decay"],
        max_nonfinite=hparams["max_nonfinite"],
        # what most methods need not say
        optimizers=hparams.get("optimizers"),
        loss_balance=hparams.get("loss_balance"),
        gather_over_ranks=hparams.get("gather_over_ranks", True),
    )


def loaders(brain, hparams, split):
    """Batches of train, valid and test."""
    made, signal = {}, hparams["signal"]
    by_class = "imbalance" in hparams and hparams["imbalance"].by_class
    for name in ("train", "valid", "test"):
        rows, views = getattr(split, name), signal.views[name]
        data = dataset(rows, signal, views)
        sampler = DurationBatchSampler(
            [signal.duration(*row) for row in rows.items()],
            hparams["max_batch_duration"],
            hparams["max_batch_size"],
            seed=hparams["seed"],
            shuffle=name == "train",
            labels=[row["emotion"] for row in rows.values()],
            by_class=by_class,
            n_views=len(views),
        )
        made[name] = data, sampler
    if "unlabelled" in hparams:
        made["train"] = hparams["unlabelled"].beside(*made["train"])
    return {
        name: brain.loader(*read, hparams["num_workers"], name == "train")
        for name, read in made.items()
    }


def draw_attention(path, brain, signal, rows):
    """Draws the first test clip whose emotion was recognised, if one was."""
    right = [row for row in brain.rows if row["target"] == row["prediction"]]
    said = (right or brain.rows)[0]
    row = rows[said["ID"]]
    where = (row[key] for key in ("wav", "start", "stop"))
    sig = signal.read(said["ID"], signal.views["test"][0], *where)
    title = "{ID}: {target}, predicted {prediction}".format(**said)
    wave, seen = signal.wave(said["ID"], row), brain.attention(sig)
    plot_attention(path, wave, brain.hparams.sample_rate, *seen, title)


def finish(brain, hparams, facts, test_clips):
    """Writes everything that a finished run leaves, results.json last."""
    folder, classes = Path(hparams["output_folder"]), hparams["classes"]
    test_rows = brain.rows
    results.write_predictions(folder / "predictions.csv", test_rows)
    trials = results.trials_of(test_rows)
    if trials is not None:
        ids = [row["ID"] for row in test_rows]
        results.write_trials(folder / "speaker_trials.csv", ids, trials)
    if "emotion" in brain.modules.tasks:
        pairs = [(row["target"], row["prediction"]) for row in test_rows]
        figures.plot_confusion(
            folder / "confusion.png",
            confusion(*zip(*pairs), classes),
            classes,
            f"{facts['card']}, fold {facts['fold']}",
        )
        draw_attention(
            folder / "attention.png", brain, hparams["signal"], test_clips
        )
    with atomic_write(folder / "history.json") as file:
        json.dump(brain.history, file, indent=1)
    figures.plot_curves(folder / "curves.png", brain.history, brain.best_epoch)
    results.write_results(
        folder / "results.json",
        {
            **facts,
            "versions": results.versions(),
            "device": results.device_name(brain.device),
            "precision": brain.precision,
            "threads": torch.get_num_threads(),
            "ranks": n_ranks(),
            "epochs": hparams["number_of_epochs"],
            "best_epoch": brain.best_epoch,
            "seconds": round(brain.seconds, 1),
            "cpu_seconds": round(brain.cpu_seconds, 1),
            "peak_memory_mb": results.peak_memory_mb(brain.device),
            "loss_weights": {
                term: brain.weight(term) for term in hparams["loss_weights"]
            },
            "metrics": {
                "valid": brain.history[brain.best_epoch - 1]["metrics"],
                "test": brain.metrics,
            },
        },
    )


def main(arguments):
    """From the command line to results.json."""
    hparams_file, run_opts, overrides = sb.parse_arguments(arguments)
    sb.utils.distributed.ddp_init_group(run_opts)
    recipe = Path(hparams_file).absolute().parents[1]

    text = settings.override(hparams_file, overrides)
    options = settings.plain_settings(text, later=settings.FOUND)
    folder = Path(options["output_folder"])
    if (folder / "results.json").exists():
        logger.info(f"{folder} holds a finished run.")
        run_on_main(results.print_results, [folder])
        return
    manifest, card, split = open_fold(
        recipe,
        preparation=options["preparation"],
        data_folder=options["data_folder"],
        manifest=options["manifest"],
        card=options["card"],
        fold=options["fold"],
        download=options["download"],
        skip_bad_audio=options["skip_bad_audio"],
        check_counts=options["check_counts"],
        unlabelled="train_on_all" in options and options["train_on_all"],
    )
    keys = [key for key in settings.FOUND if key in options]
    found = {key: getattr(split, key) for key in keys}
    text = settings.override(
        hparams_file, {**settings.parse(overrides), **found}
    )
    hparams = load_hyperpyyaml(text)
    if "imbalance" in hparams:
        hparams["imbalance"].check(hparams["modules"])
    for task in hparams["modules"]["tasks"].values():
        task.check(split.train)
    sb.create_experiment_directory(folder)
    run_on_main(settings.save, [folder / "hyperparams.yaml", text])

    facts = {
        "recipe": recipe.name,
        "yaml": Path(hparams_file).name,
        "card": card.name,
        "fold": hparams["fold"],
        "n_folds": len(card.folds),
        "seed": hparams["seed"],
        "overrides": settings.as_dict(overrides),
        "checksums": {
            "card": card.checksum,
            "manifest": manifest.checksum,
            "yaml": settings.checksum(hparams_file),
        },
        "commit": results.commit_of(recipe),
    }
    if "earlier_stage" in hparams:
        hparams["earlier_stage"].load(facts)

    brain = make_brain(hparams, run_opts, card.metric)
    hparams["signal"].prepare(split, manifest.checksum, brain.device)
    data = loaders(brain, hparams, split)
    brain.fit(hparams["epoch_counter"], data["train"], data["valid"])
    brain.evaluate(data["test"])
    run_on_main(finish, [brain, hparams, facts, split.test])
    run_on_main(results.print_results, [folder])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SerMtlError as error:
        print(rank_prefixed_message(f"Error: {error}"), file=sys.stderr)
        sys.exit(2)
