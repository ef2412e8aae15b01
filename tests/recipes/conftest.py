"""Fixtures of tests that need a recipe's model but no training."""

import pytest
import train
from hyperpyyaml import load_hyperpyyaml
from tiny_ravdess import arguments

import speechbrain as sb
from ser_mtl_modules.training import settings


@pytest.fixture
def build(tmp_path):
    """A function that makes the Brain of a command line's flags."""

    def build(*flags, yaml="mtl_fbank.yaml"):
        flags = arguments(tmp_path, tmp_path / "run", *flags, yaml=yaml)
        yaml, run_opts, overrides = sb.parse_arguments(flags)
        found = {
            "classes": ["calm", "sad"],
            "class_counts": [1, 1],
            "genders": ["F", "M"],
            "speakers": ["a", "b"],
        }
        text = settings.override(yaml, overrides)
        options = settings.plain_settings(text, later=found)
        found = {key: found[key] for key in found if key in options}
        hparams = load_hyperpyyaml(
            settings.override(yaml, {**settings.parse(overrides), **found})
        )
        return train.MultiTaskBrain(
            modules=hparams["modules"],
            opt_class=hparams["opt_class"],
            hparams=hparams,
            run_opts=run_opts,
            checkpointer=hparams["checkpointer"],
            loss_weights=hparams["loss_weights"],
            classes=hparams["classes"],
            metric="UA",
            seed=1,
            n_epochs=1,
            optimizers=hparams.get("optimizers"),
            loss_balance=hparams.get("loss_balance"),
        )

    return build
