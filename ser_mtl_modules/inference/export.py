"""A finished run as a folder that needs nothing else to recognise emotions."""

import contextlib
import io
import json
import math
import shutil
import tempfile
from pathlib import Path

import ruamel.yaml
import torch
from hyperpyyaml import load_hyperpyyaml, resolve_references

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.inference import safe_folder
from ser_mtl_modules.inference.model_card import model_card
from ser_mtl_modules.inference.recognizer import EmotionRecognizer
from ser_mtl_modules.inference.safe_yaml import ENDING, SOURCE
from ser_mtl_modules.inference.trained_run import TrainedRun
from ser_mtl_modules.inference.weights import save_weights
from ser_mtl_modules.lobes.level_encoder import LevelEncoder
from ser_mtl_modules.lobes.pretrained_model import read_feature_settings
from ser_mtl_modules.training.results import PROBABILITY
from speechbrain.dataio.encoder import CategoricalEncoder

MODULES = "ser_mtl_modules."
LEVEL_ENCODER = f"{MODULES}lobes.level_encoder.LevelEncoder"
AS_IS = f"{MODULES}augment.views.AsIs"
MODULE_DICT = "torch.nn.ModuleDict"
# Arguments that evaluation has no use for
TRAINING_ONLY = {
    "frame_losses",
    "gradient_checkpointing",
    "in_memory",
    "logit_losses",
    "loss",
    "mask",
    "soft_labels",
    "warp",
}
LONGEST_S = 35.0  # IEMOCAP's longest turn takes 34.1 s
TOLERANCE = 1e-5  # between what the run and its export say

HEADER = """\
# ############################################################################
# What {recipe}'s {yaml} learned ({card}, fold {fold}, seed {seed})
# For inference: EmotionRecognizer.from_hparams("this folder"), or
# python -m ser_mtl_modules predict "this folder" FILES
# ############################################################################

folder: . # where this file is; whoever loads it fills it in
"""


def export_run(run, folder, ssl_hub=None):
    """Writes a finished run as a folder in the layout of SpeechBrain's hub.

    ``hyperparams.yaml`` builds the model and has nothing of training,
    ``model.safetensors`` has all weights, the encoder's among them,
    ``encoder/`` the settings that a pre-trained encoder is built of,
    ``label_encoder.txt`` the classes in their order, ``README.md`` the model
    card. The export is loaded and compared with the run before it is there.

    Arguments
    ---------
    run : str or Path
        The output folder of a finished run.
    folder : str or Path
        Gets the export; must not exist, or be empty.
    ssl_hub : str, optional
        The pre-trained encoder, where it does not lie any more where training
        found it.

    Raises
    ------
    SerMtlError
        If the run is not finished, the folder is in use, or the run's YAML is
        made of what can't be exported.
    """
    with new_folder(folder) as written:
        trained = TrainedRun(run, ssl_hub=ssl_hub)
        _write(trained, written)
        _compare(trained, written)


@contextlib.contextmanager
def new_folder(folder):
    """A folder that is there when all of it is written, or not at all.

    Arguments
    ---------
    folder : str or Path
        Must not exist, or be empty.

    Yields
    ------
    Path
        Beside it; becomes it at the end.
    """
    folder = Path(folder).absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SerMtlError(
            f"{folder}: is there already, and not empty. Give the name of a "
            "new folder, or remove it."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        prefix=f".{folder.name}.", dir=folder.parent
    ) as temporary:
        written = Path(temporary) / "export"
        written.mkdir()
        yield written
        if folder.exists():
            folder.rmdir()
        shutil.move(written, folder)


def _write(trained, folder):
    tree = inference_tree(trained)
    text = HEADER.format(**trained.results) + _dump(tree) + ENDING
    (folder / safe_folder.YAML).write_text(text, encoding="utf-8")
    if SOURCE in text:
        (folder / "encoder").mkdir()
        _write_settings(folder, _whole_encoder(trained))
    built = load_hyperpyyaml(text, {"folder": str(folder)})["modules"]
    state = trained.model.state_dict()
    # what is left out is of losses
    kept = {name: state[name] for name in built.state_dict()}
    save_weights(folder / safe_folder.WEIGHTS, kept)
    # safetensors' own files are for their owner alone
    shutil.copymode(folder / safe_folder.YAML, folder / safe_folder.WEIGHTS)
    labels = CategoricalEncoder()
    labels.update_from_iterable(trained.classes)
    labels.save(folder / safe_folder.LABELS)
    card = model_card(trained, tree["window_s"], tree["overlap_s"])
    (folder / safe_folder.CARD).write_text(card, encoding="utf-8")


def _compare(trained, folder):
    """Raises if the export does not say what the run says."""
    rng = torch.Generator().manual_seed(0)
    wave = 0.1 * torch.randn(trained.sample_rate, generator=rng)
    exported = EmotionRecognizer.from_hparams(
        folder, trust=True, run_opts={"device": "cpu"}
    )
    first = trained.answers(wave, "noise")
    second = exported.model.answers(wave, exported.hparams.views, "noise")
    for column, value in first.items():
        if PROBABILITY.fullmatch(column):
            if not math.isclose(value, second[column], abs_tol=TOLERANCE):
                raise SerMtlError(
                    f"{trained.folder}: the export says {second[column]} for "
                    f"{column} of a second of noise, and the run {value}. It "
                    "was not written; this is a mistake of ours to report."
                )


# ---- the model, without what training needs


def inference_tree(trained):
    """The run's YAML with references resolved, and of it what inference needs.

    Arguments
    ---------
    trained : TrainedRun
        Whose YAML it is.

    Returns
    -------
    dict
        Of ruamel's nodes, whose tags are kept.
    """
    resolved = resolve_references(trained.text).getvalue()
    tree = ruamel.yaml.YAML().load(resolved)
    signal, encoder = tree["signal"], tree["modules"]["encoder"]
    views, waves = [_new(AS_IS)], signal
    if "encoder" in signal:  # levels that were computed before
        views, waves = signal.get("test_views") or views, signal["waves"]
        encoder = _new(
            LEVEL_ENCODER,
            encoder=_call(signal["encoder"]),
            levels=signal.get("levels"),
            average=signal.get("average", 1),
        )
    waves.pop("shards", None)  # are of the corpus
    window_s, overlap_s = hearing_window(trained)
    tree = {
        "sample_rate": trained.sample_rate,
        "classes": list(trained.classes),
        "signal": waves,
        "views": views,
        "window_s": window_s,
        "overlap_s": overlap_s,
        "encoder": encoder,
        "layer_fusions": _expanded(tree["modules"]["layer_fusions"], trained),
        "co_attention": _expanded(tree["modules"]["co_attention"], trained),
        "tasks": _expanded(tree["modules"]["tasks"], trained),
    }
    return {key: _pruned(value) for key, value in tree.items()}


def hearing_window(trained):
    """Seconds of the longest clip that is heard whole, and of the overlap.

    As long as the encoder hears, in its slowest view.

    Arguments
    ---------
    trained : TrainedRun
        Whose encoder and views they are.

    Returns
    -------
    tuple of float
    """
    rate = trained.sample_rate
    second = torch.ones(rate)
    views = trained.signal.views["test"]
    stretch = max(len(view(second, "")) / rate for view in views)
    model = getattr(_whole_encoder(trained), "model", None)
    most = getattr(model, "max_samples", None) or math.inf
    window_s = math.floor(10 * min(LONGEST_S, most / rate / stretch)) / 10
    return window_s, round(window_s / 6, 1)


def _whole_encoder(trained):
    """The encoder itself, also where training read its levels from disk."""
    encoder = trained.model.encoder
    return encoder.encoder if isinstance(encoder, LevelEncoder) else encoder


def _write_settings(folder, encoder):
    config = encoder.model.config.to_diff_dict()
    settings = {
        safe_folder.CONFIG: config,
        safe_folder.FEATURES: read_feature_settings(encoder.source),
    }
    for name, values in settings.items():
        if values is not None:
            harmless = {
                key: value
                for key, value in values.items()
                if safe_folder.is_harmless(key, value)
            }
            text = json.dumps(harmless, indent=2)
            (folder / name).write_text(text, encoding="utf-8")


# ---- nodes of a YAML


def _new(name, **arguments):
    """A node ``!new:name`` with arguments."""
    node = ruamel.yaml.comments.CommentedMap(arguments)
    node.yaml_set_ctag(ruamel.yaml.tag.Tag(suffix=f"!new:{name}"))
    return node


def _call(kind, **more):
    """``!new:`` of what a node ``!name:`` names, with more arguments."""
    name = kind.tag.value.partition(":")[2]
    given = dict(kind) if isinstance(kind, dict) else {}
    return _new(name, **given, **more)


def _expanded(node, trained):
    """A node whose ``!apply:`` has become what it gives."""
    tag = node.tag.value or ""
    if not tag.startswith("!apply:"):
        return node
    known = {
        f"!apply:{MODULES}tasks.base.select": _tasks,
        f"!apply:{MODULES}lobes.layer_fusion.for_each_task": _fusions,
        f"!apply:{MODULES}lobes.co_attention.build": _co_attention,
    }
    if tag not in known:
        raise SerMtlError(
            f"{trained.folder / safe_folder.YAML}: {tag} can't be exported, "
            f"as an export runs no function. Known: {', '.join(known)}."
        )
    return known[tag](node, trained)


def _tasks(node, trained):
    auxiliary = {name: node[name] for name in node["auxiliary_tasks"]}
    return _new(MODULE_DICT, modules={"emotion": node["main"], **auxiliary})


def _fusions(node, trained):
    encoder = trained.hparams["modules"]["encoder"]
    fusions = {
        task: _call(
            node["kind"],
            n_levels=encoder.n_levels,
            input_size=encoder.output_size,
            output_size=node["output_size"],
        )
        for task in trained.hparams["modules"]["tasks"]
    }
    return _new(MODULE_DICT, modules=fusions)


def _co_attention(node, trained):
    auxiliaries = list(node["auxiliaries"])
    nothing = _new(f"{MODULES}lobes.co_attention.Nothing")
    return _call(
        node["kind"] if auxiliaries else nothing,
        feature_size=node["feature_size"],
        auxiliaries=auxiliaries,
    )


def _pruned(node):
    """A copy without what only training needs, and without shared nodes."""
    if isinstance(node, dict):
        copy = ruamel.yaml.comments.CommentedMap(
            (key, _pruned(value))
            for key, value in node.items()
            if key not in TRAINING_ONLY
        )
        if "source" in copy:  # of a pre-trained encoder
            copy["source"] = ruamel.yaml.comments.TaggedScalar(
                SOURCE, tag=ruamel.yaml.tag.Tag(suffix="!ref")
            )
            copy["pretrained"] = False
    elif isinstance(node, list):
        copy = ruamel.yaml.comments.CommentedSeq(map(_pruned, node))
    else:
        return node
    if getattr(node, "tag", None) and node.tag.value:
        copy.yaml_set_ctag(node.tag)
    return copy


def _dump(tree):
    parser = ruamel.yaml.YAML()
    parser.width = 80
    text = io.StringIO()
    parser.dump(tree, text)
    return text.getvalue()
