"""Finished runs that took no training."""

import numpy as np

from ser_mtl_modules.training.results import (
    CHECKSUMS,
    metrics_from_rows,
    write_predictions,
    write_results,
)

CLASSES = ["neutral", "happy", "sad"]


def rows_of(fold, seed, chance):
    """Answers on 2 speakers of a fold; targets are the same for every seed."""
    generator = np.random.default_rng([fold, seed])
    rows = []
    for i in range(24):
        target = CLASSES[i % 3]
        wrong = CLASSES[(i + 1 + generator.integers(2)) % 3]
        prediction = target if generator.random() < chance else wrong
        rows.append(
            {
                "ID": f"f{fold}-{i:02}",
                "speaker": f"f{fold}-{i // 12}",
                "gender": "F",
                "style": "scripted" if i % 4 else "improvised",
                "target": target,
                "prediction": prediction,
                **{f"p_{name}": 1 / 3 for name in CLASSES},
            }
        )
    return rows


def make_run(folder, rows, **changes):
    """Writes a run's folder; ``changes`` are to its results."""
    metrics = metrics_from_rows(rows, CLASSES)
    content = {
        "recipe": "RAVDESS",
        "yaml": "mtl.yaml",
        "card": "small-card",
        "fold": 1,
        "seed": 1,
        "overrides": {},
        "checksums": dict.fromkeys(CHECKSUMS, "c" * 64),
        "commit": "0" * 40,
        "precision": "fp32",
        "versions": {},
        "device": "cpu",
        "epochs": 1,
        "best_epoch": 1,
        "seconds": 90.0,
        "cpu_seconds": 90.0,
        "peak_memory_mb": 1.0,
        "metrics": {"test": metrics},
    }
    write_predictions(folder / "predictions.csv", rows)
    write_results(folder / "results.json", {**content, **changes})


def make_method(folder, chance=0.6, seeds=(1,), folds=(1, 2, 3), **changes):
    """Writes the runs of a method, and gives their rows by (seed, fold)."""
    written = {}
    for seed in seeds:
        for fold in folds:
            rows = rows_of(fold, seed, chance)
            make_run(
                folder / f"fold-{fold}" / f"seed-{seed}",
                rows,
                fold=fold,
                seed=seed,
                **changes,
            )
            written[seed, fold] = rows
    return written
