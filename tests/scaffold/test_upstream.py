"""A recipe as a pull request, on a checkout with just what is asked of one."""

import ast
import csv
import os
import subprocess
import sys

import pytest
from tiny_ravdess import ROOT

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.scaffold.import_closure import import_closure
from ser_mtl_modules.scaffold.upstream import TASK, write_upstream

CORPORA = sorted(path.parent.name for path in ROOT.glob("recipes/*/train.py"))
HEADER = (ROOT / "tests/recipes/IEMOCAP.csv").read_text().partition("\n")[0]


@pytest.fixture
def checkout(tmp_path):
    """The folders and files of SpeechBrain's that are looked at."""
    for name in (
        "recipes",
        "tests/recipes",
        "tests/consistency",
        "speechbrain",
    ):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "requirements.txt").write_text("torch>=2\ntqdm\nsoundfile>0\n")
    (tmp_path / ".dict-speechbrain.txt").write_text("## Names\nue\n")
    (tmp_path / "pyproject.toml").write_text(
        (ROOT / "pyproject.toml").read_text()
    )
    return tmp_path


@pytest.fixture
def savee(checkout):
    """The folder of SAVEE's recipe, which is put into the checkout."""
    write_upstream("SAVEE", checkout)
    return checkout / "recipes" / "SAVEE" / TASK


def test_all_that_is_imported_there_is_there_and_nothing_else(savee):
    files = list(savee.rglob("*.py"))
    carried = {f for f in files if "ser_mtl_modules" in f.parts}
    start = [savee / "train.py", savee / "savee_prepare.py"]
    start += [savee / "README.md", *savee.glob("hparams/*.yaml")]
    found, libraries = import_closure(start, [savee])
    assert carried == {f for f in found if "ser_mtl_modules" in f.parts}
    assert "ser_mtl_modules" not in libraries
    assert not {"typer", "pytest"} & libraries
    names = {f.relative_to(savee / "ser_mtl_modules").parts[0] for f in carried}
    assert not {"__main__.py", "experiments", "inference", "scaffold"} & names


def test_it_starts_with_the_modules_beside_it(savee):
    code = (
        "import train, savee_prepare as s; print(train.SERBrain, s.fingerprint)"
    )
    code += "; import ser_mtl_modules; print(ser_mtl_modules.__file__)"
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=savee,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert str(savee / "ser_mtl_modules" / "__init__.py") in done.stdout


def test_code_is_ours_but_for_where_modules_and_cards_are(savee):
    def lines(file):
        text = file.read_text(encoding="utf-8")
        text = text.replace("protocols.yml", "protocols.yaml")
        text = text.replace("  # noqa: E402", "")
        return sorted(filter(None, text.splitlines()))

    for file in savee.rglob("ser_mtl_modules/**/*.py"):
        assert lines(file) == lines(ROOT / file.relative_to(savee)), file
    ours, theirs = lines(ROOT / "recipes/train.py"), lines(savee / "train.py")
    assert not set(theirs) - set(ours)
    assert len(ours) - len(theirs) == 2  # the comment and sys.path


def test_the_preparation_is_linked_to_as_usual_there(savee):
    link = savee / "savee_prepare.py"
    assert link.is_symlink() and str(link.readlink()) == "../savee_prepare.py"
    assert "import" in link.read_text()
    assert not any(f.is_symlink() for f in savee.rglob("*") if f != link)


def test_what_a_preparation_imports_goes_with_it(checkout):
    write_upstream("MSP-Podcast", checkout)
    folder = checkout / "recipes" / "MSP-Podcast"
    for name in ("mspodcast_prepare.py", "mspodcast_labels.py"):
        assert not (folder / name).is_symlink()
        assert (folder / TASK / name).resolve() == (folder / name).resolve()


def test_a_preparation_of_another_recipe_is_left_alone(checkout):
    theirs = checkout / "recipes" / "IEMOCAP" / "iemocap_prepare.py"
    theirs.parent.mkdir()
    theirs.write_text("# theirs\n")
    write_upstream("IEMOCAP", checkout)
    assert theirs.read_text() == "# theirs\n"
    ours = theirs.parent / TASK / theirs.name
    assert not ours.is_symlink() and "IEMOCAP" in ours.read_text()


def test_rows_are_merged_below_those_that_are_there(checkout):
    table = checkout / "tests" / "recipes" / "IEMOCAP.csv"
    theirs = f"{HEADER}\nT,IEMOCAP,a/train.py,a/x.yaml,,R.md,,,--x=1,,"
    table.write_text(theirs)  # no line end at the end of the file
    write_upstream("IEMOCAP", checkout)
    assert table.read_text().startswith(f"{theirs}\n")
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    for row in rows[1:]:
        for key in ("Script_file", "Hparam_file", "Data_prep_file"):
            assert TASK in row[key] and (checkout / row[key]).exists()
        assert (checkout / row["Readme_file"]).exists()


def test_every_yaml_there_is_in_a_row(savee, checkout):
    table = (checkout / "tests" / "recipes" / "SAVEE.csv").read_text()
    yamls = list((checkout / "recipes").rglob("*.yaml"))
    assert len(yamls) == 6
    for path in yamls:
        assert str(path.relative_to(checkout)) in table


def test_what_speechbrain_does_not_require_is_listed(savee):
    lines = (savee / "extra_requirements.txt").read_text().splitlines()
    assert lines == sorted(lines)
    names = {line.partition(">")[0] for line in lines}
    assert {"scikit-learn", "transformers", "rich"} <= names
    assert not {"torch", "tqdm", "speechbrain", "typer", "pytest"} & names


def test_words_that_codespell_should_know_are_added_once(checkout):
    write_upstream("EMODB", checkout)
    write_upstream("SAVEE", checkout)
    words = (checkout / ".dict-speechbrain.txt").read_text().splitlines()
    assert words[:2] == ["## Names", "ue"]
    assert {"sie", "unter"} <= set(words)
    assert len(words) == len(set(words)) and "concensus" not in words


def test_the_readme_says_where_things_are_and_links_lead_somewhere(checkout):
    write_upstream("EMODB", checkout)
    text = (checkout / "recipes" / "EMODB" / TASK / "README.md").read_text()
    assert text.startswith("# EMODB\n") and "](../" not in text
    assert "sample-corpus EMODB tests/tmp/EMODB" in text
    assert "<!--" not in text and "protocols.yaml" not in text
    write_upstream("RAVDESS", checkout)
    write_upstream("SAVEE", checkout)
    text = (checkout / "recipes" / "SAVEE" / TASK / "README.md").read_text()
    assert f"(../../RAVDESS/{TASK}/README.md)" in text


@pytest.mark.parametrize("corpus", CORPORA)
def test_every_recipe_can_be_put_there(checkout, corpus):
    written = write_upstream(corpus, checkout)
    changed = {p for p in checkout.rglob("*") if not p.is_dir()}
    before = {checkout / "pyproject.toml", checkout / "requirements.txt"}
    assert changed - before == {checkout / path for path in written}
    for path in changed:
        if path.suffix == ".py":
            ast.parse(path.read_text(encoding="utf-8"))


def state(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_second_time_is_refused(savee, checkout):
    before = state(checkout)
    with pytest.raises(SerMtlError, match="is there already; nothing is writ"):
        write_upstream("SAVEE", checkout)
    assert state(checkout) == before


@pytest.mark.parametrize(
    "text, message",
    [
        ("Task,Script\n", "line 1: found 'Task,Script.*expected 'Task,Dataset"),
        (
            f"{HEADER}\nT,SAVEE,,recipes/SAVEE/{TASK}/hparams/mtl.yaml,,,,,,,\n",
            "has rows of this recipe already:\n  recipes/SAVEE/.*mtl.yaml",
        ),
    ],
)
def test_rows_that_do_not_fit_are_refused(checkout, text, message):
    (checkout / "tests" / "recipes" / "SAVEE.csv").write_text(text)
    before = state(checkout)
    with pytest.raises(SerMtlError, match=message):
        write_upstream("SAVEE", checkout)
    assert state(checkout) == before


def test_an_unknown_corpus_is_named_with_the_nearest(checkout):
    with pytest.raises(SerMtlError, match="Did you mean 'SAVEE'"):
        write_upstream("SAVE", checkout)


def test_a_folder_that_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(SerMtlError, match="expected a checkout of SpeechBrain"):
        write_upstream("SAVEE", tmp_path)
    assert not list(tmp_path.iterdir())
