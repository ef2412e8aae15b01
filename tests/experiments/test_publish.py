"""Published runs say what the runs said, and READMEs say what they say."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tiny_runs import make_method, make_run, rows_of

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments.publish import publish, refresh, refreshed
from ser_mtl_modules.experiments.report import find_runs, report_on
from ser_mtl_modules.training.results import trials_of, write_trials

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def published(tmp_path):
    """A sweep's folder and the file that was made of it."""
    make_method(tmp_path / "runs", seeds=(1, 2))
    publish(tmp_path / "runs", tmp_path / "kept" / "mtl.zip")
    return tmp_path / "runs", tmp_path / "kept" / "mtl.zip"


def test_a_report_of_published_runs_is_one_of_the_runs(published):
    runs, archive = published
    (ours,), (theirs,) = (report_on([p])["rows"] for p in published)
    same = set(ours) - {"folder"}
    assert {k: ours[k] for k in same} == {k: theirs[k] for k in same}


def test_others_are_paired_with_published_runs(published, tmp_path):
    runs, archive = published
    make_method(tmp_path / "better", chance=0.9, seeds=(1, 2))
    found = [
        report_on([tmp_path / "better"], against=path)["rows"][0]["against"]
        for path in published
    ]
    assert found[0] == found[1] and found[0]["UA"] > 0


def test_the_same_runs_make_the_same_bytes(published, tmp_path):
    runs, archive = published
    publish(runs, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()


def test_no_folder_of_the_machine_gets_out(tmp_path):
    overrides = {
        "data_folder": "/secret/RAVDESS",
        "output_folder": "/secret/out",
        "ssl_hub": "/secret/whisper-base",
        "lr": 0.1,
    }
    make_method(tmp_path / "runs", overrides=overrides)
    publish(tmp_path / "runs", tmp_path / "a.zip")
    (first, *_) = find_runs(tmp_path / "a.zip")
    assert first.results["overrides"] == {"ssl_hub": "whisper-base", "lr": 0.1}
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        texts = [file.read(name).decode() for name in file.namelist()]
    assert len(texts) == 6 and not any("secret" in text for text in texts)


def test_the_rate_of_trials_that_are_left_out_is_kept(tmp_path):
    generator = np.random.default_rng(0)
    rows = rows_of(1, 1, 0.6)
    said = [{**row, "embedding": generator.normal(size=4)} for row in rows]
    make_run(tmp_path / "run", said)
    ids = [row["ID"] for row in said]
    write_trials(tmp_path / "run" / "speaker_trials.csv", ids, trials_of(said))
    publish(tmp_path / "run", tmp_path / "a.zip")
    before = report_on([tmp_path / "run"])
    after = report_on([tmp_path / "a.zip"])
    assert not before["differences"] and not after["differences"]
    assert after["rows"][0]["mean"]["speaker/EER"] == pytest.approx(
        before["rows"][0]["mean"]["speaker/EER"], abs=1e-4
    )


# ---- tables of READMEs


README = """# Scores

Before. <!-- a comment -->

<!-- report "(a) one=one.zip" two=two.zip --against one.zip -->
whatever stood here
<!-- end of report -->

Between.

<!-- report two.zip -->
<!-- end of report -->
"""


@pytest.fixture
def readme(tmp_path):
    for name, chance in [("one", 0.5), ("two", 0.8)]:
        make_method(tmp_path / name, chance=chance)
        publish(tmp_path / name, tmp_path / f"{name}.zip")
    path = tmp_path / "README.md"
    path.write_text(README)
    return path


def test_tables_are_made_of_the_runs_that_are_named(readme):
    assert refresh(readme)
    text = readme.read_text()
    one, two = report_on([readme.parent / n for n in ("one", "two")])["rows"]
    for row, name in [(one, "(a) one"), (two, "two")]:
        (line,) = [x for x in text.splitlines() if x.startswith(f"| {name} |")]
        assert f"| {100 * row['mean']['emotion/UA']:.1f} ±" in line
    assert text.count("difference to (a) one") == 1
    assert "whatever" not in text and "\nBetween.\n" in text
    assert text.startswith("# Scores\n\nBefore. <!-- a comment -->\n")


def test_a_table_that_is_made_again_is_the_same(readme):
    refresh(readme)
    assert not refresh(readme)
    make_method(readme.parent / "two", chance=0.3)
    publish(readme.parent / "two", readme.parent / "two.zip")
    assert refresh(readme)


def test_what_can_not_be_a_table_changes_nothing(readme):
    (readme.parent / "one.zip").unlink()
    with pytest.raises(SerMtlError, match="README.md.*one.zip.*no results"):
        refresh(readme)
    run = readme.parent / "one" / "fold-1" / "seed-1" / "results.json"
    content = json.loads(run.read_text())
    content["metrics"]["test"]["emotion"]["UA"] = 99.0
    run.write_text(json.dumps(content))
    publish(readme.parent / "one", readme.parent / "one.zip")
    with pytest.raises(SerMtlError, match="emotion/UA is 99.0 in results.json"):
        refresh(readme)
    assert readme.read_text() == README


@pytest.mark.parametrize(
    "readme",
    [RECIPES.parent / "README.md", *sorted(RECIPES.glob("*/README.md"))],
    ids=lambda p: p.parent.name,
)
def test_no_table_is_stale(readme):
    """``python -m ser_mtl_modules readme README.md recipes/*/README.md``."""
    assert refreshed(readme) == readme.read_text(encoding="utf-8")
