"""From a table to a trained model, and what is refused before."""

import csv
import json

import pytest
import ruamel.yaml
import soundfile
import train
from tiny_ravdess import RATE, ROOT, arguments, clip, predictions, scores
from typer.testing import CliRunner

from ser_mtl_modules.__main__ import app
from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.manifest import read_manifest
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.scaffold import new_recipe as scaffold
from ser_mtl_modules.scaffold.new_recipe import YAMLS, new_recipe

EMOTIONS = ["01", "no", "other"]  # what YAML would take for something else
SPEAKERS = range(1, 7)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Thirty-six clips, six of each speaker."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "wavs").mkdir()
    for who, emotion, take, file in listing():
        soundfile.write(folder / file, clip(1 + emotion, who, take), RATE)
    return folder


def listing():
    for who in SPEAKERS:
        for emotion in range(3):
            for take in (1, 2):
                name = f"wavs/{who}_{emotion}_{take}.wav"
                yield who, emotion, take, name


def write_table(folder, name, *columns, split=lambda who, take: "train"):
    """A table with some of the optional columns."""
    rows = [
        {
            "file": file,
            "emotion": EMOTIONS[emotion],
            "speaker": f"0{who}",
            "gender": "FM"[who % 2],
            "transcript": "yes" if take == 1 else "no",
            "split": split(who, take),
        }
        for who, emotion, take, file in listing()
    ]
    with open(folder / name, "w", newline="") as file:
        fields = ["file", "emotion", *columns]
        writer = csv.DictWriter(file, fields, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return folder / name


@pytest.fixture
def call(no_pictures):
    """A function that runs a command of the front door."""

    def call(*words):
        result = CliRunner().invoke(app, [*map(str, words)])
        assert result.exit_code == 0, result.output
        return result.output

    return call


def test_three_commands_lead_from_a_table_to_a_result(data, tmp_path, call):
    table = write_table(data, "full.csv", "speaker", "gender", "transcript")
    said = call("new-recipe", "Full-1", table, "--into", tmp_path)
    assert f"cd {tmp_path / 'Full-1'} && python train.py" in said
    assert f"--data_folder={data}" in said and "WARNING" not in said

    recipe = tmp_path / "Full-1"
    run = recipe / "results" / "mtl_fbank" / "full-1-proposed" / "run"
    flags = arguments(data, run, recipe=recipe)
    flags.remove("--check_counts=False")  # the card counted this corpus
    train.main([f for f in flags if not f.startswith("--manifest=")])
    for epoch in json.loads((run / "history.json").read_text()):
        terms = {"loss", "emotion", "gender", "speaker", "asr", "swfc"}
        assert set(epoch["train"]) == terms
    tested = {row["speaker"] for row in predictions(run)}
    card = load_card(recipe / "protocols.yaml", "full-1-proposed")
    manifest = read_manifest(recipe / "results" / "manifest.csv", data)
    assert tested == {
        r["speaker"] for r in card.split(manifest, 1).test.values()
    }

    reported = json.loads(call("report", run.parent, "--format", "json"))
    assert reported["card"] == "full-1-proposed"
    (row,) = reported["rows"]
    assert row["folds"] == [1] and list(row["by_speaker"]) == sorted(tested)


@pytest.mark.parametrize("yaml", ["mtl_fbank.yaml", "mll_fbank.yaml"])
def test_a_table_of_files_and_emotions_trains_emotion_with_a_warning(
    data, tmp_path, call, yaml
):
    table = write_table(data, "bare.csv")
    said = call("new-recipe", "Bare", table, "--into", tmp_path)
    assert "WARNING: the split can't be speaker independent" in said
    recipe = tmp_path / "Bare"
    for file in ("README.md", "protocols.yaml"):
        words = (recipe / file).read_text().replace("\n# ", " ")
        assert "can't be speaker independent" in " ".join(words.split())
    train.main(arguments(data, tmp_path / "run", yaml=yaml, recipe=recipe))
    assert len(predictions(tmp_path / "run")) == 6
    assert set(scores(tmp_path / "run")) == {"emotion"}


@pytest.mark.parametrize(
    "columns, tasks",
    [
        ([], []),
        (["speaker"], ["speaker"]),
        (["gender"], ["gender"]),
        (["speaker", "transcript"], ["speaker", "asr"]),
    ],
)
def test_tasks_are_those_that_the_table_has_labels_for(
    data, tmp_path, columns, tasks
):
    table = write_table(data, "some.csv", *columns)
    recipe, _ = new_recipe("Some", table, tmp_path)
    load = ruamel.yaml.YAML(typ="rt").load
    (card,) = load(recipe / "protocols.yaml").values()
    assert card["tasks"] == ["emotion", *tasks]
    for name in YAMLS:
        keys = load(recipe / "hparams" / f"{name}.yaml")
        assert keys.get("auxiliary_tasks", tasks) == tasks
        assert keys["preparation"] == "some_prepare"


def test_yamls_are_those_of_ravdess_but_for_the_data(data, tmp_path):
    recipe, _ = new_recipe("Same", write_table(data, "same.csv"), tmp_path)
    for name in YAMLS:
        path = f"hparams/{name}.yaml"
        ours = (recipe / path).read_text().splitlines()
        theirs = (ROOT / "recipes" / "RAVDESS" / path).read_text().splitlines()
        assert len(ours) == len(theirs)
        differ = {a.partition(":")[0] for a, b in zip(ours, theirs) if a != b}
        data_keys = {"data_folder", "card", "preparation", "download"}
        assert data_keys <= differ <= data_keys | {"auxiliary_tasks"}


def test_the_tables_own_split_is_taken(data, tmp_path):
    def split(who, take):
        return {5: "valid", 6: "test"}.get(who, "train")

    table = write_table(data, "own.csv", "speaker", "split", split=split)
    recipe, notes = new_recipe("Own", table, tmp_path)
    assert notes == []
    card = load_card(recipe / "protocols.yaml", "own-own-split")
    manifest = read_manifest(recipe / "results" / "manifest.csv", data)
    found = card.split(manifest, 1)
    assert {row["speaker"] for row in found.valid.values()} == {"05"}
    assert {row["speaker"] for row in found.test.values()} == {"06"}


@pytest.mark.parametrize("columns", [["speaker", "split"], ["split"]])
def test_a_split_of_the_table_that_shares_speakers_is_warned_of(
    data, tmp_path, columns
):
    def split(who, take):
        return {(1, 1): "valid", (2, 1): "test"}.get((who, take), "train")

    table = write_table(data, "leak.csv", *columns, split=split)
    _, (note,) = new_recipe("Leak", table, tmp_path)
    told = "2 of 6 speakers are in more than one set, such as 01, 02"
    assert told in note or "nobody can tell whether" in note


def test_a_class_that_is_missing_in_train_is_said_of_the_table(data, tmp_path):
    def split(who, take):
        return {5: "valid", 6: "test"}.get(who, "train")

    table = write_table(data, "lacks.csv", "speaker", "split", split=split)
    text = table.read_text().replace(",no,", ",01,", 8)
    table.write_text(text)
    with pytest.raises(SerMtlError, match="no clip of no in train") as error:
        new_recipe("Lacks", table, tmp_path / "recipes")
    assert str(error.value).startswith(f"{table}, card lacks-own-split")
    assert not list((tmp_path / "recipes").iterdir())


def test_what_is_there_is_not_written_over(data, tmp_path):
    table = write_table(data, "twice.csv")
    new_recipe("Twice", table, tmp_path)
    before = (tmp_path / "Twice" / "README.md").stat().st_mtime_ns
    with pytest.raises(SerMtlError, match="Twice is there already"):
        new_recipe("Twice", table, tmp_path)
    with pytest.raises(SerMtlError, match="RAVDESS is there already"):
        new_recipe("RAVDESS", table)
    assert (tmp_path / "Twice" / "README.md").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["", "a/b", "../x", "1st", "a b", ".new"])
def test_a_name_that_is_no_folder_is_refused(data, tmp_path, name):
    with pytest.raises(SerMtlError, match="expected a name of letters"):
        new_recipe(name, data / "bare.csv", tmp_path)


def test_in_the_repository_it_gets_rows_and_a_relative_link(
    data, tmp_path, monkeypatch
):
    (tmp_path / "tests" / "recipes").mkdir(parents=True)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "train.py").symlink_to(ROOT / "recipes/train.py")
    (tmp_path / "recipes" / "RAVDESS").symlink_to(ROOT / "recipes/RAVDESS")
    rows = "tests/recipes/RAVDESS.csv"
    (tmp_path / rows).symlink_to(ROOT / rows)
    monkeypatch.setattr(scaffold, "ROOT", tmp_path)
    monkeypatch.setattr(scaffold, "RECIPES", tmp_path / "recipes")
    recipe, _ = new_recipe("My-Own", write_table(data, "own.csv"))
    assert recipe == tmp_path / "recipes" / "My-Own"
    assert str((recipe / "train.py").readlink()) == "../train.py"
    with open(tmp_path / "tests/recipes/My-Own.csv", newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == len(YAMLS)
    for row in found:
        assert row["Dataset"] == "My-Own"
        assert row["Data_prep_file"] == "recipes/My-Own/myown_prepare.py"
        for key in ("Script_file", "Hparam_file", "Data_prep_file"):
            assert (tmp_path / row[key]).exists()
