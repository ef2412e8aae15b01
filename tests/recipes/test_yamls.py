"""What the YAMLs of one method have in common, and each of them end to end."""

import io
import re

import pytest
import ruamel.yaml
from tiny_ravdess import RECIPE, ROOT

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


# of a corpus; all else is the method
DATA = {"data_folder", "card", "preparation", "download"}
ELSEWHERE = [
    path
    for path in sorted((ROOT / "recipes").glob("*/hparams/*.yaml"))
    if path.parents[1] != RECIPE and (HPARAMS / path.name).exists()
]


@pytest.mark.parametrize(
    "path", ELSEWHERE, ids=lambda p: f"{p.parts[-3]}-{p.stem}"
)
def test_yamls_of_a_corpus_are_those_of_ravdess_but_for_the_data(path):
    """To follow a change, copy RAVDESS's and put these four lines back."""
    ours = path.read_text(encoding="utf-8").splitlines()
    theirs = (HPARAMS / path.name).read_text(encoding="utf-8").splitlines()
    assert len(ours) == len(theirs)
    differ = [pair for pair in zip(ours, theirs) if pair[0] != pair[1]]
    for pair in differ:
        (key,) = {line.partition(":")[0] for line in pair}
        assert key in DATA, pair
    assert {"card", "preparation"} <= {o.partition(":")[0] for o, _ in differ}
