"""What code needs is found, wherever in it that is said."""

import pytest

from ser_mtl_modules.scaffold.import_closure import import_closure, names_in


@pytest.fixture
def folder(tmp_path):
    """A package of three modules."""
    (tmp_path / "p" / "q").mkdir(parents=True)
    for name in ("p/__init__", "p/a", "p/b", "p/q/__init__", "p/q/c"):
        (tmp_path / f"{name}.py").touch()
    return tmp_path


def closure(folder, text, name="start.py"):
    start = folder / name
    start.write_text(text)
    files, libraries = import_closure([start], [folder])
    names = {str(f.relative_to(folder)) for f in files - {start}}
    return names, libraries


@pytest.mark.parametrize(
    "text, found",
    [
        ("import p.a", {"p/__init__.py", "p/a.py"}),
        ("import p.a as x, os", {"p/__init__.py", "p/a.py"}),
        ("from p import a", {"p/__init__.py", "p/a.py"}),
        ("from p.a import f, g", {"p/__init__.py", "p/a.py"}),
        (
            "if x:\n    def f():\n        import p.b",
            {"p/__init__.py", "p/b.py"},
        ),
        ("from p.q import c", {"p/__init__.py", "p/q/__init__.py", "p/q/c.py"}),
        ("# import p.a\n'''import p.b'''", set()),
        ("import os.path\nfrom pp import a", set()),
    ],
)
def test_imports_are_found_in_any_form(folder, text, found):
    assert closure(folder, text)[0] == found


def test_what_is_imported_imports_too_even_in_circles(folder):
    (folder / "p/a.py").write_text("from p.b import f\nimport torch.nn")
    (folder / "p/b.py").write_text("import p.a")
    files, libraries = closure(folder, "import p.a")
    assert files == {"p/__init__.py", "p/a.py", "p/b.py"}
    assert libraries == {"torch"}


def test_tags_of_a_yaml_are_found_in_any_place(folder):
    text = "x: !new:p.a.C {y: [!name:p.q.c.f , !apply:torch.ones [3]]} # p.b\n"
    assert closure(folder, text, "x.yaml") == (
        {"p/__init__.py", "p/a.py", "p/q/__init__.py", "p/q/c.py"},
        {"torch"},
    )


def test_a_readme_needs_its_overrides_and_not_its_commands(folder):
    text = "`--x='!new:p.a.C'` or\n```\npython -m p.b\n```\n"
    start = folder / "README.md"
    start.write_text(text)
    assert names_in(start) == {"p.a.C"}
