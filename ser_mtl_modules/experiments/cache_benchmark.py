"""Seconds an epoch takes with stored levels, and with the encoder in it.

> python -m ser_mtl_modules.experiments.cache_benchmark \\
>     recipes/RAVDESS/hparams/mtl_frozen.yaml --data_folder=/path/to/RAVDESS

The YAML's ``signal`` is ``CachedLevels`` with the encoder as ``!name:`` in it.
Every other flag goes to train.py. Trains three times, for two epochs unless
``--number_of_epochs`` says otherwise, in folders that are removed afterwards;
without mixup, as waves and levels are not mixed alike.
"""

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


def seconds(yaml, flags, folder):
    """Trains; gives seconds of an epoch, and of all that is not epochs."""
    script = Path(yaml).absolute().parents[1] / "train.py"
    flags = [*flags, f"--output_folder={folder}", "--noprogressbar"]
    started = time.monotonic()
    subprocess.run([sys.executable, str(script), str(yaml), *flags], check=True)
    whole = time.monotonic() - started
    results = json.loads((Path(folder) / "results.json").read_text())
    return results["seconds"] / results["epochs"], whole - results["seconds"]


def main(arguments):
    """Trains with stored levels, again with them, and without."""
    yaml, *flags = arguments
    if not any(flag.startswith("--number_of_epochs") for flag in flags):
        flags.append("--number_of_epochs=2")
    flags.append(NO_MIXUP)
    waves = without_cache(Path(yaml).read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        runs = {
            "stored levels, first run": flags,
            "stored levels, second run": flags,
            "encoder in every step": [*flags, *waves],
        }
        for i, (name, given) in enumerate(runs.items()):
            epoch, rest = seconds(yaml, given, f"{folder}/{i}")
            print(f"{name:26} {epoch:8.1f} s/epoch, {rest:8.1f} s besides")


if __name__ == "__main__":
    with said_plainly():
        sys.exit(main(sys.argv[1:]))
