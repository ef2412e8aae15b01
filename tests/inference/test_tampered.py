"""Exports that someone has changed are refused, before they can do anything.

Each case changes a copy of an export as someone would who wants to run a
program on the machine of whoever loads it, to read files there, to fill its
memory, or to have wrong answers taken for right ones.
"""

import json
import os
import pickle
import shutil
import struct
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.inference.recognizer import EmotionRecognizer
from ser_mtl_modules.inference.safe_folder import check_folder

WEIGHTS, YAML, LABELS = (
    "model.safetensors",
    "hyperparams.yaml",
    "label_encoder.txt",
)
CONFIG, FEATURES = "encoder/config.json", "encoder/preprocessor_config.json"
CASES = {}


def case(function):
    """A tampering of an export's folder, named after what it does."""
    CASES[function.__name__] = function
    return function


class Harm:
    """Leaves a file if it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch HARMED",)


# ---- the YAML: what it names, and how


def replaced(name, old, new):
    """A case that puts other text into the YAML."""

    def tamper(folder):
        text = (folder / YAML).read_text()
        assert old in text, old
        (folder / YAML).write_text(text.replace(old, new, 1))

    CASES[name] = tamper


def added(name, line):
    """A case that puts a line before the others."""
    replaced(name, "sample_rate: 16000\n", f"{line}\nsample_rate: 16000\n")


TOUCH = "[touch HARMED]"
added("apply", f"x: !apply:os.system {TOUCH}")
added("hidden_apply", f"__x: !apply:os.system {TOUCH}")
added("applyref", "x: !applyref:os.getcwd")
added("include", "x: !include:/etc/passwd")
added("module", "x: !module:os")
added("copy", "x: !copy <classes>")
added("tuple_tag", "x: !tuple (1, 2)")
added("placeholder", "x: !PLACEHOLDER")
added("unknown_key", "x: 1")
added("python_apply", f"x: !!python/object/apply:os.system {TOUCH}")
added("python_new", f"x: !!python/object/new:os.system {TOUCH}")
added("python_object", "x: !!python/object:os.stat_result {}")
added("python_name", "x: !!python/name:os.system ''")
added("python_module", "x: !!python/module:os ''")
added(
    "verbatim", f"x: !<tag:yaml.org,2002:python/object/apply:os.system> {TOUCH}"
)
added("twice", "classes: [a, b]")
added("merge_key", f"<<: {{x: !apply:os.system {TOUCH}}}")
added("complex_key", f"? !apply:os.system {TOUCH}\n: 1")
added("reference_to_power", "x: !ref 9 ** 999999999")
for wrong, tag in {
    "new_of_os": f"!new:os.system {TOUCH}",
    "new_of_popen": "!new:subprocess.Popen [[touch, HARMED]]",
    "name_of_os": "!name:os.system",
    "name_of_eval": "!name:builtins.eval",
    "new_of_another_of_ours": "!new:ser_mtl_modules.inference.trained_run."
    "TrainedRun [somewhere]",
    "prefix_of_a_class": "!new:ser_mtl_modules.tasks.classification."
    "Classification.mro",
    "escaped_name": f"!new:%6fs.system {TOUCH}",
    "apply_of_a_class": "!apply:torch.nn.Identity",
    "set": "!!set {a}",
    "binary": "!!binary aGk=",
    "timestamp": "2001-01-01",
    "ordered": "!!omap [a: 1]",
    "path": "/etc/passwd",
    "path_upwards": "../../secret",
    "home": "~",
    "url": "http://localhost/x",
    "tuple": "(1, 2)",
    "reference": "!ref <tasks>",
    "long_digits": "9" * 5000,
    "hexadecimal": "0xFFFFFFFFFFFF",
    "not_a_number": ".nan",
    "infinity": ".inf",
    "deep": "[" * 3000 + "]" * 3000,
    "many_words": "[" + "a, " * 60000 + "a]",
}.items():
    replaced(f"value_{wrong}", "\nwindow_s: ", f"\nwindow_s: {tag} #")
replaced("anchor", "- neutral\n", f"- &x !apply:os.system {TOUCH}\n- *x\n")
replaced(
    "anchor_of_a_merge",
    "tasks: !new:torch.nn.ModuleDict\n",
    f"tasks: !new:torch.nn.ModuleDict\n  <<: &x {{modules: !apply:os.system "
    f"{TOUCH}}}\n",
)
replaced("alias_bomb", "- neutral\n", "- &a [x, x]\n- [*a, *a, *a, *a]\n")
replaced("tag_directive", "# ####", "%TAG ! tag:yaml.org,2002:python/\n---\n#")
replaced("yaml_directive", "# ####", "%YAML 1.1\n---\n#")
replaced(
    "second_document",
    "tasks: !new",
    f"---\nx: !apply:os.system {TOUCH}\n---\ntasks: !new",
)
replaced("folder", "folder: .", "folder: /etc")
replaced("no_weights", "pretrainer: !new", "pretrained: !new")
replaced(
    "hook",
    "!name:ser_mtl_modules.inference.weights.load_weights",
    "!name:torch.load",
)
replaced("weights_elsewhere", "<folder>/model.safetensors", "/tmp/model.ckpt")
replaced("weights_upwards", "<folder>/model.safetensors", "<folder>/../x.ckpt")
replaced(
    "modules",
    "    tasks: !ref <tasks>\n",
    f"    tasks: !apply:os.system {TOUCH}\n",
)
replaced("encoder_elsewhere", "<folder>/encoder", "<folder>/../../secret")
replaced("encoder_of_a_path", "source: !ref <folder>/encoder", "source: /etc")
replaced(
    "encoder_of_the_hub",
    "source: !ref <folder>/encoder",
    "source: someone/evil",
)
replaced("encoder_with_weights", "pretrained: false", "pretrained: true")
replaced("class_name_is_a_path", "- neutral\n", "- /etc/passwd\n")
replaced("too_large", "input_size: 16\n", "input_size: 999999\n")
replaced("negative", "average: 2", "average: -9999999")
replaced("wrong_argument", "average: 2", "avarage: 2")
replaced("no_rate", "\nsample_rate: 16000", "\nsample_rate: 0")
replaced("endless_windows", "\noverlap_s: ", "\noverlap_s: 999 #")
replaced(
    "classes_in_another_order", "- neutral\n- calm\n", "- calm\n- neutral\n"
)
replaced("no_yaml", "tasks: !new", "tasks: [}{ !new")


@case
def yaml_is_binary(folder):
    (folder / YAML).write_bytes(b"\xff\xfe\x00x: 1")


@case
def yaml_is_a_list(folder):
    (folder / YAML).write_text("[1, 2]")


@case
def yaml_is_empty(folder):
    (folder / YAML).write_text("")


# ---- the weights


def header(folder, change):
    """Rewrites the header of the weights."""
    data = (folder / WEIGHTS).read_bytes()
    (n,) = struct.unpack("<Q", data[:8])
    content = change(json.loads(data[8 : 8 + n]))
    text = content if isinstance(content, bytes) else json.dumps(content)
    text = text if isinstance(text, bytes) else text.encode()
    (folder / WEIGHTS).write_bytes(
        struct.pack("<Q", len(text)) + text + data[8 + n :]
    )


def lied(name, change):
    """A case with another description of one tensor."""

    def tamper(folder):
        def changed(content):
            largest = max(
                (k for k in content if k != "__metadata__"),
                key=lambda k: content[k]["data_offsets"][1],
            )
            content[largest] = {**content[largest], **change(content[largest])}
            return content

        header(folder, changed)

    CASES[f"header_{name}"] = tamper


lied("huge_shape", lambda t: {"shape": [2**40, 2**20]})
lied("overflow", lambda t: {"shape": [2**63, 2]})
lied("beyond_the_file", lambda t: {"data_offsets": [0, 10**15]})
lied("negative_offset", lambda t: {"data_offsets": [-8, 8]})
lied("overlap", lambda t: {"data_offsets": [0, t["data_offsets"][1]]})
lied("dtype", lambda t: {"dtype": "F64"})
lied("unknown_dtype", lambda t: {"dtype": "pickle"})
lied("other_shape", lambda t: {"shape": [*t["shape"], 1]})


@case
def header_longer_than_the_file(folder):
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", 2**62) + data[8:])


@case
def header_is_no_json(folder):
    header(folder, lambda content: b"{" * 1000)


@case
def weights_are_a_pickle(folder):
    (folder / WEIGHTS).write_bytes(pickle.dumps(Harm()))


@case
def weights_are_a_checkpoint(folder):
    torch.save({"a": torch.ones(1)}, folder / WEIGHTS)


@case
def weights_are_a_pickle_beside_the_place(folder):
    (folder / WEIGHTS).unlink()
    (folder / "model.ckpt").write_bytes(pickle.dumps(Harm()))


@case
def weights_are_empty(folder):
    (folder / WEIGHTS).write_bytes(b"")


@case
def weights_are_cut_off(folder):
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[:-100])


def weights(name, change):
    """A case with other tensors."""

    def tamper(folder):
        tensors = load_file(folder / WEIGHTS)
        tensors = {k: v.clone() for k, v in tensors.items()}
        save_file(change(tensors), folder / WEIGHTS)

    CASES[f"weights_{name}"] = tamper


LAST = "tasks.emotion.classify.3.bias"
weights("missing", lambda t: {k: v for k, v in t.items() if k != LAST})
weights("more", lambda t: {**t, "more": torch.ones(2)})
weights("of_another_size", lambda t: {**t, LAST: torch.ones(9)})
weights("in_half_precision", lambda t: {**t, LAST: t[LAST].half()})
weights("nan", lambda t: {**t, LAST: t[LAST] * np.nan})
weights("infinite", lambda t: {**t, LAST: t[LAST] / 0})


# ---- the encoder's settings


def setting(name, file=CONFIG, **changes):
    """A case with other settings of the encoder."""

    def tamper(folder):
        settings = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps({**settings, **changes}))

    CASES[f"setting_{name}"] = tamper


setting("auto_map", auto_map={"AutoModel": "evil.Model"})
setting(
    "auto_map_of_features",
    FEATURES,
    auto_map={"AutoFeatureExtractor": "evil.X"},
)
setting("name_or_path", _name_or_path="someone/evil")
setting("attention_from_the_hub", attn_implementation="someone/kernel")
setting("hidden_attention", _attn_implementation="someone/kernel")
setting("quantization", quantization_config={"quant_method": "gptq"})
setting("another_kind", model_type="llama")
setting("own_kind", model_type="../evil")
setting("activation", activation_function="os.system")
setting("kernels", use_kernels="someone/kernels")
setting("too_many_layers", encoder_layers=10**6)
setting("too_wide", d_model=10**12)
setting("wider_than_the_weights", d_model=2048)
setting("not_a_number", dropout=float("nan"))
setting("nested", text_config={"auto_map": {}})
setting("huge_fft", FEATURES, n_fft=10**6)
setting("many_bands", FEATURES, feature_size=10**6)
setting("class", FEATURES, feature_extractor_type="Evil")
setting("list_of_strings", conv_dim=["os.system"])


@case
def settings_are_no_json(folder):
    (folder / CONFIG).write_text("{")


@case
def settings_are_deep(folder):
    (folder / CONFIG).write_text("[" * 40_000 + "]" * 40_000)


@case
def settings_are_a_list(folder):
    (folder / FEATURES).write_text("[]")


@case
def settings_are_missing(folder):
    (folder / CONFIG).unlink()


@case
def code_beside_the_settings(folder):
    (folder / "encoder" / "modeling_evil.py").write_text("import os")


@case
def weights_beside_the_settings(folder):
    torch.save({}, folder / "encoder" / "pytorch_model.bin")


@case
def other_settings_beside_them(folder):
    (folder / "encoder" / "processor_config.json").write_text("{}")


# ---- files


def linked(name, file):
    """A case with a link out of the folder in a file's place."""

    def tamper(folder):
        outside = folder.parent / f"outside-{name}"
        shutil.move(folder / file, outside)
        (folder / file).symlink_to(outside)

    CASES[f"link_of_{name}"] = tamper


linked("yaml", YAML)
linked("weights", WEIGHTS)
linked("labels", LABELS)
linked("encoder", "encoder")
linked("config", CONFIG)


@case
def link_to_nowhere(folder):
    (folder / LABELS).unlink()
    (folder / LABELS).symlink_to("nowhere")


@case
def link_to_itself(folder):
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).symlink_to(folder / WEIGHTS)


@case
def pipe(folder):
    (folder / YAML).unlink()
    os.mkfifo(folder / YAML)


@case
def folder_for_a_file(folder):
    (folder / YAML).unlink()
    (folder / YAML).mkdir()


@case
def labels_in_another_order(folder):
    lines = (folder / LABELS).read_text().splitlines()
    (folder / LABELS).write_text("\n".join([lines[1], lines[0], *lines[2:]]))


@case
def labels_are_empty(folder):
    (folder / LABELS).write_text("")


@case
def labels_are_binary(folder):
    (folder / LABELS).write_bytes(b"\xff\xfe")


def test_there_are_enough_of_them():
    assert len(CASES) >= 50


@pytest.mark.parametrize("name", CASES)
def test_a_tampered_export_is_refused(exports, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where harm would be done
    folder = shutil.copytree(exports["frozen"], tmp_path / "export")
    CASES[name](folder)
    start = time.process_time()
    with pytest.raises(SerMtlError) as error:
        EmotionRecognizer.from_hparams(folder, run_opts={"device": "cpu"})
    assert time.process_time() - start < 1
    assert str(folder) in str(error.value) and len(str(error.value)) < 2500
    assert not list(tmp_path.rglob("HARMED"))


def test_what_was_not_changed_is_not_refused(exports, kind, tmp_path):
    folder = shutil.copytree(exports[kind], tmp_path / "export")
    (folder / "notes.txt").write_text("mine")
    check_folder(folder)
    inside = folder / "labels"  # a link within the folder is harmless
    shutil.move(folder / LABELS, inside)
    (folder / LABELS).symlink_to("labels")
    EmotionRecognizer.from_hparams(folder, run_opts={"device": "cpu"})


def test_trust_is_for_those_who_say_so(exports, tmp_path):
    folder = shutil.copytree(exports["frozen"], tmp_path / "export")
    text = (folder / YAML).read_text()
    (folder / YAML).write_text(f"x: !apply:os.getpid []\n{text}")
    cpu = {"device": "cpu"}
    with pytest.raises(SerMtlError, match="trust=True"):
        EmotionRecognizer.from_hparams(folder, run_opts=cpu)
    trusted = EmotionRecognizer.from_hparams(folder, run_opts=cpu, trust=True)
    assert trusted.hparams.x == os.getpid()


def test_a_yaml_of_another_folder_is_refused(exports):
    with pytest.raises(SerMtlError, match="expected the name of a file"):
        EmotionRecognizer.from_hparams(
            exports["fbank"], hparams_file="../frozen/hyperparams.yaml"
        )
