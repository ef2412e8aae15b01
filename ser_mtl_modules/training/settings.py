"""A YAML and its overrides, before anything is built of them."""

import hashlib
import io

import ruamel.yaml
from hyperpyyaml import resolve_references

import speechbrain as sb
from ser_mtl_modules.atomic import atomic_write
from ser_mtl_modules.errors import SerMtlError, nearest

# Keys that the fold's train set gives, where the YAML has them
FOUND = ("classes", "class_counts", "genders", "speakers", "styles")


def override(yaml_file, overrides):
    """Puts overrides into a YAML, as text that HyperPyYAML can load.

    HyperPyYAML merges a mapping into the one that is there and keeps the old
    tag, so that ``--fusion='!name:Other {size: 3}'`` would silently build the
    old class. Here a value that has a tag of its own replaces what was there.
    A mapping without one changes keys that are there and adds none, as a
    misspelt one would do nothing; ``!new:builtins.dict {...}`` is one that
    replaces it.

    Arguments
    ---------
    yaml_file : str
        Path of the hyperparameters.
    overrides : str or dict
        ``key: value`` lines, as ``speechbrain.parse_arguments`` gives them.

    Returns
    -------
    str

    Raises
    ------
    SerMtlError
        If a key is not in the YAML; the nearest one is offered.
    """
    parser = ruamel.yaml.YAML()
    with open(yaml_file, encoding="utf-8") as file:
        tree = parser.load(file)
    for key, value in parse(overrides).items():
        _override(tree, key, value, f"{yaml_file}: --{key}")
    text = io.StringIO()
    parser.dump(tree, text)
    return text.getvalue()


def _override(tree, key, value, where):
    if key not in tree:
        message = f"{where}: no such key '{key}'. {nearest(key, tree)}"
        if not (_tag(tree) or where.endswith(f"--{key}")):
            # neither the YAML itself nor an object's arguments
            message += (
                f" A mapping of other keys: !new:builtins.dict {{{key}: ...}}"
            )
        raise SerMtlError(message)
    if (
        isinstance(value, dict)
        and not _tag(value)
        and isinstance(tree[key], dict)
    ):
        for name, part in value.items():
            _override(tree[key], name, part, where)
    else:
        tree[key] = value


def plain_settings(text, later=()):
    """The plain values of a YAML: references resolved, nothing built.

    Arguments
    ---------
    text : str
        As `override` gives it.
    later : iterable of str
        Keys that the corpus will give: they may still be ``!PLACEHOLDER``.

    Returns
    -------
    dict
        Of the keys whose values are numbers, strings, or lists of them.

    Raises
    ------
    SerMtlError
        If another key is ``!PLACEHOLDER``: it has to be given.
    """
    parser = ruamel.yaml.YAML()
    tree = parser.load(text)
    for key, value in tree.items():
        if _tag(value) == "!PLACEHOLDER":
            if key not in later:
                raise SerMtlError(f"--{key} is missing; give --{key}=VALUE.")
            tree[key] = None
    text = io.StringIO()
    parser.dump(tree, text)
    resolved = resolve_references(text.getvalue()).getvalue()
    tree = parser.load(resolved)
    return {k: v for k, v in tree.items() if _is_plain(v)}


def _tag(value):
    return getattr(getattr(value, "tag", None), "value", None)


def _is_plain(value):
    if isinstance(value, dict):
        return False
    if isinstance(value, list):
        return all(_is_plain(v) for v in value)
    return value is None or isinstance(value, (bool, int, float, str))


def as_dict(overrides):
    """Overrides as plain values, for the record."""
    return {
        key: value if _is_plain(value) else _text(value)
        for key, value in parse(overrides).items()
    }


def _text(value):
    text = io.StringIO()
    ruamel.yaml.YAML().dump({"value": value}, text)
    return text.getvalue().partition(":")[2].strip()


def parse(overrides):
    """Overrides as a tree that keeps its tags.

    Arguments
    ---------
    overrides : str or dict
        As for `override`.

    Returns
    -------
    dict

    Raises
    ------
    SerMtlError
        If the text is not YAML, or a key is given twice.
    """
    if not isinstance(overrides, str):
        return overrides
    try:
        return ruamel.yaml.YAML().load(overrides) or {}
    except ruamel.yaml.constructor.DuplicateKeyError as error:
        raise SerMtlError(f"Given twice on the command line: {error.problem}.")
    except ruamel.yaml.error.YAMLError as error:
        raise SerMtlError(
            f"The overrides are not YAML. {error}\nQuote a value with special "
            "characters: --key='value'."
        )


def flags_for(yaml_file, flags):
    """Those flags of a command line that another YAML has a key for.

    Arguments
    ---------
    yaml_file : str or path-like
        Of the other.
    flags : list of str
        As SpeechBrain takes them; its own options are for all YAMLs.

    Returns
    -------
    list of str
    """
    with open(yaml_file, encoding="utf-8") as file:
        keys = ruamel.yaml.YAML().load(file)
    _, _, ours = sb.parse_arguments([str(yaml_file), *flags])
    return without(set(parse(ours)) - set(keys), flags)


def without(keys, flags):
    """A command line without the flags of some keys.

    Arguments
    ---------
    keys : collection of str
        What is to be left out.
    flags : list of str
        As SpeechBrain takes them.

    Returns
    -------
    list of str

    Example
    -------
    >>> without(["card"], ["--card", "a", "--fold=1", "--card=b"])
    ['--fold=1']
    """
    kept, left_out = [], False
    for flag in flags:  # --key=value, or --key value
        if flag.startswith("--"):
            left_out = flag[2:].partition("=")[0] in keys
        kept += [] if left_out else [flag]
    return kept


def checksum(yaml_file):
    """A checksum of what a YAML says, whatever its comments and spaces.

    Arguments
    ---------
    yaml_file : str or path-like
        Path of the hyperparameters.

    Returns
    -------
    str
    """
    with open(yaml_file, encoding="utf-8") as file:
        said = [
            [type(event).__name__]
            + [str(getattr(event, name, "")) for name in ("tag", "value")]
            for event in ruamel.yaml.YAML().parse(file)
        ]
    return hashlib.sha256(repr(said).encode()).hexdigest()


def save(path, text):
    """Writes the YAML with which this run was made, overrides included."""
    with atomic_write(path) as file:
        file.write(text)
