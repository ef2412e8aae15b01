"""What the YAMLs of one method have in common, and each of them end to end."""

import io
import re

import pytest
import ruamel.yaml
from tiny_ravdess import RECIPE

HPARAMS = RECIPE / "hparams"
# of an encoder and its schedule; all else is the method
ENCODERS = {
    "augment",
    "average_decay",
    "encoder",
    "learning_rates",
    "lr",
    "number_of_epochs",
    "output_folder",
    "signal",
    "ssl_hub",
    "weight_decay",
}
# mll.yaml is the paper's schedule and features; where levels are stored there
# are no waves to be mixed
OF_MULTI_LOSS = {
    "feature_dropout",
    "feature_size",
    "layer_fusion",
    "max_batch_duration",
    "mixup",
    "opt_class",
    "pooled_norm",
    "schedule",
}


def method(name, others=ENCODERS):
    """The YAML without its encoder, as text: tags count, comments don't."""
    tree = ruamel.yaml.YAML(typ="rt").load(HPARAMS / name)
    for key in others & set(tree):
        del tree[key]
    text = io.StringIO()
    ruamel.yaml.YAML().dump(tree, text)
    lines = [re.sub("#.*", "", x).rstrip() for x in text.getvalue().split("\n")]
    return [line for line in lines if line]


@pytest.mark.parametrize("name", ["mtl", "mtl_frozen"])
def test_yamls_of_a_method_differ_in_the_encoder_and_its_schedule(name):
    assert method(f"{name}.yaml") == method("mtl_fbank.yaml")


@pytest.mark.parametrize("name", ["mll", "mll_frozen"])
def test_so_do_those_of_multi_loss_learning_and_in_what_goes_with_it(name):
    others = ENCODERS | OF_MULTI_LOSS
    assert method(f"{name}.yaml", others) == method("mll_fbank.yaml", others)


def test_mixup_and_features_differ_only_where_they_have_to():
    frozen = ENCODERS | {"mixup"}
    waves = ENCODERS | OF_MULTI_LOSS - {"mixup"}
    fbank = "mll_fbank.yaml"
    assert method("mll_frozen.yaml", frozen) == method(fbank, frozen)
    assert method("mll.yaml", waves) == method(fbank, waves)
