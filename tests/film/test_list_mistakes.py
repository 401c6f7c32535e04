"""Lists of shots as editors and fingers leave them: read, or named where the mistake is."""

from __future__ import annotations

import re

import pytest

from koalarize.errors import OptionError
from koalarize.film.shot_list import film_of, read_shots

LIST = (
    '{"film": "film.mp4",\n "shots": [\n'
    '  {"from": "0:00:00.000", "to": "0:00:01.000", "hints": []},\n'
    '  {"from": "0:00:01.000", "to": "0:00:02.000", "hints": []}\n ]}\n'
)


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lists_of_all_editors_are_read(tmp_path, coding, end):
    path = tmp_path / "a.json"
    path.write_bytes(LIST.replace("film.mp4", "Fähre.mp4").replace("\n", end).encode(coding))
    assert [shot.stop for shot in read_shots(path)] == [1, 2]
    assert film_of(path) == "Fähre.mp4"


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ('"film"', "“film”", 'line 1 of `.*` has `“` but must have straight quotation marks (")'),
        ('"film"', "'film'", "line 1 of `.*` has `'` but must have straight"),
        ("[]}\n ]", "[]},\n ]", "line 4 of `.*` has a comma before `]`: take it away"),
        ("[]},\n", "[]}\n", 'line 3 of `.*` lacks a comma behind `.*"hints": []}`: add it'),
        (
            "[]},\n",
            '[], "warmth": 0,2},\n',
            "line 3 of `.*` has a comma in a number: write a point",
        ),
        (
            "[]},\n",
            '[], "reference": "\\s.jpg"},\n',
            "line 3 of `.*` has `\\` in a text: write `/`",
        ),
        (
            "[]},\n",
            '[], "reference": "\\new.jpg"},\n',
            "shot 1 .* has `\\` in it: write `/` for it",
        ),
        ("[]},\n", '[], "reference": coat.jpg},\n', "line 3 of `.*` has a text without quotation"),
        ('mp4",', "mp4,", "line 1 of `.*` lacks a quotation mark"),
        ("  {", "  # hero\n  {", "line 3 of `.*` has a remark, which a list does not hold"),
        ("\n ]}", "", "breaks off in line 4: let the last line be ` ]}`"),
        (LIST, "", "is empty: let --list-shots write a list"),
        (LIST, "[]", "is no list of shots (it has no `shots`)"),
        ("\n ]}\n", "\n ]}}\n", "line 5 of `.*` cannot be read at column 4 (Extra data)"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, was, becomes, said):
    path = tmp_path / "a.json"
    path.write_text(LIST.replace(was, becomes), encoding="utf-8")
    with pytest.raises(OptionError) as caught:
        read_shots(path)
    assert re.search(re.escape(said).replace(r"\.\*", ".*"), str(caught.value))


def test_a_list_in_another_coding_is_called_so(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(LIST.replace("film.mp4", "Fähre.mp4").encode("cp1252"))
    with pytest.raises(OptionError, match="is no text in UTF-8: let the editor save it so"):
        read_shots(path)
