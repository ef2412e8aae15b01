"""What the YAMLs of one method have in common, and each of them end to end."""

import io
import re

import pytest
import ruamel.yaml
from tiny_ravdess import RECIPE, ROOT

from ser_mtl_modules.__main__ import SampleCorpus

HPARAMS = RECIPE / "hparams"
# of an encoder, how its levels become features, and its schedule; all else is
# the method
ENCODERS = {
    "augment",
    "average_decay",
    "encoder",
    "layer_fusion",
    "learning_rates",
    "lr",
    "mixup",
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
    waves = (ENCODERS | OF_MULTI_LOSS) - {"mixup"}
    fbank = "mll_fbank.yaml"
    assert method("mll_frozen.yaml") == method(fbank)
    assert method("mll.yaml", waves) == method(fbank, waves)


# of a corpus; all else is the method
DATA = {
    "attribute_scale",
    "card",
    "data_folder",
    "download",
    "preparation",
}
# where the paper of multi-loss learning ran it, beside RAVDESS
MULTI_LOSS = {"IEMOCAP", "MSP-IMPROV", "SAVEE"}
# of a corpus whose card has fewer tasks
TASKS = {"SAVEE": {"auxiliary_tasks"}}
# of a corpus a hundred times as large, whose YAMLs say why
SIZE = {
    "max_batch_duration",
    "max_batch_size",
    "num_workers",
    "number_of_epochs",
    "signal",
}
LARGE = ROOT / "recipes" / "MSP-Podcast"
# what new-recipe wrote is its owner's to change
OURS = {corpus.value for corpus in SampleCorpus} - {RECIPE.name, LARGE.name}
ELSEWHERE = [
    path
    for path in sorted((ROOT / "recipes").glob("*/hparams/*.yaml"))
    if path.parts[-3] in OURS and (HPARAMS / path.name).exists()
]


@pytest.mark.parametrize("name", ["mll", "mll_fbank", "mll_frozen"])
def test_multi_loss_learning_is_for_the_corpora_of_its_paper(name):
    found = {p.parts[-3] for p in ELSEWHERE if p.stem == name}
    assert found == MULTI_LOSS and not (LARGE / f"hparams/{name}.yaml").exists()


@pytest.mark.parametrize("name", ["mtl", "mtl_fbank", "mtl_frozen"])
def test_yamls_of_a_large_corpus_are_those_of_ravdess_but_for_its_size(name):
    others = DATA | SIZE
    theirs = method(f"{name}.yaml", others)
    assert method(LARGE / "hparams" / f"{name}.yaml", others) == theirs


@pytest.mark.parametrize(
    "path", ELSEWHERE, ids=lambda p: f"{p.parts[-3]}-{p.stem}"
)
def test_yamls_of_a_corpus_are_those_of_ravdess_but_for_the_data(path):
    """To follow a change, copy RAVDESS's and put these few lines back."""
    allowed = DATA | TASKS.get(path.parts[-3], set())
    ours = path.read_text(encoding="utf-8").splitlines()
    theirs = (HPARAMS / path.name).read_text(encoding="utf-8").splitlines()
    assert len(ours) == len(theirs)
    differ = [pair for pair in zip(ours, theirs) if pair[0] != pair[1]]
    for pair in differ:
        (key,) = {line.partition(":")[0] for line in pair}
        assert key in allowed, pair
    assert {"card", "preparation"} <= {o.partition(":")[0] for o, _ in differ}
