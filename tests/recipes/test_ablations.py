"""Every step of the papers' ablations, as docs/ablations.md lists them."""

import re
import shlex

import pytest
from tiny_ravdess import ROOT

TEXT = (ROOT / "docs" / "ablations.md").read_text(encoding="utf-8")


def steps():
    """Name, YAML and flags of each row."""
    for section in TEXT.split("\n## ")[1:]:
        default = re.search(r"`hparams/(\S+)`", section)[1]
        for line in re.findall(r"^\| [A-D]\d.*$", section, re.M):
            name, what, cell = (x.strip() for x in line.strip("|").split("|"))
            yaml = re.search(r"by `(\S+\.yaml)`", what)
            flags = shlex.split(cell.strip("`"))
            yield f"{name} {what}", yaml[1] if yaml else default, flags


STEPS = [pytest.param(yaml, flags, id=name) for name, yaml, flags in steps()]


@pytest.mark.parametrize("yaml, flags", STEPS)
def test_a_step_can_be_built(yaml, flags, build, tiny_models):
    flags = [flag for flag in flags if not flag.startswith("--ssl_hub=")]
    if yaml != "mtl_aug.yaml":
        flags.append(f"--ssl_hub={tiny_models['wavlm-large']}")
    build(*flags, yaml=yaml)


def test_no_two_steps_of_a_method_are_the_same():
    trained = [(yaml, *sorted(flags)) for name, yaml, flags in steps() if flags]
    assert len(set(trained)) == len(trained)
