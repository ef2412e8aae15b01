"""All files that some code needs, found in the code itself.

Python says in its ``import`` statements what it needs, a YAML in its tags, and
a README in the tags of the overrides that it recommends.
"""

import ast
import re
from pathlib import Path

TAG = re.compile(r"!(?:new|name|apply):([\w.]+)")


def import_closure(files, folders):
    """The files themselves, and all local ones that they need.

    Arguments
    ---------
    files : iterable of Path
        Python, and text with YAML's tags in it.
    folders : list of Path
        Where modules are looked for; all else is a library's.

    Returns
    -------
    (set of Path, set of str)
        The files, with the ``__init__.py`` of their packages, and the names of
        the libraries' packages.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> for name in ("a", "b", "c"):
    ...     _ = (folder / f"{name}.py").write_text("import math")
    >>> _ = (folder / "a.py").write_text("def f():\\n    from b import g")
    >>> _ = (folder / "x.yaml").write_text("x: !name:a.f")
    >>> files, libraries = import_closure([folder / "x.yaml"], [folder])
    >>> sorted(file.name for file in files), libraries
    (['a.py', 'b.py', 'x.yaml'], {'math'})
    """
    waiting, found, libraries = [*files], set(), set()
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        for name in names_in(file):
            local = local_files(name, folders)
            waiting += local
            if not local:
                libraries.add(name.partition(".")[0])
    return found, libraries


def names_in(file):
    """Dotted names of all that a file needs.

    Arguments
    ---------
    file : Path
        Python, or text with YAML's tags.

    Returns
    -------
    set of str
        Of modules, or of what is in them.
    """
    text = Path(file).read_text(encoding="utf-8")
    if file.suffix != ".py":
        return set(TAG.findall(text))
    names = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def local_files(name, folders):
    """The files of a module and of the packages that it is in.

    Arguments
    ---------
    name : str
        Of a module, or of what is in it.
    folders : list of Path
        Where it is looked for.

    Returns
    -------
    list of Path
        Empty if the module is a library's.
    """
    parts = name.split(".")
    files = []
    for folder in folders:
        for i in range(len(parts)):
            path = folder.joinpath(*parts[: i + 1])
            files += [path / "__init__.py", path.with_suffix(".py")]
    return [file for file in files if file.is_file()]
