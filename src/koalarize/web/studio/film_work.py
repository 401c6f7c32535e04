"""What the service does with films: their shots, a frame of each, the list of shots, colouring.

Not here: how films are kept (``film_store``). A film is coloured by the list of shots that a person
can download: the command line makes the same film of it.
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from koalarize.colorizer.colorizer import Colorizer
from koalarize.errors import FilmError
from koalarize.film.options import OF_PHOTOS, OF_SHOTS
from koalarize.steering.steering import PLAIN, Steering
from koalarize.web.studio.film_store import Film, FilmShot, Render
from koalarize.web.studio.problems import Problem

if TYPE_CHECKING:
    from koalarize.film.coder import Progress
    from koalarize.film.facts import Facts

__all__ = ["colored", "facts_of", "frame_of", "list_of", "look", "target_of"]

_NEEDED = 'films need `av` and `opencv`: pip install "koalarize[video]", and start it again'
#: What a shot cannot be asked beside what no film can: it is asked of the whole film.
_OF_ALL_SHOTS = ("mark", "size")


def facts_of(partial: Path, name: str, file: Path) -> Facts:
    """Read what is known of an upload; it is known under another name afterwards.

    Raises:
        Problem: 415 if it is no film, 501 if films cannot be read here.
    """
    try:
        import koalarize.film.film  # noqa: F401  # pyright: ignore[reportUnusedImport]
        from koalarize.film.facts import read_facts
    except ModuleNotFoundError as error:
        raise Problem(501, _NEEDED) from error
    try:
        return dataclasses.replace(read_facts(partial, alone=True), path=file)
    except FilmError as error:
        said = str(error).replace(f"`{partial}`", name or "the upload")
        raise Problem(415, said, "not-a-film") from error


def look(film: Film, most: int) -> None:
    """Find the shots of a film, and the frame that stands for each.

    Args:
        film: the film; what is found is noted in it.
        most: shots of which the frames are wanted.

    Raises:
        FilmError: if it cannot be read.
        Stopped: if nobody waits any more.
    """
    from koalarize.film.anchors import middle_of
    from koalarize.film.options import PLAIN_FILM
    from koalarize.film.read import frame_index
    from koalarize.film.spread import find_shots

    def seen(frames: int) -> None:
        film.stop.check()
        film.seen = frames

    facts = film.facts
    cuts = find_shots(facts, PLAIN_FILM, seen)
    index = frame_index(facts)
    shots: list[FilmShot] = []
    for start, stop in cuts[:most]:
        pts = middle_of(facts, index, start, stop)
        if pts is not None:
            shots.append(FilmShot(start, stop, pts, float(pts * facts.time_base)))
    film.index, film.cuts, film.shots, film.state = index, cuts, shots, "ready"


def frame_of(film: Film, number: int) -> bytes:
    """Return a PNG of the frame that stands for a shot, upright, grey, without the film's bars.

    What a page colours is then what the network sees of the film.

    Raises:
        Problem: 404 if there is no such shot, 409 if they are not known yet.
    """
    from koalarize.film.anchors import shown_grey
    from koalarize.film.read import pictures_at

    if film.index is None:
        raise Problem(409, "its shots are not known yet: ask again in a second", "working")
    if not 0 <= number < len(film.shots):
        raise Problem(
            404, f"the film has no shot {number}: they go from 0 to {len(film.shots) - 1}"
        )
    for frame in pictures_at(film.facts, film.index, [film.shots[number].pts]):
        buffer = io.BytesIO()
        grey = shown_grey(film.facts, frame)[_part_of_page(film.facts)]
        Image.fromarray(grey).save(buffer, "PNG", compress_level=3)
        return buffer.getvalue()
    raise Problem(404, f"the frame of shot {number} cannot be read")


def _part_of_page(facts: Facts) -> tuple[slice, slice]:
    """Return which rows and columns of a frame as players show it a page gets: all but bars."""
    from koalarize.film.anchors import shown_size
    from koalarize.film.bars import bars_of_film, part_shown

    width, height = shown_size(facts)
    return part_shown(facts, bars_of_film(facts), height, width)


def list_of(film: Film, asked: Mapping[int, Steering]) -> bytes:
    """Return the list of a film's shots with what is asked of them.

    Args:
        film: the film.
        asked: number of a shot -> what is asked of its frame; hints are at pixels of what
            ``frame_of`` gives.

    Raises:
        Problem: 404 for a shot that it does not have, 422 for what no film can be asked.
    """
    from koalarize.film.shot_list import clock

    if film.state != "ready":
        raise Problem(409, "its shots are not known yet: ask again in a second", "working")
    for number in asked:
        if not 0 <= number < len(film.shots):
            raise Problem(404, f"the film has no shot {number}")
    wanted = {film.shots[number].start: (film.shots[number], one) for number, one in asked.items()}
    lines: list[str] = []
    for start, stop in film.cuts:
        entry: dict[str, Any] = {"from": clock(start), "to": clock(stop), "hints": []}
        if start in wanted:
            entry |= _entry(film, *wanted[start])
        lines.append("  " + json.dumps(entry))
    name = json.dumps(film.name)
    return (f'{{"film": {name},\n "shots": [\n' + ",\n".join(lines) + "\n ]}\n").encode()


def _entry(film: Film, shot: FilmShot, steering: Steering) -> dict[str, Any]:
    from koalarize.film.anchors import coded_place
    from koalarize.film.shot_list import clock

    for name in (*OF_PHOTOS, *_OF_ALL_SHOTS):
        if getattr(steering, name) != getattr(PLAIN, name):
            raise Problem(422, f"`{name}` is for pictures: a film keeps its frames as they are")
    entry: dict[str, Any] = {
        name: getattr(steering, name)
        for name in OF_SHOTS
        if getattr(steering, name) != getattr(PLAIN, name)
    }
    if steering.recolors:
        entry["recolors"] = [{"was": r.was, "becomes": r.becomes} for r in steering.recolors]
    if steering.reference is not None:
        entry["reference"] = steering.reference.to_json()
    hints: list[dict[str, Any]] = []
    rows, columns = _part_of_page(film.facts) if steering.hints else (slice(0), slice(0))
    for hint in steering.hints:
        x, y = coded_place(film.facts, hint.x + columns.start, hint.y + rows.start)
        one = {"time": clock(shot.time), "x": round(x, 1), "y": round(y, 1), "color": hint.color}
        for key in ("radius", "reach"):
            if getattr(hint, key) is not None:
                one[key] = round(getattr(hint, key), 3)
        hints.append(one)
    return entry | {"hints": hints}


def target_of(film: Film) -> Path:
    """Return the file that a film is coloured into: of its own kind, if that can be written."""
    from koalarize.film.container import held_by
    from koalarize.film.encode import coding_of
    from koalarize.film.names import film_path
    from koalarize.film.options import PLAIN_FILM

    path = film_path(film.file)
    fits = held_by(path.suffix.lower(), coding_of(film.facts, PLAIN_FILM)).fits
    return path if fits else film_path(film.file, ".mkv")


def colored(
    film: Film, colorizer: Colorizer, listed: bytes, steadiness: float, render: Render
) -> tuple[str, ...]:
    """Colour a film by a list of its shots; return notes.

    Raises:
        KoalarizeError: if it cannot be coloured.
        Stopped: if it was cancelled; what is coloured is kept for the next time.
    """
    from koalarize.film.film import color_film
    from koalarize.film.options import FilmOptions

    def progress(at: Progress) -> None:
        render.stop.check()
        render.done, render.total, render.bytes = at.done, at.total, at.bytes

    path = film.file.with_name(f"{film.id}.shots.json")
    path.write_bytes(listed)
    options = FilmOptions(shots=path, steadiness=steadiness)
    result = color_film(
        colorizer, film.file, render.target, options=options, overwrite=True, progress=progress
    )
    return result.notes if result.damage is None else (*result.notes, result.damage)
