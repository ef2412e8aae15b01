"""A run on real audio says the same in all its forms.

SER_MTL_DATA names the folder with RAVDESS in it, SER_MTL_RUN a finished run.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_ravdess import RECIPE, predictions

from ser_mtl_modules.inference.export import export_run
from ser_mtl_modules.inference.onnx_export import export_onnx
from ser_mtl_modules.inference.trained_run import TrainedRun

DATA = Path(os.environ.get("SER_MTL_DATA", "nowhere")) / "RAVDESS"
RUN = os.environ.get("SER_MTL_RUN")

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(
        not (RUN and DATA.is_dir()), reason="SER_MTL_DATA, SER_MTL_RUN not set"
    ),
]
PREDICT = ["-m", "ser_mtl_modules", "predict"]


def clips():
    """Rows of the run's predictions, and their files."""
    files = {path.stem: path for path in DATA.rglob("*.*")}
    return [(row, files[row["ID"]]) for row in predictions(RUN)]


def test_an_export_gives_the_predictions_in_a_fresh_process(tmp_path):
    export_run(RUN, tmp_path / "export")
    rows, files = zip(*clips())
    output = subprocess.run(
        [sys.executable, *PREDICT, tmp_path / "export", *files]
        + ["--format", "json", "--tasks", "emotion,gender,asr"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(RECIPE.parents[1])},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    said = [json.loads(line) for line in output.splitlines()]
    assert len(said) == len(rows)
    worst = 0.0
    for found, expected in zip(said, rows):
        assert found["emotion"] == expected["prediction"], expected["ID"]
        assert found["gender"] == expected["gender_prediction"], expected["ID"]
        assert found["asr"] == expected["hypothesis"], expected["ID"]
        for prefix in ("p", "gender_p"):
            for name, p in found[prefix].items():
                difference = abs(p - float(expected[f"{prefix}_{name}"]))
                worst = max(worst, difference)
    print(f"{len(said)} clips, no probability differs by more than {worst:.1e}")
    assert worst < 1e-5


def test_an_onnx_file_gives_the_predictions(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    export_onnx(RUN, tmp_path / "export")
    session = onnxruntime.InferenceSession(tmp_path / "export" / "model.onnx")
    facts = session.get_modelmeta().custom_metadata_map
    names = json.loads(facts["classes"])["emotion"]
    signal = TrainedRun(RUN).signal
    trim = getattr(signal, "waves", signal).wave
    worst = 0.0
    for row, file in clips():
        where = {"wav": str(file), "start": None, "stop": None}
        wave = trim(row["ID"], where)[None].numpy()
        (p,) = session.run(["emotion"], {"wave": wave})
        for name, found in zip(names, p[0]):
            worst = max(worst, abs(float(row[f"p_{name}"]) - float(found)))
    print(f"no probability differs by more than {worst:.1e}")
    assert worst < 1e-4
