import contextlib
import copy
import json
import logging
from pathlib import Path

import pytest
from hypothesis import (
    given,
    strategies as st,
)

from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.manifest import Manifest
from ser_mtl_modules.errors import SerMtlError

# Four speakers in two sessions; each says "joy" twice, "rage" twice, "hum" once
# and "noise", which is no emotion, once. So a speaker has five clips.
CARD = {
    "card_version": 1,
    "name": "toy",
    "corpus": "toys",
    "labels": {
        "field": "emotion",
        "classes": ["anger", "calm", "happiness"],
        "map": {"joy": "happiness", "rage": "anger", "hum": "calm"},
        "drop": ["noise"],
    },
    "label_variants": {
        "merged": {"merge": {"calm": "happiness"}},
        "two": {"keep": ["happiness", "anger"]},
        "more": {"also": {"noise": "none"}},
    },
    "disjoint": {"test": "session"},
    "folds": [
        {
            "id": 1,
            "test": {"session": ["A"]},
            "valid": {"speaker": ["3"]},
            "train": "rest",
        },
        {"id": 2, "test": {"session": ["B"]}, "valid": {"speaker": ["1"]}},
    ],
    "selection": {"split": "valid", "metric": "UA"},
    "tasks": ["emotion", "gender"],
    "expected": {
        "total": {"count": 20, "calm": 4, "other": 8},
        "every_fold": {"test": {"count": 10, "calm": 2, "other": 4}},
        "per_fold": {1: {"train": {"count": 5}}, 2: {"train": {"count": 5}}},
    },
}
LABELS = ["joy", "joy", "rage", "rage", "hum", "noise"]


def rows():
    return {
        f"{speaker}-{take}": {
            "wav": f"/data/{speaker}-{take}.wav",
            "emotion": label,
            "speaker": speaker,
            "gender": "FM"[int(speaker) % 2],
            "session": "A" if speaker in "12" else "B",
            "checksum": f"{speaker}{take}",
        }
        for speaker in "4321"
        for take, label in enumerate(LABELS)
    }


def manifest(changed=None):
    content = rows() if changed is None else changed
    return Manifest(Path("toys.csv"), content, "0123", {"corpus": "toys"})


@pytest.fixture
def load(tmp_path):
    """Loads "toy" as changed by a function of the card."""

    def load(change=lambda card: None, name="toy"):
        card = copy.deepcopy(CARD)
        change(card)
        path = tmp_path / "protocols.yaml"
        path.write_text(json.dumps([card]))  # JSON is YAML too
        return load_card(path, name)

    return load


def classes_of(rows):
    return [row["emotion"] for row in rows.values()]


def test_a_fold_has_the_rows_that_the_card_says_by_id(load):
    split = load().split(manifest(), 1)
    assert {row["session"] for row in split.test.values()} == {"A"}
    assert {row["speaker"] for row in split.valid.values()} == {"3"}
    assert list(split.train) == ["4-0", "4-1", "4-2", "4-3", "4-4"]
    assert list(split.test) == sorted(split.test)


def test_labels_become_classes_and_the_raw_ones_stay(load):
    train = load().split(manifest(), 1).train
    assert classes_of(train) == [
        "happiness",
        "happiness",
        "anger",
        "anger",
        "calm",
    ]
    assert [row["raw_emotion"] for row in train.values()] == LABELS[:5]


def test_splitting_leaves_the_manifest_as_it_was(load):
    whole = manifest()
    load().split(whole, 1)
    assert whole.rows == rows()


def test_split_tells_what_training_needs_from_train_alone(load):
    split = load().split(manifest(), 1)
    assert split.classes == ["anger", "calm", "happiness"]
    assert split.class_counts == [2, 1, 2]
    assert split.speakers == ["4"] and split.genders == ["F"]


def test_unknown_speakers_and_genders_are_not_listed_nor_shared(load):
    unknown = rows()
    for id_ in ("3-0", "4-0", "4-1"):
        unknown[id_].update(speaker="", gender="")

    def by_session(card):
        card["folds"][0] = {
            "id": 1,
            "test": {"session": ["A"]},
            "valid": {"checksum": ["30", "31", "32", "33", "34"]},
        }

    split = load(by_session).split(manifest(unknown), 1)
    assert split.speakers == ["4"] and split.genders == ["F"]


def test_card_tells_what_it_is_for(load):
    card = load()
    assert (card.name, card.corpus, card.metric) == ("toy", "toys", "UA")
    assert card.folds == ["1", "2"] and card.tasks == ["emotion", "gender"]


def test_train_may_be_named_and_the_rest_is_left_alone(load):
    def explicit(card):
        card["expected"] = {}
        card["folds"][0] = {
            "id": 1,
            "test": {"speaker": ["1"]},
            "valid": {"speaker": ["2"]},
            "train": {"speaker": ["3"]},
        }
        card["disjoint"] = {}

    split = load(explicit).split(manifest(), 1)
    assert split.speakers == ["3"]


def test_filter_keeps_rows_with_the_values_it_names(load):
    def filtered(card):
        card["filter"] = {"session": ["A"]}
        card["disjoint"] = card["expected"] = {}
        card["speaker_independent"] = False
        card["folds"] = [
            {
                "id": 1,
                "test": {"gender": ["F"]},
                "valid": {"checksum": ["10", "12"]},
            }
        ]

    split = load(filtered).split(manifest(), 1)
    ids = [*split.train, *split.valid, *split.test]
    assert sorted(id_[0] for id_ in ids) == ["1"] * 5 + ["2"] * 5


def test_a_mapping_of_names_to_cards_is_a_list_of_cards(load, tmp_path):
    card = {k: v for k, v in CARD.items() if k != "name"}
    path = tmp_path / "mapping.yaml"
    path.write_text(json.dumps({"toy": card}))
    assert load_card(path, "toy").checksum == load().checksum


def test_checksum_changes_with_what_decides_a_score_and_nothing_else(load):
    def other_valid(card):
        card["folds"][0]["valid"] = {"speaker": ["4"]}

    def other_metric(card):
        card["selection"]["metric"] = "macro_F1"

    def other_words(card):
        card["source"] = ["a book"]
        card["expected"]["total"]["count"] = 20
        card["folds"] = [dict(reversed(f.items())) for f in card["folds"]]

    assert load(other_words).checksum == load().checksum
    changed = {
        load(other_valid).checksum,
        load(other_metric).checksum,
        load(name="toy+two").checksum,
        load().checksum,
    }
    assert len(changed) == 4


def test_variant_merges_classes_and_their_counts(load):
    card = load(name="toy+merged")
    assert card.name == "toy+merged"
    assert card.classes == ["anger", "happiness"]
    assert card.split(manifest(), 1).class_counts == [2, 3]
    fewer = {k: row for k, row in rows().items() if k != "4-4"}
    with pytest.raises(SerMtlError, match="happiness 11, expected 12"):
        card.split(manifest(fewer), 1)


def test_variant_keeps_classes_and_their_counts(load):
    card = load(name="toy+two")
    assert card.classes == ["anger", "happiness"]
    assert card.split(manifest(), 1).class_counts == [2, 2]
    fewer = {k: row for k, row in rows().items() if k != "4-0"}
    with pytest.raises(SerMtlError, match="15 clips, expected 16"):
        card.split(manifest(fewer), 1)


def test_variant_adds_what_the_card_drops(load):
    card = load(name="toy+more")
    assert card.classes == ["anger", "calm", "happiness", "none"]
    assert card.split(manifest(), 1).class_counts == [2, 1, 2, 1]


@pytest.mark.parametrize(
    "name, message",
    [
        ("toi", "no card 'toi'. Did you mean 'toy'. Known: toy"),
        ("toy+tow", "no 'tow'. Did you mean 'two'"),
    ],
)
def test_an_unknown_card_or_variant_is_named_with_the_nearest(
    load, name, message
):
    with pytest.raises(SerMtlError, match=f"protocols.yaml: .*{message}"):
        load(name=name)


def test_an_unknown_fold_is_named_with_those_there_are(load):
    message = "card toy: there is no fold 7. Known: 1, 2"
    with pytest.raises(SerMtlError, match=message):
        load().split(manifest(), 7)


def put(*path):
    """A change of the card: the value (last) at the end of the keys."""
    *keys, last, value = path

    def change(card):
        for key in keys:
            card = card[key]
        card[last] = value

    return change


@pytest.mark.parametrize(
    "change, message",
    [
        (put("card_version", 2), "toy: card_version: expected 1, found 2"),
        (put("folsd", []), "toy: there is no key 'folsd'. .* 'folds'"),
        (put("tasks", None), "toy: tasks: expected a list, found None"),
        (lambda card: card.pop("corpus"), "toy: corpus: expected text"),
        (put("name", 3), "number 1: name: expected text"),
        (put("name", "a+b"), "name: expected no \\+ in it"),
        (put("tasks", [1]), "tasks: expected text"),
        (put("speaker_independent", 1), "expected True or False, found 1"),
        (put("disjoint", {"tset": "speaker"}), "disjoint: .* found 'tset'"),
        (put("labels", "map", {"joy": 1}), "labels: map: expected text"),
        (put("labels", "classes", ["anger"]), "labels: map: expected all of"),
        (put("labels", "drop", ["joy"]), "drop: .*found \\['joy'\\]"),
        (
            put("labels", "map", "joy", "other"),
            "labels: map: expected a class not called other, found 'other'",
        ),
        (put("labels", "mpa", {}), "labels: there is no key 'mpa'"),
        (put("filter", {"session": "A"}), "filter: session: expected a list"),
        (put("folds", []), "folds: expected one fold or more"),
        (put("folds", 0, "id", 2), "folds: id: expected each id once"),
        (put("folds", 0, "dev", {}), "entry 1: there is no key 'dev'"),
        (put("folds", 0, "test", {"speaker": [1]}), "1: test: speaker: .*quot"),
        (put("folds", 0, "train", "all"), "1: train: expected 'rest' or"),
        (put("selection", "split", "test"), "split: expected valid, found"),
        (
            put("selection", "test_used_for_selection", True),
            "test_used_for_selection: expected False, found True",
        ),
        (put("expected", "total", "joy", 3), "total: expected count, other or"),
        (put("expected", "total", "calm", 5), "count: expected 21, found 20"),
        (put("expected", "total", "calm", "4"), "calm: expected a whole"),
        (put("expected", "per_fold", {"9": {}}), "per_fold: 9: .*found '9'"),
        (put("expected", "every_fold", {"dev": {}}), "no key 'dev'"),
        (put("expected", "rows", {"split": 3}), "rows: split: .* mapping"),
        (put("expected", "rows", {"split": {"A": "3"}}), "split: A: .*whole"),
        (put("expected", "may_lack", "1"), "may_lack: expected a whole number"),
        (
            put("label_variants", "two", {"split": []}),
            "label_variants: two: there is no key 'split'",
        ),
    ],
)
def test_a_malformed_card_is_named_with_file_card_and_key(
    load, change, message
):
    with pytest.raises(SerMtlError, match=f"protocols.yaml: .*{message}"):
        load(change)


@pytest.mark.parametrize(
    "variant, message",
    [
        ({"keep": ["joy"]}, "expected one of .*'anger'.* found 'joy'"),
        ({"merge": {"calm": "rest"}}, "found 'rest'"),
        (
            {"merge": {"calm": "anger", "anger": "happiness"}},
            "merge: expected a class that remains, found 'anger'",
        ),
        ({"also": {"noise": "count"}}, "also: expected a class not called"),
        ({"also": {"joy": "x"}}, "also: expected one of \\['noise'\\]"),
    ],
)
def test_a_malformed_variant_is_named(load, variant, message):
    message = f"toy: label_variants: two.*{message}"
    with pytest.raises(SerMtlError, match=message):
        load(put("label_variants", "two", variant), name="toy+two")


values = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
values = st.recursive(
    values | st.sampled_from(["joy", "calm", "rest", "other", "speaker"]),
    lambda v: st.lists(v, max_size=2) | st.dictionaries(st.text(), v),
    max_leaves=3,
)


@given(st.data())
def test_whatever_stands_in_a_card_only_our_error_comes_out(
    tmp_path_factory, data
):
    card = node = copy.deepcopy(CARD)
    while isinstance(node, (dict, list)) and node:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        parent, key = node, data.draw(st.sampled_from(keys))
        node = node[key] if data.draw(st.booleans()) else None
    parent[key] = data.draw(values)
    path = tmp_path_factory.getbasetemp() / "protocols.yaml"
    path.write_text(json.dumps([card]))
    name = data.draw(st.sampled_from(["toy", "toy+merged", "toy+more"]))
    with contextlib.suppress(SerMtlError):
        load_card(path, name).split(manifest(), 1)


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "no protocol cards can be read"),
        (b"- {name: toy", "this is not valid YAML"),
        (b"- name: toy\n  name: toy", "this is not valid YAML"),
        (b"\xff\xfe\xfa", "this is not valid YAML"),
        (b"toy", "expected cards, found 'toy'"),
        (b"", "expected cards, found None"),
        (b"- toy", "card number 1: expected a mapping"),
        (b"toy: 1", "card number 1: expected a mapping"),
    ],
)
def test_a_file_that_holds_no_cards_is_named(tmp_path, content, message):
    path = tmp_path / "protocols.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SerMtlError, match=f"protocols.yaml: {message}"):
        load_card(path, "toy")


def test_a_manifest_of_another_corpus_is_refused(load):
    other = Manifest(Path("cars.csv"), rows(), "", {"corpus": "cars"})
    with pytest.raises(SerMtlError, match="cars.csv is a manifest of cars"):
        load().split(other, 1)


def test_a_column_that_the_manifest_has_not_is_named(load):
    card = load(put("disjoint", {"test": "sesion"}))
    message = "column 'sesion', which toys.csv hasn't. Did you mean 'session'"
    with pytest.raises(SerMtlError, match=message):
        card.split(manifest(), 1)


def test_a_label_that_the_card_does_not_know_is_named(load):
    odd = rows()
    odd["3-1"]["emotion"] = odd["4-1"]["emotion"] = "meh"
    message = "(?s)neither in the card's map nor.*'meh': 2 clips, such as 3-1"
    with pytest.raises(SerMtlError, match=message):
        load().split(manifest(odd), 1)


def test_counts_that_differ_are_said_in_words_with_who_is_missing(load):
    fewer = {k: row for k, row in rows().items() if row["speaker"] != "1"}
    with pytest.raises(SerMtlError) as error:
        load().split(manifest(fewer), 1)
    message = str(error.value)
    assert "protocols.yaml, card toy, fold 1" in message
    assert (
        "all sets together: 15 clips, expected 20; anger 6, expected 8; "
        "calm 3, expected 4; happiness 6, expected 8\n" in message
    )
    assert "test: 5 clips, expected 10; anger 2, expected 4" in message
    assert "speaker 1 has no clip" in message
    assert "train:" not in message  # as expected
    assert "check_counts=False" in message


def test_rows_of_the_whole_manifest_are_counted_whatever_they_are_for(load):
    def expect(**numbers):
        return lambda card: card["expected"].update(rows={"emotion": numbers})

    assert load(expect(joy=8, noise=4)).split(manifest(), 1)  # noise is dropped
    with pytest.raises(SerMtlError, match="emotion noise: 4 rows .*expected 5"):
        load(expect(noise=5)).split(manifest(), 1)
    with pytest.raises(SerMtlError, match="emotion noise: 4 rows"):
        load(expect(noise=5), "toy+merged").split(manifest(), 1)


def test_as_many_clips_may_be_missing_as_the_card_allows(load):
    def allow(number):
        def change(card):
            card["expected"] |= {"may_lack": number}
            card["expected"] |= {"rows": {"session": {"A": 12}}}

        return load(change)

    changed = rows()
    del changed["1-0"]
    assert allow(1).split(manifest(changed), 1)
    with pytest.raises(SerMtlError, match="happiness 7, expected 8"):
        allow(0).split(manifest(changed), 1)
    del changed["2-0"]
    with pytest.raises(SerMtlError, match="session A: 10 rows.*expected 12"):
        allow(1).split(manifest(changed), 1)


def test_more_clips_than_expected_are_never_allowed(load):
    changed = rows()
    changed["1-9"] = {**changed["1-0"], "checksum": "19"}
    card = load(lambda card: card["expected"].update(may_lack=5))
    with pytest.raises(SerMtlError, match="happiness 9, expected 8"):
        card.split(manifest(changed), 1)


def test_a_sample_of_a_corpus_passes_with_a_warning_on_request(load, caplog):
    fewer = {k: row for k, row in rows().items() if k not in ("1-0", "4-1")}
    with caplog.at_level(logging.WARNING):
        split = load().split(manifest(fewer), 1, check_counts=False)
    assert split.class_counts == [2, 1, 1]
    assert "all sets together: 18 clips, expected 20" in caplog.text


def test_clips_that_two_sets_ask_for_are_named(load):
    card = load(put("folds", 0, "valid", {"speaker": ["1", "3"]}))
    message = "test and valid both ask for /data/1-0.wav"
    with pytest.raises(SerMtlError, match=message):
        card.split(manifest(), 1)


def test_a_speaker_in_two_sets_is_an_error(load):
    shared = rows()
    shared["4-0"]["speaker"] = "1"
    message = "fold 1: speaker 1 in both train and test"
    with pytest.raises(SerMtlError, match=message):
        load().split(manifest(shared), 1)


def test_speakers_may_be_shared_where_the_card_says_so(load):
    shared = rows()
    shared["4-0"]["speaker"] = "1"
    card = load(put("speaker_independent", False))
    assert card.split(manifest(shared), 1).speakers == ["1", "4"]


def test_a_value_of_the_disjoint_column_in_two_sets_is_an_error(load):
    def by_speaker(card):
        card["folds"][0]["test"] = {"speaker": ["1", "4"]}
        card["folds"][0]["valid"] = {"speaker": ["3"]}

    message = "session A in both test and train; a session may be in one"
    with pytest.raises(SerMtlError, match=message):
        load(by_speaker).split(manifest(), 1)


def test_the_same_audio_in_two_sets_is_an_error_that_names_both(load):
    copied = rows()
    copied["1-0"]["checksum"] = copied["4-1"]["checksum"]
    message = r"/data/4-1.wav \(train\) is /data/1-0.wav \(test\)"
    with pytest.raises(SerMtlError, match=message):
        load().split(manifest(copied), 1)


def test_rows_without_a_checksum_are_not_the_same_audio(load):
    changed = {id_: {**row, "checksum": ""} for id_, row in rows().items()}
    assert load().split(manifest(changed), 1)


def test_the_same_audio_twice_in_one_set_passes(load):
    copied = rows()
    copied["4-0"]["checksum"] = copied["4-1"]["checksum"]
    assert len(load().split(manifest(copied), 1).train) == 5


def test_a_class_that_train_has_not_is_an_error_in_any_case(load):
    without = {k: row for k, row in rows().items() if k != "4-4"}
    with pytest.raises(SerMtlError, match="fold 1: no clip of calm in train"):
        load().split(manifest(without), 1, check_counts=False)


def test_an_empty_set_is_an_error_in_any_case(load):
    without = {k: row for k, row in rows().items() if row["speaker"] != "3"}
    with pytest.raises(SerMtlError, match="fold 1: no clip in valid"):
        load().split(manifest(without), 1, check_counts=False)


# ---- mistakes on purpose


SETS = ("train", "valid", "test")


def test_a_random_split_deals_the_same_clips_and_tests_each_once(load):
    tested = []
    for fold in (1, 2):
        honest = load().split(manifest(), fold)
        dealt = load(name="toy+random_split").split(manifest(), fold)
        sets = [getattr(dealt, set_) for set_ in SETS]
        for set_, rows_ in zip(SETS, sets):
            same = getattr(honest, set_)
            assert sorted(classes_of(rows_)) == sorted(classes_of(same))
            assert list(rows_) == sorted(rows_)
        assert sorted(sum(map(list, sets), [])) == sorted(
            [*honest.train, *honest.valid, *honest.test]
        )
        tested += dealt.test
    assert len(tested) == len(set(tested)) == 20


def test_in_a_random_split_speakers_of_the_test_are_heard_in_training(load):
    split = load(name="toy+random_split").split(manifest(), 1)
    assert {row["speaker"] for row in split.test.values()} & set(split.speakers)
    again = load(name="toy+random_split").split(manifest(), 1)
    assert again == split


def test_chosen_on_test_changes_valid_alone(load):
    honest = load().split(manifest(), 1)
    leak = load(name="toy+chosen_on_test").split(manifest(), 1)
    assert leak.valid == leak.test == honest.test
    assert leak.train == honest.train


def test_a_mistake_is_a_card_of_its_own_and_says_so(load, caplog):
    names = ["toy", "toy+merged", "toy+random_split", "toy+chosen_on_test"]
    names += ["toy+merged+random_split"]
    cards = [load(name=name) for name in names]
    assert len({card.checksum for card in cards}) == len(cards)
    assert [card.name for card in cards] == names
    assert cards[-1].classes == ["anger", "happiness"]
    for card in cards:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            card.split(manifest(), 1)
        warned = "worth nothing" in caplog.text
        assert warned == ("random" in card.name or "chosen" in card.name)


def test_no_variant_is_called_as_a_mistake_is(load):
    with pytest.raises(SerMtlError, match="another name.*random_split"):
        load(put("label_variants", "random_split", {"keep": ["anger"]}))
