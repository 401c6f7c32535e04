"""Tables in Markdown."""

from koalarize.lab.tables import markdown_table


def test_words_stand_left_and_numbers_right():
    assert markdown_table(["model", "dB"], [["koala", "22.5"], ["a|b", "1"]], words=1) == (
        "| model | dB |\n| --- | ---: |\n| koala | 22.5 |\n| a\\|b | 1 |"
    )


def test_columns_are_words_unless_told():
    assert markdown_table(["a", "b"], []) == "| a | b |\n| --- | --- |"
