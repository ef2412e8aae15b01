import csv
import io
import json
import os
import re
import subprocess

import numpy as np
import pytest
import torch
from rich.console import Console

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.metrics.classification import classification_scores
from ser_mtl_modules.metrics.recognition import word_error_rate
from ser_mtl_modules.metrics.verification import equal_error_rate
from ser_mtl_modules.training.results import (
    CHECKSUMS,
    average_views,
    commit_of,
    differences,
    metrics_from_rows,
    print_results,
    read_predictions,
    read_results,
    read_run,
    read_trials,
    scores_of,
    trials_of,
    write_predictions,
    write_results,
    write_trials,
)

CLASSES = ["neutral", "happy", "sad", "glad, or so"]
HEAD = {
    "recipe": "RAVDESS",
    "yaml": "mtl.yaml",
    "card": "ravdess-6fold-consecutive",
    "fold": 1,
    "seed": 1986,
    "overrides": {"number_of_epochs": 2},
    "checksums": dict.fromkeys(CHECKSUMS, "c" * 64),
    "commit": "0" * 40,
    "precision": "fp32",
    "versions": {"torch": "2.11"},
    "device": "cpu",
    "epochs": 2,
    "best_epoch": 1,
    "seconds": 90.0,
    "cpu_seconds": 90.0,
    "peak_memory_mb": 512.0,
}


@pytest.fixture
def rows():
    """What five tasks say of 30 utterances of three speakers."""
    generator = np.random.default_rng(0)
    words = ["dogs", "are", "sitting"]
    rows = []
    for i in range(30):
        p = generator.dirichlet(np.ones(4))
        rows.append(
            {
                "ID": f"u{29 - i:02}",
                "speaker": f"s{i % 3}",
                "gender": "FM"[i % 2],
                "target": CLASSES[i % 4],
                "prediction": CLASSES[p.argmax()],
                **{f"p_{c}": float(x) for c, x in zip(CLASSES, p)},
                "gender_target": "FM"[i % 2],
                "gender_prediction": generator.choice(["F", "M"]).item(),
                "gender_p_F": 0.25,
                "gender_p_M": 0.75,
                "embedding": generator.normal(size=4).astype(np.float32),
                "transcript": "dogs are sitting",
                "hypothesis": " ".join(generator.choice(words, 2)),
            }
        )
    return rows


@pytest.fixture
def folder(tmp_path, rows):
    """A finished run's folder."""
    rows = sorted(rows, key=lambda row: row["ID"])
    write_predictions(tmp_path / "predictions.csv", rows)
    ids = [row["ID"] for row in rows]
    write_trials(tmp_path / "speaker_trials.csv", ids, trials_of(rows))
    metrics = metrics_from_rows(rows, CLASSES)
    write_results(
        tmp_path / "results.json",
        {
            **HEAD,
            "metrics": {"valid": {"emotion": {"UA": 0.5}}, "test": metrics},
        },
    )
    return tmp_path


# ---- metrics


def test_each_task_has_its_metrics(rows):
    metrics = metrics_from_rows(rows, CLASSES)
    assert list(metrics) == ["emotion", "gender", "speaker", "asr"]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    assert metrics["emotion"] == classification_scores(
        columns["target"], columns["prediction"], CLASSES
    )
    gender = columns["gender_target"], columns["gender_prediction"]
    expected = classification_scores(*gender, ["F", "M"])["UA"]
    assert metrics["gender"] == {"UA": pytest.approx(expected)}
    z = np.stack(columns["embedding"])
    z = z / np.linalg.norm(z, axis=1, keepdims=True)
    pairs = [(i, j) for i in range(30) for j in range(i + 1, 30)]
    scores = [z[i] @ z[j] for i, j in pairs]
    same = [rows[i]["speaker"] == rows[j]["speaker"] for i, j in pairs]
    expected = equal_error_rate(scores, same)
    assert metrics["speaker"] == {"EER": pytest.approx(expected)}
    texts = columns["transcript"], columns["hypothesis"]
    assert metrics["asr"] == {"WER": word_error_rate(*texts)}


def test_one_speaker_has_no_eer_and_one_gender_its_recall(rows):
    for row in rows:
        row.update(speaker="a", gender_target="F")
    metrics = metrics_from_rows(rows, CLASSES)
    assert set(metrics) == {"emotion", "gender", "asr"}
    right = [row["gender_prediction"] == "F" for row in rows]
    assert metrics["gender"]["UA"] == pytest.approx(sum(right) / len(right))


def test_order_of_rows_does_not_matter(rows):
    metrics = metrics_from_rows(rows, CLASSES)
    assert metrics_from_rows(rows[::-1], CLASSES) == metrics


def test_a_checkpoint_takes_the_metrics(rows, tmp_path):
    metrics = metrics_from_rows(rows, CLASSES)
    torch.save(metrics, tmp_path / "a.pt")
    assert torch.load(tmp_path / "a.pt", weights_only=True) == metrics


def test_a_task_that_did_not_run_is_absent(rows):
    emotion = [
        {k: row[k] for k in ("ID", "target", "prediction")} for row in rows
    ]
    assert list(metrics_from_rows(emotion, CLASSES)) == ["emotion"]
    assert metrics_from_rows([], CLASSES) == {}


def test_rows_without_a_label_are_left_out_and_tasks_without_any(rows):
    for row in rows[:20]:
        row["target"] = row["transcript"] = ""
    for row in rows:
        row["gender_target"] = ""
        row["speaker"] = "the only one"
    metrics = metrics_from_rows(rows, CLASSES)
    assert list(metrics) == ["emotion", "asr"]
    rest = metrics_from_rows(rows[20:], CLASSES)
    assert metrics == rest


def test_another_classification_needs_no_code(rows):
    for row in rows:
        row["style_target"] = row["style_prediction"] = "acted"
    assert metrics_from_rows(rows, CLASSES)["style"] == {"UA": 1.0}


# ---- files


def test_reading_gives_back_every_number_and_text(rows, tmp_path):
    awkward = 'He said "no", twice\nand left; größer'
    rows[3]["transcript"] = awkward
    rows[4]["p_sad"] = 0.1 + 0.2
    rows[5]["p_sad"] = 1e-300
    write_predictions(tmp_path / "a.csv", rows)
    found, classes = read_predictions(tmp_path / "a.csv")
    for row in rows:
        del row["embedding"]
    assert found == sorted(rows, key=lambda row: row["ID"])
    assert list(found[0]) == list(rows[0])
    assert classes == CLASSES


def test_the_same_answers_in_another_order_are_the_same_file(rows, tmp_path):
    write_predictions(tmp_path / "a.csv", rows)
    write_predictions(tmp_path / "b.csv", rows[::-1])
    a, b = ((tmp_path / f"{x}.csv").read_bytes() for x in "ab")
    assert a == b


def test_predictions_hold_the_columns_in_the_order_of_the_rows(rows, tmp_path):
    write_predictions(tmp_path / "a.csv", rows)
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
    assert header == [name for name in rows[0] if name != "embedding"]


def test_an_utterance_that_was_scored_twice_is_an_error(rows, tmp_path):
    with pytest.raises(ValueError, match="more than one row for u29"):
        write_predictions(tmp_path / "a.csv", [*rows, rows[0]])
    assert not (tmp_path / "a.csv").exists()


def test_no_rows_give_a_file_without_rows(tmp_path):
    write_predictions(tmp_path / "a.csv", [])
    assert read_predictions(tmp_path / "a.csv") == ([], [])


def test_reading_trials_gives_back_every_bit(rows, tmp_path):
    ids = [row["ID"] for row in rows]
    written = trials_of(rows)
    write_trials(tmp_path / "a.csv", ids, written)
    for a, b in zip(read_trials(tmp_path / "a.csv", ids), written):
        assert np.array_equal(a, b)


def test_trials_name_their_utterances(rows, tmp_path):
    write_trials(tmp_path / "a.csv", [r["ID"] for r in rows], trials_of(rows))
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines[0] == "ID_1,ID_2,same,score"
    assert lines[1].startswith("u29,u28,0,")  # speakers s0 and s1
    assert lines[3].startswith("u29,u26,1,")  # s0 twice
    assert len(lines) == 1 + 30 * 29 // 2


def test_results_are_percentages_with_two_decimals(folder, rows):
    results = read_results(folder / "results.json")
    ua = metrics_from_rows(rows, CLASSES)["emotion"]["UA"]
    test = results["metrics"]["test"]
    assert test["emotion"]["UA"] == round(100 * ua, 2)
    assert test["emotion"]["by_class"]["sad"]["support"] == 7
    assert results["metrics"]["valid"]["emotion"]["UA"] == 50.0
    assert {k: results[k] for k in HEAD} == HEAD and results["schema"] == 2


@pytest.mark.parametrize("field", ["seed", "metrics", "checksums"])
def test_results_without_a_field_are_not_written(field, tmp_path):
    content = {**HEAD, "metrics": {}}
    del content[field]
    with pytest.raises(ValueError, match=field):
        write_results(tmp_path / "results.json", content)
    assert not list(tmp_path.iterdir())


# ---- from the files alone


def test_all_test_metrics_follow_from_the_answers(folder, rows):
    assert scores_of(folder) == metrics_from_rows(rows, CLASSES)
    assert differences(folder) == []


def test_a_run_without_a_speaker_task_has_no_trials(folder):
    os.remove(folder / "speaker_trials.csv")
    assert read_run(folder).trials is None
    assert "speaker" not in scores_of(folder)


def test_a_commit_is_told_with_changes_where_there_are_some(tmp_path):
    assert commit_of(tmp_path) is None
    git = [
        "git",
        "-C",
        str(tmp_path),
        "-c",
        "user.name=a",
        "-c",
        "user.email=b",
    ]
    file = tmp_path / "train.py"
    file.touch()
    for command in (["init"], ["add", "."], ["commit", "-m", "first"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    commit = commit_of(tmp_path)
    assert re.fullmatch("[0-9a-f]{40}", commit)
    (tmp_path / "notes").touch()  # of no matter to git
    assert commit_of(tmp_path) == commit
    file.write_text("changed")
    assert commit_of(tmp_path) == f"{commit}+changes"


def change(path, edit):
    """Edits a JSON file by a function on its content."""
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_a_score_that_was_changed_is_found(folder):
    def better(content):
        content["metrics"]["test"]["emotion"]["UA"] = 99.0

    found = scores_of(folder)["emotion"]["UA"]
    change(folder / "results.json", better)
    (sentence,) = differences(folder)
    assert (
        f"emotion/UA is 99.0 in results.json and {100 * found:.2f}" in sentence
    )


def test_scores_that_only_one_side_has_are_found(folder):
    def other(content):
        test = content["metrics"]["test"]
        test["attributes"] = {"CCC": test.pop("asr")["WER"]}

    change(folder / "results.json", other)
    assert [
        s.split(" is ")[0][-15:].split()[-1] for s in differences(folder)
    ] == [
        "attributes/CCC",
        "asr/WER",
    ]


def test_a_missing_file_is_named(folder):
    os.remove(folder / "predictions.csv")
    with pytest.raises(SerMtlError, match="predictions.csv is missing"):
        read_run(folder)


def test_damaged_files_are_named(folder):
    path = folder / "predictions.csv"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(SerMtlError, match="predictions.csv, line 31"):
        read_run(folder)
    path = folder / "results.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(SerMtlError, match="results.json: not readable"):
        read_results(path)


def test_another_schema_is_refused(folder):
    change(folder / "results.json", lambda content: content.update(schema=1))
    with pytest.raises(SerMtlError, match="schema 1.*reads schema 2"):
        read_run(folder)


def test_trials_of_another_run_are_refused(folder):
    with open(folder / "speaker_trials.csv", "a") as file:
        file.write("u00,stranger,0,0.5\n")
    with pytest.raises(SerMtlError, match="stranger is not in predictions"):
        read_run(folder)


def test_what_is_printed_is_what_is_in_the_file(folder, rows):
    console = Console(width=80, file=io.StringIO())
    print_results(folder, console)
    text = console.file.getvalue()
    ua = 100 * metrics_from_rows(rows, CLASSES)["emotion"]["UA"]
    (line,) = (line for line in text.splitlines() if "emotion" in line)
    assert [cell.strip() for cell in line.split("│")[1:-1]] == [
        "emotion",
        "UA",
        "50.00",
        f"{ua:.2f}",
    ]
    assert "EER ↓" in text and "by_class" not in text
    assert str(folder) in text and "predictions.csv" in text
    where = "ravdess-6fold-consecutive, fold 1, seed 1986: epoch 1 of 2"
    assert where in text


# ---- clips that were heard in several views


def row(utterance, sad, female, hypothesis="DOGS", embedding=(1.0, 0.0)):
    """As tasks describe an utterance."""
    return {
        "ID": utterance,
        "speaker": "1",
        "target": "sad",
        "prediction": "sad" if sad > 0.5 else "calm",
        "p_calm": 1 - sad,
        "p_sad": sad,
        "gender_target": "F",
        "gender_prediction": "F" if female > 0.5 else "M",
        "gender_p_F": female,
        "gender_p_M": 1 - female,
        "hypothesis": hypothesis,
        "embedding": np.array(embedding),
    }


def test_answers_are_averaged_over_an_utterances_views():
    said = [
        row("b", 0.6, 0.2),
        row("a", 0.9, 0.4, "DOGS SIT"),
        row("b", 0.2, 0.3),
        row("a", 0.3, 0.7, "CATS", embedding=(0.0, 1.0)),
        row("a", 0.0, 0.7, "COWS"),
    ]
    a, b = average_views(said)
    assert (a["ID"], b["ID"]) == ("a", "b")
    assert a["p_sad"] == pytest.approx(0.4)
    assert a["p_calm"] == pytest.approx(0.6)
    assert (a["prediction"], b["prediction"]) == ("calm", "calm")
    assert a["gender_p_F"] == pytest.approx(0.6)
    assert (a["gender_prediction"], b["gender_prediction"]) == ("F", "M")
    assert a["hypothesis"] == "DOGS SIT"
    np.testing.assert_allclose(a["embedding"], [2 / 3, 1 / 3])
    assert list(a) == list(said[0])


def test_one_view_stays_as_it_is():
    said = [row("b", 0.2, 0.3), row("a", 0.6, 0.2)]
    a, b = average_views(said)
    assert a is said[1] and b is said[0]


def test_divergence_from_raters_is_torch_s_over_clips_that_have_votes():
    p = torch.tensor([[0.7, 0.3], [0.2, 0.8], [0.5, 0.5]])
    y = torch.tensor([[0.75, 0.25], [0.0, 1.0], [0.0, 0.0]])
    rows = [
        {
            "ID": str(i),
            "target": "sad",
            "prediction": "sad",
            "p_calm": p[i, 0].item(),
            "p_sad": p[i, 1].item(),
            "raters_calm": y[i, 0].item() if y[i].any() else "",
            "raters_sad": y[i, 1].item() if y[i].any() else "",
        }
        for i in range(3)
    ]
    found = metrics_from_rows(rows, ["calm", "sad"])["raters"]
    expected = torch.nn.functional.kl_div(
        p[:2].log(), y[:2], reduction="batchmean"
    )
    assert found == {"KL": pytest.approx(expected.item(), rel=1e-5)}
    as_read = [{**row, "raters_sad": str(row["raters_sad"])} for row in rows]
    assert metrics_from_rows(as_read, ["calm", "sad"])["raters"] == found
    without = [{**row, "raters_calm": "", "raters_sad": ""} for row in rows]
    assert "raters" not in metrics_from_rows(without, ["calm", "sad"])
