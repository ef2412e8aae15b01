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
    "mixup",
    "number_of_epochs",
    "output_folder",
    "signal",
    "ssl_hub",
    "weight_decay",
}


def method(name):
    """The YAML without its encoder, as text: tags count, comments don't."""
    tree = ruamel.yaml.YAML(typ="rt").load(HPARAMS / name)
    for key in ENCODERS & set(tree):
        del tree[key]
    text = io.StringIO()
    ruamel.yaml.YAML().dump(tree, text)
    lines = [re.sub("#.*", "", x).rstrip() for x in text.getvalue().split("\n")]
    return [line for line in lines if line]


@pytest.mark.parametrize("name", ["mtl", "mtl_frozen"])
def test_yamls_of_a_method_differ_in_the_encoder_and_its_schedule(name):
    assert method(f"{name}.yaml") == method("mtl_fbank.yaml")
