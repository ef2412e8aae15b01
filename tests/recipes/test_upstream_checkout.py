"""Recipes in a SpeechBrain checkout, where SER_MTL_SPEECHBRAIN names one.

They are put into a clone of it, and held against SpeechBrain's own consistency
tests, its linters, and its runner of recipes. What is committed there counts.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ser_mtl_modules.__main__ import SampleCorpus
from ser_mtl_modules.scaffold.upstream import TASK, write_upstream

CHECKOUT = os.environ.get("SER_MTL_SPEECHBRAIN")
CORPORA = sorted(corpus.value for corpus in SampleCorpus)
LINTERS = {  # of its pre-commit configuration: command, and files by suffix
    "format": ("ruff format --check", (".py",)),
    "ruff": ("ruff check", (".py",)),
    "yamllint": ("yamllint --no-warnings", (".yaml", ".yml")),
    "codespell": ("codespell --ignore-words=.dict-speechbrain.txt", ("",)),
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not CHECKOUT, reason="SER_MTL_SPEECHBRAIN names no checkout"
    ),
]


def run(command, folder):
    """What a command says, if it ends well; with this Python's programs."""
    programs = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A clone with all recipes in it, staged."""
    folder = tmp_path_factory.mktemp("upstream") / "speechbrain"
    run(["git", "clone", "--quiet", CHECKOUT, str(folder)], "/")
    for corpus in CORPORA:
        write_upstream(corpus, folder)
    run(["git", "add", "--all"], folder)
    return folder


@pytest.fixture(scope="module")
def changed(checkout):
    """The files of the pull request."""
    names = run(["git", "diff", "--cached", "--name-only"], checkout)
    return names.splitlines()


def test_its_consistency_tests_pass(checkout):
    run([sys.executable, "-m", "pytest", "-q", "tests/consistency"], checkout)


@pytest.mark.parametrize("linter", LINTERS)
def test_its_linters_find_nothing(checkout, changed, linter):
    command, suffixes = LINTERS[linter]
    files = [name for name in changed if name.endswith(suffixes)]
    assert files
    run([*command.split(), *files], checkout)


def test_there_is_no_white_space_at_ends_of_lines(checkout):
    run(["git", "diff", "--cached", "--check"], checkout)


def test_git_ignores_nothing_of_it(checkout, changed):
    for corpus in CORPORA:
        folder = checkout / "recipes" / corpus / TASK
        files = {p for p in folder.rglob("*") if p.is_file()}
        assert files <= {checkout / name for name in changed}


@pytest.mark.parametrize("corpus", CORPORA)
def test_its_runner_runs_the_row_from_log_mels(checkout, sample, corpus):
    data = checkout / "tests" / "tmp" / corpus
    data.parent.mkdir(exist_ok=True)
    data.symlink_to(sample(corpus))
    yaml = f"recipes/{corpus}/{TASK}/hparams/mtl_fbank.yaml"
    said = run(
        [
            sys.executable,
            "-c",
            "from tests.utils.recipe_tests import run_recipe_tests as run\n"
            "passed = run(filters_fields=['Hparam_file'], "
            f"filters=[['{yaml}']], run_opts='--device=cpu', do_checks=True)\n"
            "print('passed' if passed else 'failed')",
        ],
        checkout,
    )
    output = checkout / "tests" / "tmp"
    errors = [p.read_text()[-3000:] for p in output.glob("**/stderr.txt")]
    assert said.split()[-1] == "passed", "\n".join([said, *errors])
    assert len(list(output.rglob("results.json"))) >= 1
