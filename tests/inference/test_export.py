"""An export says what its run said, and needs nothing of it."""

import csv
import json
import shutil
import subprocess
import sys

import pytest
from hyperpyyaml import load_hyperpyyaml
from safetensors.torch import load_file
from tiny_ravdess import RECIPE, predictions

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.inference import safe_folder
from ser_mtl_modules.inference.export import export_run
from ser_mtl_modules.inference.safe_folder import check_folder

ALONE = """
import json, sys

from ser_mtl_modules.inference.recognizer import EmotionRecognizer

said = {}
for folder in sys.argv[1:3]:
    recognizer = EmotionRecognizer.from_hparams(
        folder, run_opts={"device": "cpu"}
    )
    said[folder] = rows = [recognizer.describe_file(f) for f in sys.argv[3:]]
    for row in rows:
        row.pop("embedding")
print(json.dumps(said))
"""


def test_a_fresh_process_gives_the_runs_predictions(runs, exports, tmp_path):
    # elsewhere, and with no encoder or run to be found
    folders = {
        kind: shutil.copytree(exports[kind], tmp_path / kind) for kind in runs
    }
    rows = {kind: predictions(run) for kind, run in runs.items()}
    corpus = runs["fbank"].parent / "RAVDESS"
    files = [next(corpus.rglob(f"{r['ID']}.wav")) for r in rows["fbank"]]
    output = subprocess.run(
        [sys.executable, "-c", ALONE, *folders.values(), *files],
        cwd=tmp_path,
        env={"PYTHONPATH": str(RECIPE.parents[1]), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for kind, folder in folders.items():
        said = json.loads(output)[str(folder)]
        assert len(said) == len(rows[kind]) == 8
        for row, expected in zip(said, rows[kind]):
            assert {"gender_prediction", "hypothesis"} <= set(row)
            for column, value in row.items():
                if "p_" in column:
                    expected[column] = float(expected[column])
                    value = pytest.approx(value, abs=1e-5)
                assert expected[column] == value


def test_the_folder_names_no_place_and_holds_no_training(runs, exports, kind):
    folder = exports[kind]
    written = [p for p in folder.rglob("*") if p.is_file()]
    text = "".join(p.read_text() for p in written if p.suffix != ".safetensors")
    assert str(runs[kind].parent) not in text
    yaml = (folder / "hyperparams.yaml").read_text()
    for word in ("!apply", "loss", "mask", "lr", "seed_everything", "augment."):
        assert word not in yaml.replace("augment.views", "")
    names = load_file(folder / "model.safetensors").keys()
    assert not any("criterion" in name for name in names)
    check_folder(folder)


def test_labels_and_card_say_what_the_run_was(runs, exports, kind):
    results = json.loads((runs[kind] / "results.json").read_text())
    card = (exports[kind] / "README.md").read_text()
    for fact in (
        results["card"],
        results["checksums"]["manifest"],
        f"| {results['metrics']['test']['emotion']['UA']} |",
        "Intended use",
        "Limits",
    ):
        assert fact in card
    lines = (exports[kind] / "label_encoder.txt").read_text().splitlines()
    (header, *_) = csv.reader(open(runs[kind] / "predictions.csv"))
    classes = [name[2:] for name in header if name.startswith("p_")]
    assert lines[: len(classes)] == [
        f"'{name}' => {i}" for i, name in enumerate(classes)
    ]


def test_speechbrain_s_hyperpyyaml_reads_it(exports, kind):
    text = (exports[kind] / "hyperparams.yaml").read_text()
    hparams = load_hyperpyyaml(text, {"folder": str(exports[kind])})
    assert set(hparams["pretrainer"].loadables) == {"model"}
    assert set(hparams["modules"]) >= {"encoder", "tasks"}


def test_a_folder_in_use_is_left_alone(runs, kind, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(SerMtlError, match="not empty"):
        export_run(runs[kind], tmp_path / "mine")
    with pytest.raises(SerMtlError, match="not the folder of a finished run"):
        export_run(tmp_path / "nowhere", tmp_path / "new")
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_settings_that_are_not_numbers_are_left_out():
    for key, value in {
        "auto_map": {"AutoModel": "evil.Model"},
        "_name_or_path": "/home/me",
        "architectures": ["WhisperModel"],
        "d_model": 10**9,
        "mask_time_prob": float("nan"),
    }.items():
        assert not safe_folder.is_harmless(key, value)
    for key, value in {
        "conv_dim": [512] * 7,
        "hidden_act": "gelu",
        "do_normalize": True,
        "suppress_tokens": None,
    }.items():
        assert safe_folder.is_harmless(key, value)
