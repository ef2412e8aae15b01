import logging
import re
import shutil
from collections import Counter
from pathlib import Path

import iemocap_prepare
import pytest
import soundfile
from hypothesis import (
    example,
    given,
    strategies as st,
)
from iemocap_counts import LABELS, dialogs, listing
from iemocap_prepare import (
    EMOTIONS,
    parse_evaluation,
    parse_transcription,
    parse_turn,
    prepare,
)
from short_corpora import write_in_tones
from tiny_ravdess import ROOT

from ser_mtl_modules.dataio.cards import load_card
from ser_mtl_modules.dataio.download import download_corpus
from ser_mtl_modules.dataio.manifest import Manifest, read_manifest
from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.synthesis import iemocap

PROTOCOLS = ROOT / "recipes" / "IEMOCAP" / "protocols.yaml"
CARD = "iemocap-5fold-loso"
TURN = (
    "Ses02F_impro01_M001"  # of the sample; who talks is not who wears markers
)
WAV = f"Session2/sentences/wav/Ses02F_impro01/{TURN}.wav"
LABELS_OF = "Session2/dialog/EmoEvaluation/Ses02F_impro01.txt"
TEXTS_OF = "Session2/dialog/transcriptions/Ses02F_impro01.txt"


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """All speakers, clips of 5 ms."""
    folder = tmp_path_factory.mktemp("complete") / "IEMOCAP_full_release"
    return write_in_tones(
        iemocap.write_iemocap, folder, 0.005, clips_per_speaker=10
    )


@pytest.fixture
def corpus(complete, tmp_path):
    """A copy to be damaged."""
    return Path(shutil.copytree(complete, tmp_path / "IEMOCAP_full_release"))


@pytest.fixture
def csv(tmp_path):
    return tmp_path / "results" / "manifest.csv"


@pytest.fixture(scope="module")
def rows(complete, tmp_path_factory):
    csv = tmp_path_factory.mktemp("results") / "manifest.csv"
    prepare(complete, csv)
    return read_manifest(csv, complete).rows


def edit(path, old, new):
    text = path.read_bytes().decode("latin-1")
    assert old in text
    path.write_bytes(text.replace(old, new, 1).encode("latin-1"))


def transcript_of(corpus, turn):
    """What the file says, without the tag after it."""
    lines = (corpus / TEXTS_OF).read_text().splitlines()
    (text,) = (x.partition("]: ")[2] for x in lines if x.startswith(turn))
    assert text.endswith(". [LAUGHTER]")
    return text.partition(".")[0].upper()


def test_every_turn_becomes_a_row_that_says_what_the_files_say(rows, complete):
    expected = {
        name: label
        for some in iemocap.turns(10).values()
        for name, label in some
    }
    assert {name: row["emotion"] for name, row in rows.items()} == expected
    row = dict(rows[TURN])
    assert len(row.pop("checksum")) == 32
    assert 0.005 <= row.pop("duration") < 0.007
    assert row == {
        "wav": f"{complete}/{WAV}",
        "start": None,
        "stop": None,
        "emotion": "hap",
        "speaker": "Ses02M",
        "gender": "M",
        "transcript": transcript_of(complete, TURN),
        "session": "Ses02",
        "style": "improvised",
        "split": "",
        "arousal": "3.5",
        "valence": "4.0",
        "dominance": "3.0",
        "raters": "frustration:1|happiness:2|neutral:1",
        "dialog": "Ses02F_impro01",
        "self_report": "happiness:1",
    }


def test_the_speaker_is_who_talks_not_who_wears_the_markers(rows):
    both_sides = set()
    for name, row in rows.items():
        talker = name.split("_")[-1][0]
        assert row["speaker"] == name[:5] + talker
        assert row["gender"] == talker
        both_sides.add((name[5], talker))
    assert len(both_sides) == 4


def test_turns_called_mxx_have_no_recording_and_no_row(corpus, csv, rows):
    # should a release evaluate or cut them, they are passed over still
    turn = "Ses02F_impro01_MXX0"
    line = f"[1.0 - 2.0]\t{turn}\tang\t[1.0, 2.0, 3.0]\nC-E1:\tSadness;\t()\n"
    edit(corpus / LABELS_OF, "\n[", f"\n{line}\n[")
    shutil.copy(corpus / WAV, corpus / WAV.replace(TURN, turn))
    assert turn in (corpus / TEXTS_OF).read_text()
    prepare(corpus, csv)
    found = read_manifest(csv, corpus).rows
    assert found.keys() == rows.keys()
    assert {id_: row["raters"] for id_, row in found.items()} == {
        id_: row["raters"] for id_, row in rows.items()
    }


def test_an_attribute_without_a_value_is_no_error(complete, rows):
    assert "dom  ;" in (complete / LABELS_OF).read_bytes().decode("latin-1")
    assert rows[TURN]["dominance"] == "3.0"


def test_files_that_macos_left_are_passed_over(complete, rows):
    left = [path for path in complete.rglob("._*") if path.is_file()]
    assert {path.suffix for path in left} == {".txt", ".wav"}
    assert not any(name.startswith(".") for name in rows)


def test_folders_of_single_raters_are_passed_over(complete, rows):
    folder = complete / LABELS_OF
    assert [*folder.parent.glob("Categorical/*.txt")] and len(rows) == 106


def test_lines_without_a_turn_are_no_transcripts(complete, rows):
    assert "\nF: Can you hear me?" in (complete / TEXTS_OF).read_text()
    assert not any("HEAR" in row["transcript"] for row in rows.values())


def test_remarks_may_be_in_another_encoding(complete, rows):
    assert b"na\xefve" in (complete / LABELS_OF).read_bytes()
    assert rows[TURN]["raters"].startswith("frustration:1|happiness:2")


def test_tags_are_not_said(complete, rows):
    assert "[LAUGHTER]" in (complete / TEXTS_OF).read_text()
    assert not any("LAUGHTER" in row["transcript"] for row in rows.values())


@pytest.mark.parametrize(
    "name, session, style, talker",
    [
        ("Ses03M_impro05a_F000", "Ses03", "improvised", "F"),
        ("Ses03M_impro08b_M010", "Ses03", "improvised", "M"),
        ("Ses05M_script01_1_F000", "Ses05", "scripted", "F"),
        ("Ses05M_script01_1b_F000", "Ses05", "scripted", "F"),
    ],
)
def test_irregular_names_of_dialogues_are_read(name, session, style, talker):
    turn = parse_turn(name)
    assert turn["dialog"] == name[:-5]
    assert (turn["session"], turn["style"]) == (session, style)
    assert turn["speaker"] == session + talker


def test_a_dialogue_whose_name_begins_another_ones_is_not_confused(rows):
    both = [n for n in rows if n.startswith("Ses05M_script01_1")]
    assert {rows[name]["dialog"] for name in both} == {
        "Ses05M_script01_1",
        "Ses05M_script01_1b",
    }
    assert rows["Ses05M_script01_1b_F000"]["emotion"] == "hap"
    assert rows["Ses05M_script01_1_F000"]["emotion"] == "exc"


def test_flac_is_as_good_and_the_release_may_lie_deeper(
    corpus, csv, tmp_path, rows
):
    samples, rate = soundfile.read(corpus / WAV, dtype="int16")
    soundfile.write((corpus / WAV).with_suffix(".flac"), samples, rate)
    (corpus / WAV).unlink()
    deeper = tmp_path / "data" / "corpora" / "IEMOCAP_full_release"
    deeper.parent.mkdir(parents=True)
    corpus.rename(deeper)
    prepare(tmp_path / "data", csv)
    found = read_manifest(csv, "").rows
    assert found[TURN]["wav"].endswith(f"{TURN}.flac")
    assert found[TURN]["checksum"] == rows[TURN]["checksum"]


def test_preparing_again_does_nothing_until_a_label_changes(corpus, csv):
    prepare(corpus, csv)
    before = csv.stat().st_mtime_ns
    prepare(corpus, csv)
    assert csv.stat().st_mtime_ns == before
    edit(corpus / LABELS_OF, f"{TURN}\thap", f"{TURN}\tneu")
    prepare(corpus, csv)
    assert read_manifest(csv, corpus).rows[TURN]["emotion"] == "neu"


def test_a_turn_without_a_transcript_has_an_empty_one_and_it_is_said(
    corpus, csv, caplog
):
    edit(corpus / TEXTS_OF, f"{TURN} [", "M: [")
    with caplog.at_level(logging.WARNING):
        prepare(corpus, csv)
    assert read_manifest(csv, corpus).rows[TURN]["transcript"] == ""
    assert "1 of 106 turns are not in the transcriptions" in caplog.text
    assert TURN in caplog.text


def test_prepared_folds_fit_the_cards_but_for_their_counts(complete, rows):
    manifest = Manifest(Path("m.csv"), rows, "", {"corpus": "iemocap"})
    for name in CARDS:
        card = load_card(PROTOCOLS, name)
        for fold in card.folds:
            card.split(manifest, fold, check_counts=False)


# ---- what is wrong is said


def test_a_missing_folder_is_an_error(tmp_path, csv):
    with pytest.raises(SerMtlError, match="nowhere: there is no such folder"):
        prepare(tmp_path / "nowhere", csv)


def test_a_folder_without_iemocap_is_an_error_that_says_where_to_ask(
    tmp_path, csv
):
    message = "IEMOCAP is not here.*sail.usc.edu/iemocap"
    with pytest.raises(SerMtlError, match=message):
        prepare(tmp_path, csv)


def test_two_releases_are_not_mixed(corpus, csv, tmp_path):
    shutil.copytree(corpus, tmp_path / "again")
    with pytest.raises(SerMtlError, match="here more than once(?s:.*)again"):
        prepare(tmp_path, csv)


def test_missing_sessions_are_named(corpus, csv):
    shutil.rmtree(corpus / "Session3")
    with pytest.raises(SerMtlError, match="no folder Session3; expected all"):
        prepare(corpus, csv)


@pytest.mark.parametrize("folder", ["EmoEvaluation", "transcriptions"])
def test_a_session_without_labels_or_texts_is_named(corpus, csv, folder):
    shutil.rmtree(corpus / "Session4" / "dialog" / folder)
    with pytest.raises(SerMtlError, match=f"{folder}: no text files here"):
        prepare(corpus, csv)


def test_missing_speakers_are_named(corpus, csv):
    for path in (corpus / "Session4/dialog/EmoEvaluation").glob("[!.]*.txt"):
        text = path.read_bytes()
        path.write_bytes(re.sub(rb"\[.*_M\d.*(\n.+)*", b"", text))
    with pytest.raises(SerMtlError, match="no labels of Ses04M; expected"):
        prepare(corpus, csv)


@pytest.mark.parametrize(
    "name", ["Ses02F_impro01 (1)", "readme", "Ses01F_impro07"]
)
def test_a_file_that_is_no_dialogue_of_the_session_is_named(corpus, csv, name):
    (corpus / LABELS_OF).with_stem(name).write_text("")
    with pytest.raises(SerMtlError) as error:
        prepare(corpus, csv)
    assert f"EmoEvaluation/{name}.txt" in str(error.value)
    assert "1 text files are not named after a dialogue" in str(error.value)


def test_turns_and_recordings_have_to_fit(corpus, csv):
    (corpus / WAV).unlink()
    other = corpus / WAV.replace("impro01", "impro02")
    other.parent.mkdir()
    other.touch()
    moved = corpus / WAV.replace("M001", "F001")
    shutil.move(moved, other.parent)
    with pytest.raises(SerMtlError) as error:
        prepare(corpus, csv)
    message = str(error.value)
    assert f"{TURN}: evaluated, but not in sentences/wav" in message
    assert f"{other}: not in EmoEvaluation" in message
    assert f"{moved.name}: expected in a folder Ses02F_impro01" in message


def test_bad_audio_is_named_and_left_out_on_request_alone(corpus, csv, caplog):
    (corpus / WAV).write_bytes(b"404: not found")
    with pytest.raises(SerMtlError, match=f"{TURN}.wav: cannot be read"):
        prepare(corpus, csv)
    prepare(corpus, csv, skip_bad_audio=True)
    rows = read_manifest(csv, corpus).rows
    assert len(rows) == 105 and TURN not in rows


def test_download_says_where_to_ask(tmp_path):
    with pytest.raises(SerMtlError, match="by hand.*(?s:.*)sail.usc.edu"):
        download_corpus(iemocap_prepare, tmp_path)


PATH = Path("Session2/dialog/EmoEvaluation/Ses02F_impro01.txt")
GOOD = f"[6.2901 - 8.2357]\t{TURN}\tneu\t[2.5000, 2.5000, 2.5000]"
SHAPE = "expected a turn such as"


@pytest.mark.parametrize(
    "line, expected",
    [
        (GOOD.replace("\t", " "), SHAPE),
        (GOOD.replace("2.5000, 2", "two, 2"), SHAPE),
        (GOOD.replace(", 2.5000]", "]"), SHAPE),
        (GOOD.replace("8.2357", "nan"), SHAPE),
        (GOOD.replace("6.2901", "٦.2901"), SHAPE),
        (GOOD + "\t?", SHAPE),
        ("[", SHAPE),
        (GOOD.replace("neu", "NEU"), "one of the labels ang, hap, exc, sad"),
        (GOOD.replace("neu", "cal"), "one of the labels ang, hap, exc, sad"),
        (GOOD.replace("M001", "M01"), "such as Ses02F_impro01_F000"),
        (GOOD.replace("impro01", "impro02"), "a turn of this dialogue"),
        (GOOD.replace("Ses02F", "Ses02M"), "a turn of this dialogue"),
        (GOOD.replace("Ses02F", "Ses06F"), "a turn of this dialogue"),
        (f"{GOOD}\n{GOOD}", f"each turn once; {TURN} is above"),
        ("C-E2:\tNeutral;\t()", "a turn before its raters"),
        (f"{GOOD}\nC-E2:\tNeutral|Anger;\t()", "a rater's labels such as"),
        (f"{GOOD}\nC-X2:\tNeutral;\t()", "a rater's labels such as"),
        (f"{GOOD}\nB-E2:\tNeutral;\t()", "a turn ([), a rater (C-, A-)"),
        (TURN, "a turn ([), a rater (C-, A-)"),
    ],
)
def test_a_malformed_line_of_labels_is_said_with_file_and_number(
    line, expected
):
    last = line.split("\n")[-1]
    number = 3 + line.count("\n")
    with pytest.raises(SerMtlError) as error:
        parse_evaluation(f"% header\n\n{line}\n", PATH)
    message = str(error.value)
    assert f"{PATH}, line {number}: found {last!r}, expected" in message
    assert expected in message


@pytest.mark.parametrize(
    "line, expected",
    [
        (f"{TURN}: Excuse me.", f"expected '{TURN} [006.2901-008.2357]: "),
        (f"{TURN} [006.2901]: Excuse me.", "[006.2901-008.2357]: Excuse me."),
        (f"{TURN} [1.0-2.0]: Yes.\n{TURN} [1.0-2.0]: No.", "each turn once"),
    ],
)
def test_a_malformed_transcript_is_said_with_file_and_number(line, expected):
    last = line.split("\n")[-1]
    number = 2 + line.count("\n")
    with pytest.raises(SerMtlError) as error:
        parse_transcription(f"F: Hello?\n{line}\n", PATH)
    message = str(error.value)
    assert f"{PATH}, line {number}: found {last!r}, expected" in message
    assert expected in message


def test_a_turn_may_be_without_words():
    text = f"{TURN} [006.2901-008.2357]: [BREATHING]\n"
    assert parse_transcription(text, PATH) == {TURN: ""}
    assert parse_transcription(f"{TURN} [1.0-2.0]:\n", PATH) == {TURN: ""}


pieces = st.sampled_from(
    [
        *("\n", "\t", " ", "[", "]", ":", ";", "()", ", ", " - ", "-", "%"),
        *("C-E1:", "C-F1:", "A-E1:", "A-M1:\tval 3; act ; dom  2;\t()"),
        *("Neutral;", "neu", "xxx", "2.5000", "6.2901", "MXX0", "_", "M: "),
        *(TURN, "Ses02F_impro01_FXX0", "[2.5000, 2.5000, 2.5000]", GOOD),
        "006.2901-008.2357",
    ]
)
contents = st.text() | st.lists(pieces | st.text(max_size=3)).map("".join)


@given(contents)
@example(GOOD + "\nC-E1:")
@example("")
def test_any_file_of_labels_is_read_or_refused_with_our_error(text):
    try:
        turns = parse_evaluation(text, PATH)
    except SerMtlError as error:
        assert f"{PATH}, line " in str(error)
    else:
        for name, turn in turns.items():
            assert turn["emotion"] in EMOTIONS
            assert {**parse_turn(name), **turn} == turn


@given(contents)
@example(f"{TURN}\n")
@example(f"{TURN}:[1.0-2.0]: x")
def test_any_file_of_transcripts_is_read_or_refused_with_our_error(text):
    try:
        said = parse_transcription(text, PATH)
    except SerMtlError as error:
        assert f"{PATH}, line " in str(error)
    else:
        assert all(parse_turn(name) for name in said)


@given(st.text() | st.from_regex(iemocap_prepare.TURN, fullmatch=True))
@example(TURN + "\n")
@example("Ses02F_impro01_MXX0")
def test_a_name_is_that_of_a_turn_or_of_none(name):
    turn = parse_turn(name)
    if turn is not None:
        assert f"{turn['dialog']}_{turn['gender']}{name[-3:]}" == name
        assert turn["speaker"] == turn["session"] + turn["gender"]


# ---- the whole corpus: its names and counts, without its audio


@pytest.fixture(scope="module")
def whole():
    """A manifest of all turns, through the parser of label files."""
    of_dialog = {dialog: [] for dialog in dialogs()}
    for name, label in listing():
        of_dialog[name[:-5]].append((name, label))
    assert len(of_dialog) == 151 and all(of_dialog.values())
    rows = {}
    for dialog, turns in of_dialog.items():
        rows.update(
            parse_evaluation(iemocap.evaluation(turns), Path(f"{dialog}.txt"))
        )
    for name, row in rows.items():
        row.update(wav=f"{name}.wav", checksum=name)
    return Manifest(Path("manifest.csv"), rows, "", {"corpus": "iemocap"})


CARDS = [
    "iemocap-5fold-loso",
    "iemocap-10fold-speaker",
    "iemocap-5fold-improvised",
    "iemocap-5fold-improvised-without-excited",
    "iemocap-session5-6class",
]


def count(rows, *columns):
    return Counter(tuple(row[c] for c in columns) for row in rows.values())


def test_talker_gender_and_session_of_all_turns(whole):
    assert count(whole.rows, "gender") == {("F",): 4800, ("M",): 5239}
    assert count(whole.rows, "style") == {
        ("improvised",): 4784,
        ("scripted",): 5255,
    }
    assert count(whole.rows, "session", "speaker") == {
        (f"Ses{n:02d}", f"Ses{n:02d}{talker}"): turns
        for n, talkers in enumerate(
            [(873, 946), (859, 952), (1048, 1088), (987, 1116), (1033, 1137)],
            start=1,
        )
        for talker, turns in zip("FM", talkers)
    }


def test_the_counting_rules_give_5531_and_the_sessions_counts(whole):
    card = load_card(PROTOCOLS, CARD)
    clips = {}
    for fold in card.folds:
        clips.update(card.split(whole, fold).test)
    assert len(clips) == 5531
    by_session = count(clips, "session", "emotion")
    table = {  # anger, happiness, neutral, sadness
        "Ses01": (229, 278, 384, 194),
        "Ses02": (137, 327, 362, 197),
        "Ses03": (240, 286, 320, 305),
        "Ses04": (327, 303, 258, 143),
        "Ses05": (170, 442, 384, 245),
    }
    for session, counts in table.items():
        for class_, n in zip(card.classes, counts):
            assert by_session[session, class_] == n
    assert count(clips, "gender") == {("F",): 2649, ("M",): 2882}
    improvised = count(clips, "session", "style")
    for session, n in zip(table, (521, 530, 627, 534, 731)):
        assert improvised[session, "improvised"] == n


def test_dialogue_prefixes_taken_for_speakers_would_share_both_talkers(whole):
    """As published lists do, whose test set 01F has 237 and 270 clips."""
    clips = {
        name: row
        for name, row in whole.rows.items()
        if row["emotion"] in LABELS and row["session"] == "Ses01"
    }
    by_prefix = Counter(
        (name[:6], row["speaker"]) for name, row in clips.items()
    )
    assert by_prefix == {
        ("Ses01F", "Ses01F"): 237,
        ("Ses01F", "Ses01M"): 270,
        ("Ses01M", "Ses01F"): 291,
        ("Ses01M", "Ses01M"): 287,
    }
    card = load_card(PROTOCOLS, "iemocap-10fold-speaker")
    split = card.split(whole, 1)
    assert count(split.test, "speaker") == {("Ses01F",): 528}
    assert count(split.valid, "speaker") == {("Ses01M",): 557}
    assert not {"Ses01F", "Ses01M"} & set(split.speakers)
    wrong = {
        name: {**row, "speaker": name[:6]} for name, row in whole.rows.items()
    }
    wrong = Manifest(whole.path, wrong, "", whole.meta)
    with pytest.raises(SerMtlError, match="507 clips, expected 528"):
        card.split(wrong, 1)


@pytest.mark.parametrize("name", CARDS)
def test_every_fold_of_every_card_fits_the_whole_corpus(whole, name):
    card = load_card(PROTOCOLS, name)
    splits = [card.split(whole, fold) for fold in card.folds]
    tested = [id_ for split in splits for id_ in split.test]
    assert len(tested) == len(set(tested))
    if len(splits) > 1:
        everything = splits[0].train | splits[0].valid | splits[0].test
        assert set(tested) == set(everything)
    for split in splits:
        sessions = {row["session"] for row in split.test.values()}
        assert len(sessions) == 1
        assert not sessions & {row["session"] for row in split.train.values()}


def test_improvised_turns_are_2943_and_2280_without_excited(whole):
    for name, n in zip(CARDS[2:4], (2943, 2280)):
        split = load_card(PROTOCOLS, name).split(whole, 1)
        rows = split.train | split.valid | split.test
        assert len(rows) == n
        assert {row["style"] for row in rows.values()} == {"improvised"}


def test_a_missing_turn_is_counted(whole):
    rows = dict(whole.rows)
    gone = next(n for n, row in rows.items() if row["emotion"] == "exc")
    del rows[gone]
    with pytest.raises(SerMtlError, match="happiness 1635, expected 1636"):
        load_card(PROTOCOLS, CARD).split(
            Manifest(whole.path, rows, "", whole.meta), 1
        )
