"""A recipe in the form of a pull request to SpeechBrain.

Upstream a recipe stands alone: its folder has the training script itself, and
beside it those modules of this package that it imports, and no others. The
names of the modules stay, so what is carried can be compared with what is here.
"""

import csv
import importlib.metadata
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.errors import SerMtlError, nearest, shortlist
from ser_mtl_modules.scaffold.import_closure import import_closure
from ser_mtl_modules.scaffold.repository import RECIPES, ROOT, need_recipes

TASK = "emotion_recognition_mtl"
# SpeechBrain's tests take every .yaml of a recipe for hyperparameters
CARDS = ("protocols.yaml", "protocols.yml")
WORDS = ".dict-speechbrain.txt"  # that codespell lets pass, here and there
# train.py looks for the modules two folders above; upstream they are beside it
PATH = re.compile(
    r"\n# a corpus's train\.py is a link.*?\nsys\.path\.insert\(.*?\n", re.S
)
REPORT = re.compile(r"^<!-- .*?-->\n", re.M | re.S)  # what makes our tables
LINK = re.compile(r"\[([^\]]+)\]\(\.\./([\w-]+)/README\.md(#[\w-]+)?\)")


def write_upstream(corpus, checkout):
    """Puts a recipe into a checkout of SpeechBrain.

    Arguments
    ---------
    corpus : str
        Name of a folder of ``recipes/``.
    checkout : str or Path
        Of SpeechBrain's repository.

    Returns
    -------
    list of Path
        What was written or changed, relative to the checkout.

    Raises
    ------
    SerMtlError
        If there is no such recipe or checkout, or something of the recipe is
        there already; nothing is written then.
    """
    need_recipes(RECIPES)
    checkout, source = Path(checkout).absolute(), RECIPES / corpus
    known = sorted(path.parent.name for path in RECIPES.glob("*/train.py"))
    if corpus not in known:
        raise SerMtlError(
            f"{RECIPES}: there is no recipe '{corpus}'. {nearest(corpus, known)}"
        )
    target = checkout / "recipes" / corpus
    _check_checkout(checkout, target / TASK)
    rows = checkout / "tests" / "recipes" / f"{corpus}.csv"
    merged = _merged_rows(corpus, rows)
    preparations = _preparations(source)

    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".new-") as temporary:
        folder = Path(temporary) / TASK
        _write_recipe(source, folder, checkout)
        links = _place(preparations, folder, target)
        _tidy([folder, *links])
        for file in links:
            os.rename(file, target / file.name)
        os.rename(folder, target / TASK)
    written = [p for p in (target / TASK).rglob("*") if not p.is_dir()]
    for path, text in (
        (rows, merged),
        (checkout / WORDS, _merged_words(checkout / WORDS, written)),
    ):
        with atomic_write(path) as file:
            file.write(text)
        written.append(path)
    written += [target / file.name for file in links]
    return sorted(path.relative_to(checkout) for path in written)


def _check_checkout(checkout, folder):
    for path in (
        "recipes",
        "tests/recipes",
        "tests/consistency",
        "speechbrain",
    ):
        if not (checkout / path).is_dir():
            raise SerMtlError(
                f"{checkout}: expected a checkout of SpeechBrain, there is no "
                f"folder {path}. Get one with git clone "
                "https://github.com/speechbrain/speechbrain"
            )
    if folder.exists():
        raise SerMtlError(
            f"{folder} is there already; nothing is written over it. Remove "
            "it and the recipe's rows in tests/recipes, or take another branch."
        )


def _merged_rows(corpus, table):
    """What tests/recipes/CORPUS.csv becomes; rows of other recipes stay."""
    ours = ROOT / "tests" / "recipes" / f"{corpus}.csv"
    text = ours.read_text(encoding="utf-8").replace(
        f"recipes/{corpus}/", f"recipes/{corpus}/{TASK}/"
    )
    if not table.exists():
        return text
    theirs = table.read_text(encoding="utf-8")
    header, _, rows = text.partition("\n")
    if theirs.splitlines()[:1] != [header]:
        raise SerMtlError(
            f"{table}, line 1: found {theirs[:200]!r}, expected {header!r}."
        )
    new, old = _yamls(text), _yamls(theirs)
    if new & old:
        raise SerMtlError(
            f"{table} has rows of this recipe already:\n"
            f"{shortlist(sorted(new & old))}\nRemove them first."
        )
    return f"{theirs.rstrip()}\n{rows}"


def _yamls(text):
    return {row["Hparam_file"] for row in csv.DictReader(io.StringIO(text))}


def _merged_words(theirs, files):
    """Their list, and those words of ours that are in the files."""
    known = theirs.read_text(encoding="utf-8")
    text = "".join(file.read_text(encoding="utf-8") for file in files).lower()
    ours = (ROOT / WORDS).read_text(encoding="utf-8").split()
    new = sorted(
        word
        for word in set(ours) - set(known.split())
        if re.search(rf"\b{word}\b", text)
    )
    return "\n".join([known.rstrip("\n"), *new, ""])


def _preparations(source):
    """The modules in a corpus's folder: its preparation and what it needs."""
    return sorted(set(source.glob("*.py")) - {source / "train.py"})


def _write_recipe(source, folder, checkout):
    """The folder of the recipe, but for the preparation."""
    (folder / "hparams").mkdir(parents=True)
    yamls = sorted((source / "hparams").glob("*.yaml"))
    cards = source / CARDS[0]
    texts = {
        "train.py": PATH.sub("\n", _read(source / "train.py")),
        CARDS[1]: _read(cards),
        "README.md": _readme(
            _read(source / "README.md"), source.name, checkout
        ),
        **{f"hparams/{file.name}": _read(file) for file in yamls},
    }
    start = [RECIPES / "train.py", source / "README.md", *yamls]
    start += _preparations(source)
    files, libraries = import_closure(start, [ROOT, source])
    modules = ROOT / "ser_mtl_modules"
    texts |= {
        str(file.relative_to(ROOT)): _read(file)
        for file in files
        if file.is_relative_to(modules)
    }
    extra = _extra_requirements(libraries, checkout)
    if extra:
        texts["extra_requirements.txt"] = extra
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "train.py").chmod(0o755)


def _read(file):
    text = file.read_text(encoding="utf-8")
    return text.replace(*CARDS).replace("  # noqa: E402", "")


def _readme(text, corpus, checkout):
    """With what is to be known of it here, and links that lead somewhere."""

    def link(found):
        words, other, part = found.groups()
        readme = f"recipes/{other}/{TASK}/README.md"
        if not (checkout / readme).exists():
            return words
        return f"[{words}](../../{other}/{TASK}/README.md{part or ''})"

    title, _, body = LINK.sub(link, REPORT.sub("", text)).partition("\n")
    return f"{title}\n{PREFACE.format(corpus=corpus)}{body}{AFTERWORD}"


def _extra_requirements(libraries, checkout):
    """Lines of our requirements.txt that SpeechBrain does not require itself."""
    distributions = importlib.metadata.packages_distributions()
    used = {
        _plain(d) for name in libraries for d in distributions.get(name, [])
    }
    theirs = (checkout / "requirements.txt").read_text(encoding="utf-8")
    known = {_plain(line) for line in theirs.splitlines()} | {"speechbrain"}
    ours = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    lines = [x for x in ours.splitlines() if _plain(x) in used - known]
    return "".join(f"{line}\n" for line in sorted(lines))


def _plain(requirement):
    """The name in a line of a requirements.txt, in one way of writing."""
    name = re.match(r"[\w.-]*", requirement)[0]
    return re.sub("[-_.]+", "-", name).lower()


def _place(preparations, folder, target):
    """Writes the preparation; gives the files that go above the recipe's folder.

    As usual upstream, they lie in the corpus's folder and its recipes link to
    them. Where a file of that name is another recipe's, they are in this one's.
    """
    texts = {file.name: _read(file) for file in preparations}
    taken = any((target / name).exists() for name in texts)
    place = folder if taken else folder.parent
    for name, text in texts.items():
        (place / name).write_text(text, encoding="utf-8")
        if not taken:
            (folder / name).symlink_to(f"../{name}")
    return [] if taken else [place / name for name in texts]


def _tidy(paths):
    """Sorts imports: what is first party here is not so there."""
    if shutil.which("ruff", path=os.path.dirname(sys.executable)) is None:
        raise SerMtlError(
            "SpeechBrain's linter sorts the imports, and ruff is not "
            "installed: pip install 'ser-mtl[dev]'"
        )
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--fix", "--select=I"], ["format"]):
        subprocess.run(
            [*ruff, *command, "--quiet", "--no-cache", *map(str, paths)],
            check=True,
            cwd=paths[0].parent,
        )


PREFACE = """
Where this recipe comes from, ser-mtl, it stands beside those of other corpora.
What it is made of is in `ser_mtl_modules/`, as far as it needs it; the commands
`python -m ser_mtl_modules` below, files in `published/` and tests are in ser-mtl.
There, `python -m ser_mtl_modules sample-corpus {corpus} tests/tmp/{corpus}` makes
what the rows of `tests/recipes/{corpus}.csv` are run on. Protocol cards are in
`protocols.yml`.

```
pip install -r extra_requirements.txt
```
"""
AFTERWORD = """
## SpeechBrain

https://speechbrain.github.io; please cite https://arxiv.org/abs/2407.00463 (1.0)
and https://arxiv.org/abs/2106.04624 if you use it.
"""
