import base64
import csv
import io
import json
import re
import sys

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    recall_score,
)
from tiny_runs import CLASSES, make_method, make_run, rows_of

from ser_mtl_modules import __main__
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.experiments.report import (
    as_csv,
    as_json,
    as_markdown,
    as_table,
    details,
    find_runs,
    report_on,
)
from ser_mtl_modules.experiments.report_page import as_html
from ser_mtl_modules.training.results import CHECKSUMS


def labels(rows):
    return [r["target"] for r in rows], [r["prediction"] for r in rows]


@pytest.fixture
def method(tmp_path):
    make_method(tmp_path / "mtl")
    return tmp_path / "mtl"


# ---- numbers


def test_means_over_folds_and_pooled_scores_equal_scikit_learn(tmp_path):
    written = make_method(tmp_path / "a")
    (row,) = report_on([tmp_path / "a"])["rows"]
    by_fold = [balanced_accuracy_score(*labels(r)) for r in written.values()]
    assert row["mean"]["emotion/UA"] == pytest.approx(np.mean(by_fold))
    spread = np.std(by_fold, ddof=1)
    assert row["spread"]["emotion/UA"] == pytest.approx(spread)
    everything = labels(sum(written.values(), []))
    assert row["pooled"] == pytest.approx(
        {
            "UA": balanced_accuracy_score(*everything),
            "WA": accuracy_score(*everything),
            "macro_F1": f1_score(*everything, average="macro"),
        }
    )
    low, high = row["interval"]
    assert low < row["pooled"]["UA"] < high
    assert row["folds"] == [1, 2, 3] and row["minutes"] == 1.5


def test_seeds_are_averaged_and_their_spread_is_that_of_fold_means(tmp_path):
    written = make_method(tmp_path / "a", seeds=(1, 2, 3))
    (row,) = report_on([tmp_path / "a"])["rows"]
    ua = np.array(
        [
            [balanced_accuracy_score(*labels(written[s, f])) for f in (1, 2, 3)]
            for s in (1, 2, 3)
        ]
    )
    assert row["mean"]["emotion/UA"] == pytest.approx(ua.mean())
    over_folds = ua.mean(axis=0).std(ddof=1)
    assert row["spread"]["emotion/UA"] == pytest.approx(over_folds)
    over_seeds = ua.mean(axis=1).std(ddof=1)
    assert row["spread_over_seeds"]["emotion/UA"] == pytest.approx(over_seeds)
    pooled = [
        f1_score(
            *labels(sum((written[s, f] for f in (1, 2, 3)), [])),
            average="macro",
        )
        for s in (1, 2, 3)
    ]
    assert row["pooled"]["macro_F1"] == pytest.approx(np.mean(pooled))


def test_copies_of_a_seed_change_neither_score_nor_interval(tmp_path):
    for seed in (1, 2):
        for fold in (1, 2, 3):
            rows = rows_of(fold, 1, 0.6)
            for name in ("one", "two")[seed - 1 :]:
                folder = tmp_path / name / f"{fold}-{seed}"
                make_run(folder, rows, fold=fold, seed=seed)
    one, two = report_on([tmp_path / "one", tmp_path / "two"])["rows"]
    assert two["pooled"] == pytest.approx(one["pooled"])
    assert two["interval"] == pytest.approx(one["interval"])


def test_a_metric_that_a_fold_lacks_says_so(tmp_path):
    for fold in (1, 2):
        rows = rows_of(fold, 1, 0.6)
        for row in rows:
            row["gender_target"] = "F" if fold == 1 else ""
            row["gender_prediction"] = "F"
        make_run(tmp_path / f"fold-{fold}", rows, fold=fold)
    content = report_on([tmp_path])
    assert content["rows"][0]["mean"]["gender/UA"] == 1.0
    assert "100.0 (1 of 2 runs)" in as_markdown(content)


def one_gender_a_fold(folder, genders, with_gender=lambda fold: True):
    """Runs whose test sets have one gender each; gives all their rows."""
    everything = []
    for fold, gender in enumerate(genders, start=1):
        rows = rows_of(fold, 1, 0.6)[: 24 - 6 * fold]  # of unequal size
        generator = np.random.default_rng(fold)
        for row in rows:
            if with_gender(fold):
                row["gender_target"] = row["gender"] = gender
                row["gender_prediction"] = generator.choice(["F", "F", "M"])
        make_run(folder / f"fold-{fold}", rows, fold=fold)
        everything += rows
    return everything


def test_gender_is_pooled_where_a_fold_has_one_only(tmp_path):
    everything = one_gender_a_fold(tmp_path, "MFM")
    content = report_on([tmp_path])
    (row,) = content["rows"]
    pairs = [(r["gender_target"], r["gender_prediction"]) for r in everything]
    expected = balanced_accuracy_score(*zip(*pairs))
    assert row["pooled"]["gender/UA"] == pytest.approx(expected)
    assert row["mean"]["gender/UA"] != pytest.approx(expected)
    head, _, cells = as_markdown(content).splitlines()[:3]
    at = head.split(" | ").index("gender UA, pooled")
    assert cells.split(" | ")[at] == f"{100 * expected:.1f}"


def test_what_some_runs_lack_is_not_pooled(tmp_path):
    one_gender_a_fold(tmp_path, "MFM", with_gender=lambda fold: fold != 2)
    content = report_on([tmp_path])
    assert content["rows"][0]["pooled"].keys() == {"UA", "WA", "macro_F1"}
    assert "gender UA, pooled" not in as_markdown(content)


def test_a_class_that_a_fold_lacks_counts_when_pooled(tmp_path):
    everything = []
    for fold in (1, 2):
        rows = rows_of(fold, 1, 0.6)
        if fold == 2:
            rows = [row for row in rows if row["target"] != "sad"]
        make_run(tmp_path / f"fold-{fold}", rows, fold=fold)
        everything += rows
    (row,) = report_on([tmp_path])["rows"]
    expected = balanced_accuracy_score(*labels(everything))
    assert row["pooled"]["UA"] == pytest.approx(expected)


def test_one_speaker_has_no_interval(tmp_path):
    make_run(tmp_path / "a", rows_of(1, 1, 0.6)[:12])
    make_run(tmp_path / "b", rows_of(1, 2, 0.6)[:12], seed=2)
    row, _ = report_on([tmp_path / "a", tmp_path / "b"], tmp_path / "b")["rows"]
    assert "interval" not in row and row["against"] is None
    assert "[" not in as_markdown(report_on([tmp_path / "a"]))


# ---- comparing


def test_a_clear_difference_is_outside_the_noise(method, tmp_path):
    make_method(tmp_path / "good", chance=1.0, yaml="good.yaml")
    good, same = report_on([tmp_path / "good", method], method)["rows"]
    assert "against" not in same
    found = good["against"]
    expected = 1 - same["pooled"]["UA"]
    assert found["UA"] == pytest.approx(expected)
    assert found["interval"][0] > 0 and not found["inside_noise"]


def test_a_small_difference_is_inside_the_noise(method, tmp_path):
    # the same answers but for two, one better and one worse
    for fold in (1, 2, 3):
        rows = rows_of(fold, 1, 0.6)
        right = [r for r in rows if r["target"] == r["prediction"]]
        wrong = [r for r in rows if r["target"] != r["prediction"]]
        if fold == 1:
            right[0]["prediction"] = next(
                c for c in CLASSES if c != right[0]["target"]
            )
        if fold == 2:
            wrong[0]["prediction"] = wrong[0]["target"]
        make_run(tmp_path / "b" / str(fold), rows, fold=fold, yaml="b.yaml")
    content = report_on([tmp_path / "b"], against=method)
    assert content["rows"][0]["against"]["inside_noise"]
    text = as_markdown(content)
    assert "inside the noise" in text and "to mtl (" in text


def test_other_utterances_do_not_compare(method, tmp_path):
    make_method(tmp_path / "part", folds=(1, 2))
    with pytest.raises(SerMtlError, match="24 are in one only.*same folds"):
        report_on([tmp_path / "part"], against=method)


# ---- what is refused


@pytest.mark.parametrize("name", ["card", "manifest"])
def test_another_card_or_manifest_is_refused(method, tmp_path, name):
    checksums = {**dict.fromkeys(CHECKSUMS, "c" * 64), name: "x" * 64}
    make_method(tmp_path / "other", checksums=checksums)
    for folders, against in [
        ([tmp_path], None),
        ([method, tmp_path / "other"], None),
        ([method], tmp_path / "other"),
    ]:
        with pytest.raises(SerMtlError, match=f"not the same {name}"):
            report_on(folders, against)


def test_a_fold_that_is_there_twice_is_refused(method):
    make_run(method / "copy", rows_of(2, 1, 0.6), fold=2)
    with pytest.raises(SerMtlError, match="fold 2 of seed 1 is there twice"):
        find_runs(method)


def test_a_seed_that_lacks_a_fold_is_refused(method):
    make_method(method / "more", seeds=(2,), folds=(1, 3))
    with pytest.raises(SerMtlError, match="seed 2 has no fold 2"):
        find_runs(method)


@pytest.mark.parametrize(
    "changes",
    [
        {"yaml": "mll.yaml"},
        {"overrides": {"alpha": 0.5}},
        {"checksums": {**dict.fromkeys(CHECKSUMS, "c" * 64), "yaml": "y"}},
        {"precision": "bf16"},
    ],
)
def test_two_methods_in_a_row_are_refused(method, changes):
    make_method(method / "more", seeds=(2,), **changes)
    with pytest.raises(SerMtlError, match="A row is of one method"):
        find_runs(method)


@pytest.mark.parametrize("device, minutes", [("cpu: x", 2), ("cuda: y", 1.5)])
def test_minutes_are_of_the_processor_where_it_did_the_work(
    tmp_path, device, minutes
):
    make_method(tmp_path, device=device, seconds=90.0, cpu_seconds=120.0)
    assert report_on([tmp_path])["rows"][0]["minutes"] == minutes


def test_fold_seed_and_paths_are_not_what_makes_a_method(tmp_path):
    for fold in (1, 2):
        overrides = {"fold": fold, "data_folder": f"/data/{fold}"}
        if fold == 1:  # the later ones find the corpus there
            overrides["download"] = True
        rows = rows_of(fold, 1, 0.6)
        make_run(tmp_path / str(fold), rows, fold=fold, overrides=overrides)
    assert report_on([tmp_path])["rows"][0]["method"] == "mtl"


def test_a_folder_without_runs_is_an_error(tmp_path):
    with pytest.raises(SerMtlError, match="no results.json here or below"):
        report_on([tmp_path])


def test_missing_folds_of_the_card_are_shown(tmp_path):
    make_method(tmp_path, n_folds=6)
    assert "| 3 of 6 |" in as_markdown(report_on([tmp_path]))


# ---- how it looks


def test_results_that_differ_from_the_answers_are_named(method):
    path = method / "fold-1" / "seed-1" / "results.json"
    content = json.loads(path.read_text())
    content["metrics"]["test"]["emotion"]["UA"] = 99.0
    path.write_text(json.dumps(content))
    (note,) = report_on([method])["notes"]
    assert "emotion/UA is 99.0 in results.json" in note
    assert note in as_markdown(report_on([method]))


def test_markdown_is_a_table_with_as_many_cells_in_every_line(method, tmp_path):
    make_method(tmp_path / "x", overrides={"alpha": 0.5, "ssl_hub": "/a/wavlm"})
    content = report_on([method, tmp_path / "x"])
    head, rule, *rows = as_markdown(content).split("\n\n")[0].splitlines()
    assert head.startswith("| method | folds | seeds | UA | UA, pooled |")
    assert len({line.count("|") for line in (head, rule, *rows)}) == 1
    assert [row.split(" | ")[0] for row in rows] == [
        "| mtl",
        "| mtl --alpha=0.5 --ssl_hub=wavlm",
    ]
    assert "EER" not in head and "difference" not in head


def test_rows_of_one_method_are_told_apart_by_folder(method, tmp_path):
    make_method(tmp_path / "again")
    names = [
        r["method"] for r in report_on([method, tmp_path / "again"])["rows"]
    ]
    assert names == [str(method), str(tmp_path / "again")]


def test_table_and_json_say_what_markdown_says(tmp_path):
    make_method(tmp_path / "a", overrides={"tasks": "[asr]"})
    content = report_on([tmp_path / "a"])
    console = Console(width=100, file=io.StringIO())
    console.print(as_table(content))
    table = console.file.getvalue()
    cells = as_markdown(content).splitlines()[2].strip("| ").split(" | ")
    for cell in cells:
        assert cell in table
    assert json.loads(as_json(content)) == content


# ---- the front door


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["ser_mtl_modules", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        __main__.main()
    return end.value.code


@pytest.mark.parametrize("form", ["markdown", "json", "table"])
def test_command_prints_the_report(method, monkeypatch, capsys, form):
    assert call(monkeypatch, "report", method, "--format", form) == 0
    assert "small-card" in capsys.readouterr().out


def test_a_mistake_is_a_sentence_and_exit_code_2(tmp_path, monkeypatch, capsys):
    assert call(monkeypatch, "report", tmp_path) == 2
    printed = capsys.readouterr()
    assert "no results.json here or below" in printed.err
    assert not printed.out


def test_a_row_may_be_named(method):
    rows = report_on([f"emotion only={method}"], method)["rows"]
    assert [row["method"] for row in rows] == ["emotion only"]
    assert "against" not in rows[0]  # it is the same folder
    content = report_on([f"emotion only={method}"], method)
    assert f"to emotion only ({method})" in as_markdown(content)


# ---- parts of the test set


def test_parts_of_the_test_set_equal_scikit_learn(tmp_path):
    written = make_method(tmp_path / "a", seeds=(1, 2))
    (row,) = report_on([tmp_path / "a"])["rows"]
    rows = sum(written.values(), [])
    targets, predictions = labels(rows)
    found = confusion_matrix(targets, predictions, labels=CLASSES)
    assert row["confusion"] == found.tolist() and row["classes"] == CLASSES
    recalls = recall_score(targets, predictions, labels=CLASSES, average=None)
    assert row["by_class"] == pytest.approx(dict(zip(CLASSES, recalls)))
    for column in ("gender", "style", "speaker"):
        for who, value in row[f"by_{column}"].items():
            mine = [r for r in rows if r[column] == who]
            assert value == pytest.approx(
                balanced_accuracy_score(*labels(mine))
            )
    assert len(row["by_speaker"]) == 6 and len(row["by_gender"]) == 1
    assert list(row["by_style"]) == ["improvised", "scripted"]


def test_parts_of_the_test_set_have_columns_of_their_own(method):
    content = report_on([method])
    by_style = content["rows"][0]["by_style"]
    for name in ("improvised", "scripted"):
        (cell,) = details(content)[f"UA, {name}"]
        assert cell == f"{100 * by_style[name]:.1f}"


def test_runs_from_before_styles_were_written_down_are_reported(tmp_path):
    rows = [
        {k: v for k, v in row.items() if k != "style"}
        for row in rows_of(1, 1, 0.6)
    ]
    make_run(tmp_path / "old", rows)
    content = report_on([tmp_path / "old"])
    assert content["rows"][0]["by_style"] == {}
    assert not any("improvised" in name for name in details(content))


def test_concordance_of_attributes_is_in_the_tables(tmp_path):
    rng = np.random.default_rng(0)
    for fold in (1, 2):
        rows = [
            {
                **row,
                "arousal_target": f"{value:.2f}" if i else "",
                "arousal_estimate": float(value + rng.normal()),
            }
            for i, (row, value) in enumerate(
                zip(rows_of(fold, 1, 0.6), rng.uniform(1, 5, 24))
            )
        ]
        make_run(tmp_path / "runs" / str(fold), rows, fold=fold)
    content = report_on([tmp_path / "runs"])
    assert content["differences"] == []
    (row,) = content["rows"]
    assert 0.3 < row["mean"]["attributes/CCC"] < 1
    # of one attribute, the mean over attributes is its own
    assert row["mean"]["attributes/arousal"] == row["mean"]["attributes/CCC"]
    assert row["pooled"]["attributes/CCC"] != row["mean"]["attributes/CCC"]
    table = as_markdown(content)
    assert "| attributes CCC | attributes CCC, pooled |" in table


def test_the_lowest_and_the_highest_speaker_are_named(method):
    content = report_on([method])
    by_speaker = content["rows"][0]["by_speaker"]
    low = min(by_speaker, key=by_speaker.get)
    said = details(content)["UA, lowest speaker"]
    assert said == [f"{100 * by_speaker[low]:.1f} ({low})"]


def test_csv_has_a_line_for_each_method_and_metric(method, tmp_path):
    make_method(tmp_path / "b", seeds=(1, 2))
    content = report_on([method, f"b, better={tmp_path / 'b'}"])
    lines = list(csv.DictReader(io.StringIO(as_csv(content))))
    n_metrics = len(content["rows"][0]["mean"])
    assert len(lines) == 2 * n_metrics
    (line,) = [
        x
        for x in lines
        if (x["method"], x["metric"]) == ("b, better", "emotion/UA")
    ]
    row = content["rows"][1]
    assert float(line["mean"]) == row["mean"]["emotion/UA"]
    assert [float(line["low"]), float(line["high"])] == row["interval"]
    assert float(line["pooled"]) == row["pooled"]["UA"]
    assert (
        float(line["sd_over_seeds"]) == (row["spread_over_seeds"]["emotion/UA"])
    )


def test_the_page_needs_no_other_file(method):
    content = report_on([f"<script> & co={method}"], against=method)
    page = as_html(content)
    assert "<script>" not in page and "&lt;script&gt; &amp; co" in page
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    (picture,) = sources
    data = base64.b64decode(picture.removeprefix("data:image/png;base64,"))
    assert data.startswith(b"\x89PNG")
    for who in content["rows"][0]["by_speaker"]:
        assert f"<th>{who}</th>" in page
