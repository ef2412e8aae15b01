import pytest
from hypothesis import (
    given,
    strategies as st,
)

from ser_mtl_modules.dataio.label_tables import (
    number_within,
    read_header,
    read_table,
)
from ser_mtl_modules.errors import SerMtlError


@pytest.fixture
def table(tmp_path):
    def write(content):
        path = tmp_path / "labels.csv"
        path.write_bytes(content.encode())
        return path

    return write


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_columns_are_found_by_name_whatever_their_order(table, mark, end):
    path = table(f"{mark}b, a,c{end}1, 2,3{end}{end}4,5,6{end}")
    assert list(read_table(path, ["a", "b"])) == [
        (2, ["2", "1"], "1, 2,3"),
        (4, ["5", "4"], "4,5,6"),
    ]
    assert read_header(path) == ["b", "a", "c"]


def test_a_quoted_value_may_hold_commas_and_lines(table):
    path = table('a,b\n"x, y","1\n2"\n3,4\n')
    assert list(read_table(path, "ab")) == [
        (3, ["x, y", "1\n2"], "x, y,1\n2"),
        (4, ["3", "4"], "3,4"),
    ]


@pytest.mark.parametrize(
    "content, message",
    [
        (
            "a,c\n1,2\n",
            "line 1: found 'a,c', expected the columns a, b, each once",
        ),
        (
            "a,b,b\n1,2,3\n",
            "line 1: found 'a,b,b', expected the columns a, b, each",
        ),
        ("", "line 1: found '', expected the columns"),
        ("a,b\n1,2\n3\n", "line 3: found '3', expected 2 values .a, b."),
        ("a,b\n1,2,3\n", "line 2: found '1,2,3', expected 2 values"),
        ('a,b\n1,"2\n', "line 2: .*, expected comma-separated values"),
    ],
)
def test_what_is_wrong_in_a_table_is_said_with_its_line(
    table, content, message
):
    with pytest.raises(SerMtlError, match=f"labels.csv, {message}"):
        list(read_table(table(content), ["a", "b"]))


def test_bytes_that_are_no_text_are_said_with_their_line(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(b"a\n\xff\n")
    with pytest.raises(SerMtlError, match="labels.txt, line .*UTF-8"):
        list(read_table(path, ["a"]))


def test_a_missing_file_is_our_error(tmp_path):
    with pytest.raises(SerMtlError, match="nowhere: these labels can't"):
        list(read_table(tmp_path / "nowhere", ["a"]))


def test_a_long_line_is_shown_in_part(table):
    with pytest.raises(SerMtlError, match=f"'{'x' * 200}…'"):
        list(read_table(table("a\n" + "x" * 300 + ",1\n"), ["a"]))


@given(st.binary(max_size=60))
def test_nothing_but_our_error_comes_out(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "labels"
    path.write_bytes(b"a,b\n" + content)
    try:
        list(read_table(path, ["a", "b"]))
    except SerMtlError as error:
        assert str(path) in str(error)


@given(st.text(max_size=8))
def test_any_text_is_a_number_within_or_not(text):
    assert number_within(text, 1, 7) in (True, False)
