"""What the documentation says is so: its commands, and its examples."""

import pydoc
import re
import shlex
import shutil
import subprocess

import pytest
import torch
import train
from tiny_ravdess import RECIPE, ROOT, arguments, scores
from typer.main import get_command
from typer.testing import CliRunner

import speechbrain as sb
from ser_mtl_modules.__main__ import SampleCorpus, app
from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.training import settings

DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *DOCS.glob("*.md"), *ROOT.glob("recipes/*/*.md")]


def blocks(page, language=""):
    """What stands between fences of a language."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    return [block for of, block in found if of == language]


def commands(page):
    """The words of each command, lines that end with a backslash joined."""
    home = page.parent if page.parent.parent.name == "recipes" else ROOT
    for block in blocks(page):
        folder = home
        # a recipe that new-recipe writes has YAMLs of RAVDESS
        block = block.replace("cd recipes/MyCorpus", "cd recipes/RAVDESS")
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["cd"]:
                folder = ROOT / words[1]
                words = words[3:]  # behind &&
            if words:
                yield folder, words


COMMANDS = [
    pytest.param(*found, id=f"{page.relative_to(ROOT)}: {' '.join(found[1])}")
    for page in sorted(PAGES)
    for found in commands(page)
]


def check_flags(yaml, flags):
    """Flags for train.py are keys of the YAML, or SpeechBrain's; names exist."""
    assert yaml.is_file(), yaml
    _, _, overrides = sb.parse_arguments([str(yaml), *flags])
    settings.override(yaml, overrides)
    for name in re.findall(r"!(?:new|name|apply):([\w.]+)", overrides or ""):
        assert pydoc.locate(name), name


def check_ours(folder, words):
    """What stands behind ``python -m ser_mtl_modules`` is a command."""
    command = get_command(app).commands[words[0]]
    context = command.make_context(words[0], words[1:])
    if "yaml" in context.params:  # other options are for train.py
        check_flags(folder / context.params["yaml"], context.args)


@pytest.mark.parametrize("folder, words", COMMANDS)
def test_a_command_is_one_that_there_is(folder, words):
    program, *rest = words
    if program == "make":
        targets = (ROOT / "Makefile").read_text().split(".PHONY:")[1]
        assert rest[0] in targets.splitlines()[0].split()
    elif program == "bash":
        assert (folder / rest[0]).is_file()
    elif rest[:2] == ["-m", "ser_mtl_modules"]:
        check_ours(folder, rest[2:])
    elif program == "python" and rest[0] == "train.py":
        check_flags(folder / rest[1], rest[2:])
    else:
        assert program in ("python", "torchrun", "pip"), words


@pytest.mark.parametrize(
    "script", sorted(ROOT.glob("recipes/*/tables/*.sh")), ids=lambda p: p.name
)
def test_a_script_of_a_table_has_such_commands_alone(script, tmp_path):
    said = tmp_path / "said"
    python = tmp_path / "python"
    # each word ends with 0, each command with a dot as one more word
    python.write_text(f"#!/bin/sh\nprintf '%s\\0' \"$@\" . >> {said}\n")
    python.chmod(0o755)
    places = ["/path/to/corpus", "openai/whisper-base"]
    if "=$2\n" not in script.read_text():
        places.pop()
    subprocess.run(
        ["bash", str(script), *places],
        check=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    lines = said.read_text().removesuffix("\0.\0").split("\0.\0")
    assert len(lines) > 1
    for line in lines:
        module, *words = line.split("\0")[1:]
        assert module == "ser_mtl_modules"
        check_ours(script.parents[1], words)


def published(page):
    """Commands that need nothing but published runs."""
    return [
        words[3:]
        for _, words in commands(page)
        if words[3:4] == ["report"]
        and "FOLDER" not in " ".join(words)
        and "published" in " ".join(words)
    ]


def test_reports_on_published_runs_can_be_had(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = published(DOCS / "reading_a_score.md")
    assert found
    for words in found:
        result = CliRunner().invoke(app, [*words, "--format", "markdown"])
        assert result.exit_code == 0, result.output
        assert "| full |" in result.output


def test_every_page_can_be_found_from_the_front_door():
    links = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in DOCS.glob("*.md"):
        assert f"](docs/{page.name})" in links


@pytest.mark.parametrize(
    "page", sorted(PAGES), ids=lambda p: str(p.parent.name)
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (page.parent / target).exists()


# ---- examples


def test_the_card_of_the_protocols_page_is_one(tmp_path):
    (block,) = blocks(DOCS / "protocols.md", "yaml")
    (tmp_path / "protocols.yaml").write_text(block)
    card = load_card(tmp_path / "protocols.yaml", "mine-2fold")
    assert card.classes == ["neutral", "happiness"] and card.folds == ["1", "2"]


def test_four_places_in_a_yaml_make_a_task(tiny_ravdess, tmp_path, no_pictures):
    found, weight, task, name = blocks(DOCS / "adding_a_task.md", "yaml")
    recipe = shutil.copytree(
        RECIPE,
        tmp_path / "RAVDESS",
        ignore=shutil.ignore_patterns("results", "published"),
    )
    yaml = recipe / "hparams" / "mtl_fbank.yaml"
    text = yaml.read_text(encoding="utf-8")
    for before, added in (
        ("\nspeakers: ", f"\n{found}speakers: "),
        ("\nloss_weights:\n", f"\nloss_weights:\n{weight}"),
        ("\ngender: ", f"\n{task}gender: "),
        ("    main: !ref <emotion>\n", f"    main: !ref <emotion>\n{name}"),
    ):
        assert text.count(before) == 1
        text = text.replace(before, added)
    yaml.write_text(text, encoding="utf-8")
    flags = ["--auxiliary_tasks=[gender,style]", "--number_of_epochs=1"]
    run = tmp_path / "run"
    train.main(arguments(tiny_ravdess, run, *flags, recipe=recipe))
    assert "UA" in scores(run)["style"]


class Batch:
    """Two clips, one of which has no text."""

    transcript = ["DOGS SIT BY THE DOOR", ""]
    duration = ["2.0", "1.0"]


def test_the_class_of_the_task_page_keeps_the_contract():
    (code,) = blocks(DOCS / "adding_a_task.md", "python")
    made = {}
    exec(code, made)
    task = made["SpeakingRate"](8)
    feats, lens = torch.randn(2, 6, 8), torch.tensor([6, 3])
    prediction = task(feats, lens)
    target = task.target(Batch)
    assert target[0] == 2.5 and target[1].isnan()
    expected = (prediction[0] - 2.5).square()
    assert torch.allclose(task.loss(prediction, target), expected)
    nothing = task.loss(prediction, torch.full((2,), float("nan")))
    assert nothing == 0 and nothing.requires_grad
    described = task.describe(prediction, Batch)
    assert [list(row) for row in described] == [["words_per_second"]] * 2
    changed = feats.clone()
    changed[1, 3:] = 100.0  # padding
    assert torch.allclose(task(changed, lens), prediction)


def test_the_matrix_says_which_yamls_there_are():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    head, _, *rows = re.search(r"^\| recipe .*?(?=\n\n)", text, re.M | re.S)[
        0
    ].splitlines()
    patterns = re.findall(r"`(.*?)`", head)
    said = set()
    for row in rows:
        corpus, *cells = [cell.strip() for cell in row.strip("|").split("|")]
        for pattern, cell in zip(patterns, cells, strict=True):
            encoders = {
                "fine-tuned": "",
                "frozen": "_frozen",
                "log-mels": "_fbank",
            }
            for word in cell.split(", ") if cell else ():
                kind = encoders.get(word, "")
                said.add((corpus, pattern.replace("*", kind)))
    there = {
        (p.parts[-3], p.name) for p in ROOT.glob("recipes/*/hparams/*.yaml")
    }
    # a recipe that new-recipe wrote is its owner's, and in no table of ours
    ours = {corpus.value for corpus in SampleCorpus}
    assert said == {
        (c, y) for c, y in there if c in ours and y != "ari_stage1.yaml"
    }
