"""Finished runs, small ones, are put through a suite."""

import csv
import json
import math
import shutil

import numpy as np
import pytest
import soundfile
import torch
import train
from short_corpora import write_in_tones
from tiny_ravdess import (
    AS_IS,
    RECIPE,
    SLOW,
    arguments,
    cached_arguments,
    without_pictures,
)
from typer.testing import CliRunner

from ser_mtl_modules.__main__ import app
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments import robustness_report
from ser_mtl_modules.experiments.robustness import Robustness
from ser_mtl_modules.experiments.robustness_conditions import (
    OnLogMels,
    OnWaves,
    attacks,
)
from ser_mtl_modules.experiments.robustness_report import as_table
from ser_mtl_modules.synthesis.emodb import write_emodb
from ser_mtl_modules.training.results import read_run


@pytest.fixture(scope="module")
def finished(tiny_ravdess, tmp_path_factory):
    """A run from log-mels that has learned the training's overtones."""
    folder = tmp_path_factory.mktemp("robust") / "run"
    flags = "--auxiliary_tasks=[]", "--loss_weights={swfc: 0}"
    more = "--number_of_epochs=6", "--lr=0.01", "--max_batch_duration=3"
    with without_pictures():
        train.main(arguments(tiny_ravdess, folder, *flags, *more))
    return folder


@pytest.fixture
def run(finished, tmp_path):
    """A copy of it that a test may write into."""
    copy = shutil.copytree(finished, tmp_path / "run")
    shutil.copy(finished.parent / "manifest.csv", tmp_path)
    shutil.copy(finished.parent / "manifest.csv.json", tmp_path)
    return copy


def rows_of(folder):
    with open(folder / "robustness" / "results.csv", newline="") as file:
        return list(csv.DictReader(file))


def by_name(content):
    return {
        (row["condition"], str(row["level"])): row
        for row in content["conditions"]
    }


def test_the_command_leaves_its_files_and_the_clean_score_is_the_runs(run):
    result = CliRunner().invoke(app, ["robustness", str(run), "--suite=quick"])
    assert result.exit_code == 0, result.output
    assert "babble" in result.output and "PGD, log-mels" in result.output
    content = json.loads((run / "robustness" / "results.json").read_text())
    rows = rows_of(run)
    assert len(rows) == len(content["conditions"])
    assert (run / "robustness" / "curves.png").stat().st_size > 1000
    before = read_run(run).results["metrics"]["test"]["emotion"]
    for name in ("UA", "WA", "macro_F1"):
        assert content["conditions"][0][name] == before[name]
        assert float(rows[0][name]) == before[name]
    found = by_name(content)
    for row in content["conditions"]:
        if row["group"] == "noise":
            assert row["snr_db"] == pytest.approx(row["level"], abs=0.01)
        if row["group"] == "attack" and row["unit"] == "of the clip's RMS":
            assert row["snr_db"] >= -20 * math.log10(row["level"]) - 0.01
    assert found["clean", ""]["n"] == 32
    sizes = [found["gender", gender]["n"] for gender in "FM"]
    assert sizes == [16, 16]
    assert [found["speaker", f"0{i}"]["n"] for i in range(1, 5)] == [8] * 4
    assert found["speaker", "01"]["UA_low"] is None


def only(monkeypatch, wanted):
    """Leaves of every suite the conditions that are wanted."""
    original = Robustness.conditions

    def few(self, *suite):
        return [c for c in original(self, *suite) if wanted(c)]

    monkeypatch.setattr(Robustness, "conditions", few)


def test_a_killed_command_goes_on_and_ends_the_same(run, monkeypatch):
    class Killed(BaseException):
        """Stands for SIGKILL."""

    asked, kill_at, original = [], 10, Robustness._ask

    def ask(self, condition, *rest):
        asked.append(condition.name)
        if len(asked) == kill_at:
            raise Killed
        return original(self, condition, *rest)

    only(monkeypatch, lambda c: c.group in ("clean", "room", "level", "noise"))
    expected = Robustness(run).measure("quick")
    shutil.rmtree(run / "robustness")
    monkeypatch.setattr(Robustness, "_ask", ask)
    with pytest.raises(Killed):
        Robustness(run).measure("quick")
    finished = {p.stem for p in (run / "robustness" / "answers").glob("*")}
    assert finished and asked[-1] not in finished
    before, asked[:], kill_at = set(asked) & finished, [], None
    content = Robustness(run).measure("quick")
    assert not before & set(asked) and asked
    assert content == expected
    asked.clear()
    assert Robustness(run).measure("quick") == expected and not asked


def test_answers_of_another_run_are_refused(run):
    Robustness(run)
    predictions = run / "predictions.csv"
    predictions.write_text(predictions.read_text().replace("0.1", "0.2"))
    with pytest.raises(SerMtlError, match="answers of another run"):
        Robustness(run)


def test_another_manifest_is_refused(run, tmp_path):
    results = json.loads((run / "results.json").read_text())
    results["checksums"]["manifest"] = "another"
    (run / "results.json").write_text(json.dumps(results))
    with pytest.raises(SerMtlError, match="its manifest is not the one"):
        Robustness(run)


@pytest.mark.parametrize("space", [OnWaves(), OnLogMels()])
def test_attacks_on_a_trained_model(run, space):
    asked = Robustness(run)
    some = asked.test[::2]
    most = {"waves": 0.5, "log-mels": 20.0}[space.name]
    epsilons = [0.0, most / 100, most / 10, most]
    answers = {
        (c.attack.kind, c.level): [
            row
            for batch in asked.clips.batches(some)
            for row in asked._ask(c, asked.clips, batch)
        ]
        for c in attacks(["FGSM", "BIM", "PGD"], {space: epsilons})
    }
    losses = {
        key: np.mean([row["loss"] for row in rows])
        for key, rows in answers.items()
    }
    clean = {row["ID"]: row for row in read_run(run).rows}
    for kind in ("FGSM", "BIM", "PGD"):
        for row in answers[kind, 0.0]:
            assert row["snr_db"] == math.inf
            for name, value in clean[row["ID"]].items():
                if name.startswith("p_"):
                    assert row[name] == pytest.approx(value, abs=1e-5)
    for epsilon in epsilons[1:]:
        assert losses["PGD", epsilon] >= losses["FGSM", epsilon]
        assert losses["BIM", epsilon] >= losses["FGSM", epsilon] - 1e-6
    rising = [losses["PGD", epsilon] for epsilon in epsilons]
    assert rising == sorted(rising)
    right = [row["target"] == row["prediction"] for row in answers["PGD", most]]
    assert sum(right) < 0.1 * len(right)
    assert sum(r["target"] == r["prediction"] for r in clean.values()) > 8


def test_attacks_stay_in_their_ball_and_off_the_padding(run):
    asked = Robustness(run)
    batch = asked.clips.batches(asked.test)[0]
    seen = []

    class Watched(OnWaves):
        def __call__(self, model, wavs, wav_lens):
            clean, unit, mask, answer = super().__call__(model, wavs, wav_lens)
            seen.append((clean, unit, mask))
            return clean, unit, mask, lambda x: (seen.append(x), answer(x))[1]

    (pgd,) = attacks(["PGD"], {Watched(): [0.1]})
    asked._ask(pgd, asked.clips, batch)
    (clean, unit, mask), *inputs = seen
    rms = [asked.clips.wave(u).square().mean().sqrt() for u in batch]
    torch.testing.assert_close(unit.amax(1), torch.stack(rms))
    for x in inputs:
        change = (x - clean).detach()
        assert (change.abs() <= 0.1 * unit + 1e-6).all()
        assert not change[~mask].any()


def test_a_noise_folder_and_rooms_take_the_place_of_generated_ones(
    run, tmp_path
):
    rng = np.random.default_rng(0)
    for kind in ("rain", "wind"):
        (tmp_path / "noise" / kind).mkdir(parents=True)
        soundfile.write(
            tmp_path / "noise" / kind / "1.wav",
            rng.uniform(-0.1, 0.1, 5000),
            16000,
        )
    (tmp_path / "rooms").mkdir()
    soundfile.write(tmp_path / "rooms" / "hall.wav", [0.9, 0.3], 16000)
    folders = tmp_path / "noise", tmp_path / "rooms"
    names = [c.name for c in Robustness(run).conditions("quick", *folders)]
    assert sum("noise_rain_" in name for name in names) == 3
    assert sum("recorded-room_hall" in name for name in names) == 1
    soundfile.write(
        tmp_path / "noise" / "rain" / "1.wav", rng.uniform(size=5000), 16000
    )
    again = [c.name for c in Robustness(run).conditions("quick", *folders)]
    assert len(again) == len(names) == len({*again})
    assert sum(a != b for a, b in zip(names, again)) == 3
    (tmp_path / "noise" / "rain").rename(tmp_path / "noise" / "white")
    with pytest.raises(SerMtlError, match="both in training and in the test"):
        Robustness(run).conditions("quick", *folders)


def test_names_of_conditions_differ(run):
    for suite in ("standard", "quick"):
        names = [c.name for c in Robustness(run).conditions(suite)]
        assert len({*names}) == len(names)
    kinds = {c.kind for c in Robustness(run).conditions("standard")}
    assert len(kinds) > 20


def test_babble_is_never_of_training(run):
    asked = Robustness(run)
    trained = json.loads((run / "results.json").read_text())["fold"]
    assert trained == 1
    speakers = {row["speaker"] for row in asked.clips.rows.values()}
    assert speakers == {f"0{i}" for i in range(1, 9)}  # test and valid


def test_another_corpus_over_the_classes_that_both_have(
    run, tmp_path, monkeypatch
):
    recipe = tmp_path / "EMODB"
    recipe.mkdir()
    shutil.copy(
        RECIPE.parent / "EMODB" / "protocols.yaml", recipe / "protocols.yaml"
    )
    corpus = write_in_tones(
        write_emodb, tmp_path / "corpus", clips_per_speaker=7
    )
    import emodb_prepare

    emodb_prepare.prepare(corpus, recipe / "results" / "manifest.csv")
    only(monkeypatch, lambda c: c.group == "clean")
    monkeypatch.setattr(robustness_report, "plot", lambda *_: None)
    content = Robustness(run).measure(
        "quick", cross=[str(recipe / "emodb-10fold-loso")]
    )
    found = by_name(content)
    own, other = found["own test", "ravdess"], found["other corpus", "emodb"]
    assert own["unit"] == "6 classes of emodb-10fold-loso"
    assert own["n"] == 24  # without calm and surprise
    manifest = (recipe / "results" / "manifest.csv").read_text().splitlines()
    assert 0 < other["n"] < len(manifest) - 1  # without boredom
    assert "6 classes" in str(as_table(content).columns[1]._cells)


def test_another_corpus_that_can_not_be_asked_is_told(run, tmp_path):
    asked = Robustness(run)
    with pytest.raises(SerMtlError, match="another corpus"):
        asked.other_corpus(RECIPE / "ravdess-6fold-emobox")
    with pytest.raises(SerMtlError, match="there is no .*protocols.yaml"):
        asked.other_corpus(tmp_path / "emodb-10fold-loso")


def test_a_run_on_stored_levels_is_heard_in_its_first_view(
    tiny_ravdess, tmp_path, monkeypatch, no_pictures
):
    folder = tmp_path / "run"
    heard = f"{SLOW}, {AS_IS}"
    train.main(cached_arguments(tiny_ravdess, folder, "all", heard=heard))
    asked = Robustness(folder)
    names = [c.name for c in asked.conditions("quick")]
    assert not any("log-mels" in name for name in names)
    only(monkeypatch, lambda c: c.group == "clean" or c.kind == "PGD, waves")
    content = asked.measure("quick")
    assert content["view"] == "speed-90" and content["n_views_of_test"] == 2
    assert "speed-90" in as_table(content).caption
    found = by_name(content)
    assert found["PGD, waves", "0.003"]["loss"] >= found["clean", ""]["loss"]
