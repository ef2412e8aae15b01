"""Overrides replace what they name, and name what they miss."""

import pytest
from hyperpyyaml import load_hyperpyyaml

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.training.settings import (
    as_dict,
    checksum,
    override,
    parse,
    plain_settings,
)

YAML = """
seed: 1
folder: !ref results/<seed>
given: !PLACEHOLDER
weights:
    a: 1.0
    b: 0.5
thing: !new:collections.Counter
    x: 3
"""


@pytest.fixture
def yaml(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(YAML)
    return path


def load(yaml, overrides):
    return load_hyperpyyaml(override(yaml, f"given: 1\n{overrides}"))


def test_a_plain_mapping_is_merged(yaml):
    assert load(yaml, "weights: {b: 2}")["weights"] == {"a": 1.0, "b": 2}


def test_arguments_of_an_object_are_merged(yaml):
    assert load(yaml, "thing: {x: 4}")["thing"] == {"x": 4}


def test_a_tag_replaces_the_object_and_its_arguments(yaml):
    # hyperpyyaml's own overrides would build a Counter of x and y here
    thing = load(yaml, "thing: !new:collections.OrderedDict {y: 1}")["thing"]
    assert type(thing).__name__ == "OrderedDict"
    assert dict(thing) == {"y": 1}


def test_a_mapping_with_other_keys_is_made_as_the_error_says(yaml):
    with pytest.raises(SerMtlError, match="no such key 'c'") as error:
        override(yaml, "weights: {c: 1e-5}")
    said = str(error.value)
    replacement = said[said.index("!new:") :].replace("...", "1e-5")
    weights = load(yaml, f"weights: {replacement}")["weights"]
    assert weights == {"c": 1e-5}


@pytest.mark.parametrize("overrides", ["sede: 2", "thing: {z: 2}"])
def test_keys_of_the_yaml_and_arguments_of_an_object_are_what_they_are(
    yaml, overrides
):
    with pytest.raises(SerMtlError) as error:
        override(yaml, overrides)
    assert "!new:" not in str(error.value)


def test_references_follow_an_override(yaml):
    assert plain_settings(override(yaml, "given: 1\nseed: 7"))["folder"] == (
        "results/7"
    )


@pytest.mark.parametrize(
    "overrides, message",
    [
        ("sede: 2", "Did you mean 'seed'"),
        ("weights: {c: 2}", "Known: a, b"),
        ("thing: {z: 2}", "Known: x"),
    ],
)
def test_an_unknown_key_names_the_known_ones(yaml, overrides, message):
    with pytest.raises(SerMtlError) as error:
        override(yaml, overrides)
    assert message in str(error.value) and "a.yaml" in str(error.value)


def test_a_placeholder_must_be_given_unless_it_comes_later(yaml):
    with pytest.raises(SerMtlError, match="give --given"):
        plain_settings(override(yaml, ""))
    settings = plain_settings(override(yaml, ""), later=["given"])
    assert settings["seed"] == 1 and settings["given"] is None
    assert "thing" not in settings


@pytest.mark.parametrize(
    "change, same",
    [
        (lambda text: f"# a comment\n{text}\n", True),
        (lambda text: text.replace("a: 1.0", "a:   1.0 # of a"), True),
        (lambda text: text.replace("a: 1.0", "a: 1.1"), False),
        (lambda text: text.replace("a: 1.0", "c: 1.0"), False),
        (lambda text: text.replace("Counter", "OrderedDict"), False),
        (lambda text: text.replace("    b: 0.5", "b: 0.5"), False),
    ],
)
def test_the_checksum_is_of_what_a_yaml_says(yaml, tmp_path, change, same):
    other = tmp_path / "other.yaml"
    other.write_text(change(YAML))
    assert other.read_text() != YAML
    assert (checksum(yaml) == checksum(other)) == same


def test_a_key_given_twice_is_an_error():
    with pytest.raises(SerMtlError, match="twice"):
        parse("seed: 1\nseed: 2")


def test_the_record_of_overrides_is_plain_text():
    record = as_dict("seed: 2\nthing: !new:collections.OrderedDict")
    assert record == {"seed": 2, "thing": "!new:collections.OrderedDict"}
