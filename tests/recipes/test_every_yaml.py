"""Each row of the recipes' tables: its YAML on a sample corpus, to its loss."""

import csv
import re

import pytest
from tiny_ravdess import ROOT

from ser_mtl_modules.__main__ import SampleCorpus
from ser_mtl_modules.training.results import differences, read_run

TABLES = sorted((ROOT / "tests" / "recipes").glob("*.csv"))


def rows():
    """By recipe and YAML."""
    found = {}
    for path in TABLES:
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                yaml = row["Hparam_file"].rpartition("/")[2]
                found[row["Dataset"], yaml] = row
    return found


ROWS = rows()
# there is no sample of the corpora of recipes that new-recipe wrote
SAMPLED = [key for key in ROWS if key[0] in {c.value for c in SampleCorpus}]


def test_there_is_a_row_of_every_yaml():
    yamls = (ROOT / "recipes").glob("*/hparams/*.yaml")
    assert set(ROWS) == {(path.parts[-3], path.name) for path in yamls}


@pytest.mark.parametrize("corpus, yaml", SAMPLED)
def test_the_yaml_runs_to_its_files_and_its_loss(corpus, yaml, trained):
    row = ROWS[corpus, yaml]
    flags = row["test_debug_flags"].split()
    assert flags[0].startswith("--data_folder=")  # another one here
    run = trained(corpus, yaml, *flags[1:])
    checks = row["test_debug_checks"]
    for file in re.search(r"file_exists=\[(.*?)\]", checks)[1].split(","):
        assert (run / file).stat().st_size > 0, file
    limit, epoch = re.search(
        r"train loss, <(\S+), epoch: (\d+)", checks
    ).groups()
    lines = (run / "train_log.txt").read_text().splitlines()
    assert len(lines) == int(epoch)
    losses = [re.search(r"train loss: ([\d.e+-]+)", x)[1] for x in lines]
    assert 0 < float(losses[-1]) < float(limit)
    assert differences(read_run(run)) == []
