from hypothesis import (
    given,
    strategies as st,
)

from ser_mtl_modules.dataio.label_files import (
    as_counts,
    numbered_lines,
    read_label_file,
    wrong_line,
)


def test_bytes_of_other_encodings_are_left_out_and_line_ends_are_one(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(b"a\r\nna\xefve\n\xc3\xbc\n\n")
    assert read_label_file(path) == "a\nnave\nü\n\n"


def test_a_control_character_ends_no_line():
    text = "one\x0b\x0c\x1c\x85\u2028of one\n\ntwo"
    assert [number for number, _ in numbered_lines(text)] == [1, 3]


def test_a_wrong_line_is_said_with_its_place_and_what_was_expected():
    message = str(wrong_line("labels.txt", 3, "A-E1: ?", "a number"))
    assert "labels.txt, line 3: found 'A-E1: ?', expected a number" in message


def test_no_label_has_no_counts():
    assert as_counts([]) == ""


labels = st.lists(st.text("abc ", min_size=1))


@given(labels)
def test_counts_say_how_often_each_label_is_there_in_any_order(labels):
    pairs = [part.split(":") for part in as_counts(labels).split("|") if part]
    assert {name: int(n) for name, n in pairs} == {
        name: labels.count(name) for name in labels
    }
    assert as_counts(labels[::-1]) == as_counts(labels)
