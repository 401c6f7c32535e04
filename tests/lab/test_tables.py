"""Tables and names in Markdown."""

import pytest

from koalarize.lab.tables import markdown_code, markdown_table, markdown_text


def test_words_stand_left_and_numbers_right():
    assert markdown_table(["model", "dB"], [["koala", "22.5"], ["a|b", "1"]], words=1) == (
        "| model | dB |\n| --- | ---: |\n| koala | 22.5 |\n| a\\|b | 1 |"
    )


def test_columns_are_words_unless_told():
    assert markdown_table(["a", "b"], []) == "| a | b |\n| --- | --- |"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("*a*", r"\*a\*"),
        ("<b>", r"\<b>"),
        ("`a`", r"\`a\`"),
        ("~~a~~", r"\~\~a\~\~"),
        ("_a_", r"\_a\_"),
        ("&amp;", r"\&amp;"),
        ("[a](b)", r"[a\](b)"),
        ("a\\|b", r"a\\\|b"),
        ("a\\", "a\\\\"),
        ("a\nb\x1b", "a b "),
    ],
)
def test_what_markdown_takes_for_its_own_is_escaped(text, shown):
    assert markdown_text(text) == shown
    assert markdown_table([text], [[text]]) == f"| {shown} |\n| --- |\n| {shown} |"


@pytest.mark.parametrize(
    "text", ["my_model-2.onnx", r"runs\mine", "a & b", "a in [0, 1] ×", "−0.5 ± 1", "Zoë"]
)
def test_names_as_they_usually_are_stay(text):
    assert markdown_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b*", "`a|b*`"),
        ("a`b", "``a`b``"),
        ("`a``b", "``` `a``b ```"),
        ("a\nb", "`a b`"),
        ("", "`  `"),
    ],
)
def test_code_holds_backticks_and_no_line_break(text, shown):
    assert markdown_code(text) == shown
