"""Seconds an epoch takes with stored levels, and with the encoder in it.

> python -m ser_mtl_modules.experiments.cache_benchmark \\
>     recipes/RAVDESS/hparams/mtl_frozen.yaml --data_folder=/path/to/RAVDESS

The YAML's ``signal`` is ``CachedLevels`` with the encoder as ``!name:`` in it.
Every other flag goes to train.py. Trains three times, for two epochs unless
``--number_of_epochs`` says otherwise, in folders that are removed afterwards;
without mixup, as waves and levels are not mixed alike.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ruamel.yaml

from ser_mtl_modules.errors import SerMtlError, said_plainly

NAME, NEW = "!name:", "!new:"
NO_MIXUP = "--mixup=!new:ser_mtl_modules.augment.mixup.NoMixup"


def without_cache(text):
    """What turns a YAML with stored levels into one that encodes waves.

    Arguments
    ---------
    text : str
        The YAML.

    Returns
    -------
    list of str
        Flags for train.py.

    Example
    -------
    >>> yaml = '''
    ... signal: !new:some.CachedLevels
    ...     encoder: !name:some.Encoder
    ...         freeze: all
    ...     waves: !new:some.Waves
    ...         sample_rate: 16000
    ...     folder: results/features
    ... '''
    >>> for flag in without_cache(yaml):
    ...     print(flag)
    --signal=!new:some.Waves {sample_rate: 16000}
    --encoder=!new:some.Encoder {freeze: all}
    """
    signal = ruamel.yaml.YAML().load(text).get("signal")
    if not isinstance(signal, dict) or not {"encoder", "waves"} <= set(signal):
        raise SerMtlError(
            "signal: has no encoder and waves in it, so there is nothing to "
            "compare; name a YAML that uses CachedLevels."
        )
    waves, encoder = map(_one_line, (signal["waves"], signal["encoder"]))
    if not encoder.startswith(NAME):
        raise SerMtlError(f"signal: encoder: {encoder}; expected {NAME}CLASS.")
    return [f"--signal={waves}", f"--encoder={NEW}{encoder[len(NAME) :]}"]


def _one_line(node):
    """A part of a YAML as text that fits into a flag."""
    parser = ruamel.yaml.YAML()
    parser.default_flow_style = True
    parser.width = 10**6
    _to_flow(node)
    text = io.StringIO()
    parser.dump({"node": node}, text)
    line = " ".join(text.getvalue().split())
    return line.removeprefix("{node: ").removesuffix("}")


def _to_flow(node):
    if hasattr(node, "fa"):
        node.fa.set_flow_style()
        node.ca.items.clear()  # a comment would end the line
        node.ca.comment = None
        for part in node.values() if isinstance(node, dict) else node:
            _to_flow(part)


BEGINS = "Going into epoch"  # SpeechBrain's epoch counter says so


def seconds(yaml, flags, folder):
    """Trains, and shows what that says.

    Arguments
    ---------
    yaml : Path
        In a recipe's ``hparams``.
    flags : list of str
        For train.py.
    folder : str
        Gets the run.

    Returns
    -------
    tuple of float
        Seconds until the first epoch begins, of an epoch, and of all.
    """
    script = yaml.absolute().parents[1] / "train.py"
    flags = [*flags, f"--output_folder={folder}", "--noprogressbar"]
    command = [sys.executable, str(script), str(yaml), *flags]
    started, begun = time.monotonic(), None
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout:
            print(line, end="")
            if begun is None and BEGINS in line:
                begun = time.monotonic() - started
    if process.returncode:
        raise SerMtlError(
            f"{script.name} ended with exit code {process.returncode}: what "
            "it said stands above."
        )
    whole = time.monotonic() - started
    results = json.loads((Path(folder) / "results.json").read_text())
    return begun, results["seconds"] / results["epochs"], whole


def main(arguments):
    """Trains with stored levels, again with them, and without."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("yaml", type=Path, help="other flags are train.py's")
    args, flags = parser.parse_known_args(arguments)
    try:
        waves = without_cache(args.yaml.read_text(encoding="utf-8"))
    except OSError as error:
        raise SerMtlError(
            f"{args.yaml}: {error.strerror}. Expected a recipe's YAML."
        ) from None
    if not any(flag.startswith("--number_of_epochs") for flag in flags):
        flags.append("--number_of_epochs=2")
    flags.append(NO_MIXUP)
    table = []
    with tempfile.TemporaryDirectory() as folder:
        for i, (name, given) in enumerate(
            {
                "stored levels, first run": flags,
                "stored levels, second run": flags,
                "encoder in every step": [*flags, *waves],
            }.items()
        ):
            figures = seconds(args.yaml, given, f"{folder}/{i}")
            table.append(f"{name:26}" + "".join(f"{x:10.1f}" for x in figures))
    print(f"{'seconds':26}{'begins':>10}{'an epoch':>10}{'in all':>10}")
    print("\n".join(table))


if __name__ == "__main__":
    with said_plainly():
        sys.exit(main(sys.argv[1:]))
