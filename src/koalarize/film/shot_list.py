"""The list of a film's shots: a small file that a person may edit, read and written.

Not here: finding cuts (``film.shots``), what is done for a shot (``film.film``).

    {"film": "film.mp4",
     "shots": [
      {"from": "0:00:00.000", "to": "0:00:04.200"},
      {"from": "0:00:04.200", "to": "0:00:09.000", "warmth": 0.2, "reference": "coat.jpg",
       "hints": [{"time": "0:00:05.000", "x": 120, "y": 300, "color": "#c03020"}]}
    ]}
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from koalarize.colorizer.reference import palette_of
from koalarize.errors import OptionError, did_you_mean
from koalarize.film.names import of_span
from koalarize.film.options import OF_SHOTS, PLAIN_FILM, FilmOptions, seconds_of
from koalarize.photo.files import shortened, write_bytes
from koalarize.steering.hints import Hint
from koalarize.steering.palette import Palette
from koalarize.steering.recolor import Recolor
from koalarize.steering.steering import PLAIN, Steering

__all__ = [
    "Shot",
    "TimedHint",
    "clock",
    "film_of",
    "gaps_in",
    "list_path",
    "read_shots",
    "write_shots",
]

_KEYS = ("from", "to", "hints", "frames", "reference", "recolors", "keep_color", *OF_SHOTS)
_HINT_KEYS = ("time", "x", "y", "color", "radius", "reach")
_QUOTES = tuple("'`´‘’‚‛“”„‟«»")  # what editors and fingers put for a straight one
_TOLERANCE = 1.5e-3  # seconds: a list is written to the millisecond


@dataclass(frozen=True)
class TimedHint:
    """A hint at a frame of a film.

    Attributes:
        seconds: when; it holds through the shot, wherever the place moves.
        hint: at pixels of the film as it is coded.
    """

    seconds: float
    hint: Hint


@dataclass(frozen=True)
class Shot:
    """A shot of a film.

    Attributes:
        start: seconds of its first frame.
        stop: seconds before which it ends.
        hints: of it.
        changes: fields of the steering that are its own.
        frames: pictures of frames of it that a person has coloured.
    """

    start: float
    stop: float
    hints: tuple[TimedHint, ...] = ()
    changes: tuple[tuple[str, object], ...] = ()
    frames: tuple[Path, ...] = ()

    @property
    def keeps_color(self) -> bool:
        """Whether its frames keep the colours that they have."""
        return bool(dict(self.changes).get("keep_color", False))

    def steering(self, base: Steering) -> Steering:
        """Return the steering of the shot, without its hints."""
        return dataclasses.replace(base, **dict(self.changes))  # type: ignore[arg-type]


def list_path(film: Path, options: FilmOptions = PLAIN_FILM) -> Path:
    """Return where the list of a film goes: ``film.mp4`` -> ``film.shots.json``.

    Args:
        film: whose it is.
        options: what of it; a list of a part has a name that says which.
    """
    rest = f"{of_span(options.start, options.stop)}.shots.json"
    return film.with_name(shortened(film.stem, rest) + rest)


def clock(seconds: float) -> str:
    """Return a time as H:MM:SS.mmm; one before 0 as 0, since ``seconds_of`` reads no such time."""
    minutes, thousandths = divmod(max(0, round(seconds * 1000)), 60_000)
    return f"{minutes // 60}:{minutes % 60:02d}:{thousandths / 1000:06.3f}"


def write_shots(
    shots: Sequence[tuple[float, float]],
    film: Path,
    path: Path,
    *,
    overwrite: bool,
    colored: Collection[int] = (),
) -> Path:
    """Write a list for a person to edit: one line a shot.

    Shots that end before 0 have none: what no line names belongs to the first.

    Args:
        shots: from and to, in seconds.
        film: whose they are.
        path: of the list.
        overwrite: replace a list that is there.
        colored: numbers, from 0, of shots that have colours of their own, and may keep them.

    Raises:
        OutputError: if it cannot be written, or is there already.
    """
    kept = '"keep_color": false, '
    lines = [
        f'  {{"from": "{clock(start)}", "to": "{clock(stop)}", '
        f'{kept * (number in colored)}"hints": []}}'
        for number, (start, stop) in enumerate(shots)
        if round(stop * 1000) > 0
    ]
    name = json.dumps(film.name)
    text = f'{{"film": {name},\n "shots": [\n' + ",\n".join(lines) + "\n ]}\n"
    return write_bytes(text.encode(), path, overwrite=overwrite)


def read_shots(path: Path) -> list[Shot]:
    """Read a list of shots.

    Raises:
        OptionError: if it is none, or a value is not allowed.
        PhotoError: if a reference cannot be read.
    """
    try:
        facts = _loaded(path)
        if not isinstance(facts, dict) or "shots" not in facts:
            raise ValueError("it has no `shots`")
        entries = cast("list[dict[str, Any]]", facts["shots"])
        if not entries or not isinstance(cast(object, entries), list):
            raise ValueError("it has no shot")
    except OSError as error:
        raise OptionError(f"the list `{path}` cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise OptionError(_mistake(path, error)) from error
    except UnicodeDecodeError as error:
        raise OptionError(
            f"`{path}` is no text in UTF-8: let the editor save it so, and leave the rest"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise OptionError(
            f"`{path}` is no list of shots ({error}): let --list-shots write one, and edit that"
        ) from error
    shots = [_shot(entry, f"shot {n}", path) for n, entry in enumerate(entries, 1)]
    for number, (one, other) in enumerate(itertools.pairwise(shots), 2):
        if other.start <= one.start:
            raise OptionError(
                f"shot {number} of `{path}` begins at {clock(other.start)}, not after the one "
                f"before it: put the shots in order"
            )
        if other.start < one.stop - _TOLERANCE:
            raise OptionError(
                f"shot {number} of `{path}` begins at {clock(other.start)}, but the one before it "
                f"ends at {clock(one.stop)}: give both the same time"
            )
    for number, shot in enumerate(shots, 1):
        if shot.stop <= shot.start:
            raise OptionError(
                f"shot {number} of `{path}` ends at {clock(shot.stop)}, but begins at "
                f"{clock(shot.start)}: let it end later"
            )
    return shots


def film_of(path: Path) -> str | None:
    """Return the name of the film that a list was written for; None where it does not say."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        facts = _loaded(path)
        if isinstance(facts, dict):
            name = cast("dict[str, object]", facts).get("film")
            return name if isinstance(name, str) else None
    return None


def gaps_in(shots: Sequence[Shot]) -> list[tuple[float, float]]:
    """Return from and to, in seconds, of what lies between shots; it belongs to the one before."""
    pairs = itertools.pairwise(shots)
    return [(a.stop, b.start) for a, b in pairs if b.start > a.stop + _TOLERANCE]


def _loaded(path: Path) -> object:
    """Read a list as editors save it: UTF-8 or UTF-16, with a byte-order mark or none."""
    return json.loads(path.read_bytes())


def _mistake(path: Path, error: json.JSONDecodeError) -> str:
    """Say in plain words what is wrong in a list that was edited, and where."""
    text, at = error.doc, error.pos
    before = text[:at].rstrip()
    here = text[at : at + 1]
    line = (
        text.count("\n", 0, max(0, len(before) - 1)) + 1 if here in ("", *"{[]}") else error.lineno
    )
    where = f"line {line} of `{path}`"
    if not text.strip():
        return f"`{path}` is empty: let --list-shots write a list"
    if here in _QUOTES:
        return f'{where} has `{here}` but must have straight quotation marks ("): put those'
    if "escape" in error.msg:
        return f"{where} has `\\` in a text: write `/` for it"
    if text.startswith(("//", "/*", "#"), at):
        return f"{where} has a remark, which a list does not hold: take it away"
    if before.endswith(",") and here in ("]", "}"):
        return f"{where} has a comma before `{here}`: take it away"
    if before.endswith(",") and here.isdigit():
        return f"{where} has a comma in a number: write a point"
    if not here:
        return f"`{path}` breaks off in line {line}: let the last line be ` ]}}`"
    if "Unterminated" in error.msg or "control" in error.msg:
        return f'{where} lacks a quotation mark (") at the end of a text: add it'
    if here.isalpha():
        return f'{where} has a text without quotation marks (") at column {error.colno}: put them'
    if error.msg.startswith("Expecting ','"):
        return f"{where} lacks a comma behind `{before[-20:].splitlines()[-1]}`: add it"
    return f"{where} cannot be read at column {error.colno} ({error.msg}): correct it there"


def _shot(entry: Mapping[str, Any], name: str, path: Path) -> Shot:
    try:
        _check_keys(entry, _KEYS, f"{name} of `{path}`")
        start, stop = _seconds(entry["from"]), _seconds(entry["to"])
        changes: list[tuple[str, object]] = [(k, entry[k]) for k in OF_SHOTS if k in entry]
        reference = entry.get("reference")
        if isinstance(reference, dict):  # the palette itself, as the studio writes it
            changes.append(("reference", Palette.from_json(reference)))
        elif reference:
            changes.append(("reference", palette_of(_beside(path, reference))))
        if "keep_color" in entry:
            changes.append(("keep_color", entry["keep_color"]))
        if entry.get("recolors"):
            changes.append(("recolors", tuple(Recolor(**one) for one in entry["recolors"])))
        dataclasses.replace(PLAIN, **dict(changes))  # type: ignore[arg-type]  # checks the bounds
        hints = tuple(_hint(one, start, stop, name) for one in entry.get("hints", ()))
        names = entry.get("frames", ())
        if isinstance(names, str):
            raise OptionError(f"`frames` is a list of names, in brackets, and not `{names}`")
        frames = tuple(_beside(path, one) for one in names)
        if entry.get("keep_color"):
            _check_kept(entry)
    except (KeyError, TypeError, AttributeError) as error:
        lacks = f" (no {error})" if isinstance(error, KeyError) else ""
        raise OptionError(
            f"{name} of `{path}` is not as --list-shots writes it{lacks}: it needs `from` and "
            "`to`, and each hint `x`, `y` and `color`"
        ) from error
    except OptionError as error:
        text = str(error)
        raise OptionError(text if name in text else f"{name} of `{path}`: {text}") from error
    return Shot(start, stop, hints, tuple(changes), frames)


def _check_kept(entry: Mapping[str, Any]) -> None:
    """Refuse what has no effect on a shot that keeps its colours.

    Raises:
        OptionError: naming it.
    """
    for key in entry:
        if key not in ("from", "to", "keep_color") and entry[key]:
            raise OptionError(f"`keep_color` leaves the shot as it is: leave `{key}` out")


def _beside(path: Path, name: object) -> Path:
    """Return the path of a picture that a list names.

    Raises:
        OptionError: if its name holds what a backslash and a letter stand for.
    """
    given = str(name)
    if any(character in "\b\f\n\r\t" for character in given):
        raise OptionError(f"the name {given!r} has `\\` in it: write `/` for it")
    return path.parent / given


def _hint(entry: Mapping[str, Any], start: float, stop: float, name: str) -> TimedHint:
    _check_keys(entry, _HINT_KEYS, f"a hint of {name}")
    seconds = _seconds(entry["time"]) if "time" in entry else start
    if not start - 1e-3 <= seconds < stop:
        raise OptionError(
            f"a hint of {name} is at {clock(seconds)}, but the shot goes from {clock(start)} to "
            f"{clock(stop)}: give it a time within"
        )
    values = {key: value for key, value in entry.items() if key != "time"}
    return TimedHint(seconds, Hint(**values))


def _check_keys(entry: Mapping[str, Any], known: Sequence[str], name: str) -> None:
    for key in entry:
        if key not in known:
            near = did_you_mean(key, known) or f": known are {', '.join(known)}"
            raise OptionError(f"`{key}` is nothing that {name} can have{near}")


def _seconds(value: object) -> float:
    return seconds_of(str(value))
