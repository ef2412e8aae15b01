"""Every key of every YAML is read by something."""

import re

import pytest
import ruamel.yaml
from tiny_ravdess import ROOT

from ser_mtl_modules.training.settings import FOUND

RECIPES = ROOT / "recipes"
YAMLS = sorted(RECIPES.glob("*/hparams/*.yaml"))
SCRIPT = (RECIPES / "train.py").read_text(encoding="utf-8")


def read_by_the_script(key):
    return (
        f'["{key}"]' in SCRIPT
        or f'hparams.get("{key}")' in SCRIPT
        or f"hparams.{key}" in SCRIPT
        or f"modules.{key}" in SCRIPT
    )


@pytest.mark.parametrize("path", YAMLS, ids=lambda p: p.stem)
def test_every_key_is_read(path):
    text = path.read_text(encoding="utf-8")
    for key in ruamel.yaml.YAML().load(text):
        used = (
            key.startswith("__")
            or f"!ref <{key}>" in text
            or re.search(rf"!ref .*<{key}>", text)
            or read_by_the_script(key)
            or key in FOUND
        )
        assert used, f"{path.name}: nothing reads {key}"


@pytest.mark.parametrize("path", YAMLS, ids=lambda p: p.stem)
def test_what_only_the_yaml_reads_is_read_below_it(path):
    # SpeechBrain's own check of a recipe goes from top to bottom, once
    text = path.read_text(encoding="utf-8")
    for key in ruamel.yaml.YAML().load(text):
        if key.startswith("__") or read_by_the_script(key) or key in FOUND:
            continue
        below = re.split(rf"^{key}:", text, flags=re.M)[1]
        assert re.search(rf"!ref .*?<{key}>", below), key


@pytest.mark.parametrize("path", YAMLS, ids=lambda p: p.stem)
def test_every_yaml_has_what_the_preparing_reads(path):
    keys = ruamel.yaml.YAML().load(path.read_text(encoding="utf-8"))
    read = set(re.findall(r'options\["(\w+)"\]', SCRIPT))
    may_lack = set(re.findall(r'"(\w+)" in options', SCRIPT))
    assert read - may_lack <= set(keys)


@pytest.mark.parametrize("path", YAMLS, ids=lambda p: p.stem)
def test_nothing_is_downloaded_unless_asked_for(path):
    keys = ruamel.yaml.YAML().load(path.read_text(encoding="utf-8"))
    assert keys["download"] is False


@pytest.mark.parametrize("path", YAMLS, ids=lambda p: p.stem)
def test_no_key_is_the_name_of_a_run_option(path):
    # such a key would be swallowed by SpeechBrain's own command line
    from speechbrain.utils.run_opts import RunOptions

    keys = ruamel.yaml.YAML().load(path.read_text(encoding="utf-8"))
    assert not set(keys) & set(RunOptions.__dataclass_fields__)


def test_every_train_script_is_the_one_script():
    for script in RECIPES.glob("*/train.py"):
        assert script.is_symlink()
        assert script.resolve() == (RECIPES / "train.py").resolve()


def test_every_yaml_has_its_row_in_the_recipe_tests():
    for path in YAMLS:
        table = ROOT / "tests" / "recipes" / f"{path.parents[1].name}.csv"
        assert f"hparams/{path.name}" in table.read_text(encoding="utf-8")
