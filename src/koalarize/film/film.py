"""A film from file to file: read, coloured steadily, coded in parts, written whole.

Not here: photos (``colorizer``), the command line (``cli.films``).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from koalarize.colorizer.colorizer import Colorizer
from koalarize.colorizer.given import check_arguments, checked
from koalarize.errors import OptionError, OutputError
from koalarize.film.anchors import Exported, export_frames, shots_of
from koalarize.film.ask import small_size
from koalarize.film.bars import bars_of_film
from koalarize.film.coder import Progress
from koalarize.film.container import Held
from koalarize.film.encode import Encoder, coding_of
from koalarize.film.facts import read_facts
from koalarize.film.given import film_of, options_of, target_given
from koalarize.film.key import key_of
from koalarize.film.make import Making
from koalarize.film.mark import NO_COMMENT
from koalarize.film.names import work_folder
from koalarize.film.options import OF_PHOTOS, PLAIN_FILM, FilmOptions
from koalarize.film.parts import how_to_go_on, times_of
from koalarize.film.read import Reading, no_frame
from koalarize.film.result import FilmResult, Outlook
from koalarize.film.shot_list import list_path, write_shots
from koalarize.film.spread import (
    colored_among,
    find_shots,
    pooled_palette,
    preview,
    preview_path,
)
from koalarize.film.store import Kind, Store, clear_finished
from koalarize.film.target import check_target, target_of
from koalarize.film.write import Span, write_film
from koalarize.photo.arguments import path_of
from koalarize.photo.files import check_output
from koalarize.photo.provenance import read_mark
from koalarize.steering.fields import Bounds, check
from koalarize.steering.steering import PLAIN, Steering

__all__ = [
    "FilmResult",
    "Outlook",
    "check_steering",
    "color_film",
    "export_film",
    "list_shots",
    "look_at",
    "preview_film",
]

AnyPath = str | os.PathLike[str]

_PREVIEWED = Bounds(int, 1, 100)  # frames on a sheet

_REPLACED = (
    "it has colours already, which new ones replaced; shots of a list can keep them (`keep_color`)"
)
_KEPT = "it has colours, which shots with `keep_color` keep, and new ones replaced elsewhere"


def look_at(
    source: AnyPath, options: FilmOptions = PLAIN_FILM, target: AnyPath | None = None
) -> Outlook:
    """Look at a film without reading it through.

    Args:
        source: the film.
        options: how it is to be made.
        target: the file to write, as ``color_film`` takes it.

    Raises:
        FilmError: if it cannot be read, or nothing of it is wanted.
        OutputError: if ``target`` cannot hold it.
    """
    facts = read_facts(film_of(source))
    coding = coding_of(facts, options_of(options))
    path, held = target_of(coding, target_given(target))
    wanted = Reading(facts).between(options.start, options.stop)
    if facts.seconds and not coding.seconds and next(wanted, None) is None:  # it may be wrong
        raise no_frame(facts)
    lost = (*_not_held(held.lost, held, path), *coding.losses)
    begun = work_folder(path).exists()
    pixels = facts.width * facts.height
    codec = coding.options.codec
    return Outlook(path, begun, lost, coding.frames, coding.seconds, pixels, codec)


def color_film(
    colorizer: Colorizer,
    source: AnyPath,
    target: AnyPath | None = None,
    steering: Steering = PLAIN,
    options: FilmOptions = PLAIN_FILM,
    *,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
    whole: Callable[[Path], None] | None = None,
    told: Callable[[str], None] | None = None,
) -> FilmResult:
    """Colour a film into another file.

    Luma is what it was; chroma is new, and steady within a shot. Times of frames and all packets
    of other streams stay as they are. A run that was stopped goes on where it was.

    Args:
        colorizer: colours pictures.
        source: the film; it is never replaced.
        target: the file to write; by default ``film.color.mp4`` beside the film, and of a part of
            it one that says which.
        steering: what is asked of the colours.
        options: how the film is made.
        overwrite: replace ``target`` if it exists.
        progress: called now and then; what it raises ends the run.
        whole: called with the whole file once, before it gets its name.
        told: called before the work with what should be known of it, a sentence.

    Raises:
        FilmError: if the film cannot be read.
        OutputError: if the result cannot be written; nothing is left half-written under its name.
        OptionError: if something cannot be asked of a film.
        KeyboardInterrupt: whose text says how to go on, once the work has begun.
    """
    check_steering(steering)
    check_arguments(overwrite=overwrite)
    source = film_of(source)
    facts = read_facts(source)
    coding = coding_of(facts, options_of(options))
    path, held = target_of(coding, target_given(target))
    clear_finished(path)
    check_target(path, source, overwrite=overwrite)
    if options.one_palette and steering.reference is None:
        pooled = pooled_palette(colorizer, facts, steering, options)
        steering = dataclasses.replace(steering, reference=pooled)
    Encoder(coding)  # refused now, not after an hour, and before parts that are there are touched
    small_size(facts, colorizer, steering)
    looked: Callable[[int], None] | None = None
    if progress is not None:
        looked = lambda _: progress(Progress(0, coding.frames, 0))  # noqa: E731
    listed = shots_of(facts, options, looked)
    kind = Kind(options.start, options.stop, listed is not None)
    bars = bars_of_film(facts)
    store = Store(work_folder(path), key_of(colorizer, facts, steering, options, bars), kind)
    if told is not None and (left := store.others(alike=True)):
        told(_waiting(left))
    made = Making(colorizer, coding, steering, store, progress, listed, bars)
    span = Span(options.start, options.stop)
    try:
        made.run()
        lost = write_film(
            store,
            made.parts,
            coding,
            path,
            held,
            span,
            end=made.end,
            made=colorizer.provenance(steering) if steering.mark else None,
            overwrite=overwrite,
            whole=whole,
        )
        left = store.others(alike=False)
        if listed is None:
            store.remove()
        else:  # so that the next run with the list makes only what has changed
            store.keep(made.parts)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(how_to_go_on(source.name, made.parts)) from stop
    finally:
        store.release()
    notes = _not_held((*held.lost, *lost), held, path)
    if held.films:
        what = "a second film" if held.films == 1 else f"{held.films} more films"
        notes.append(f"{what} in the same file stays as it is: one is coloured")
    if left:
        notes.append(
            f"{left} frames of other runs (a part, the whole, a list of shots) are kept in "
            f"`{store.folder.name}`: throw it away if nobody goes on with them"
        )
    if steering.mark and path.suffix.lower() in NO_COMMENT:
        notes.append(f"the mark that a program coloured it cannot be held by {path.suffix}")
    notes += _of_film(made)
    return FilmResult(
        path,
        sum(part.frames for part in made.parts),
        len(made.cuts),
        made.asked,
        made.resumed,
        tuple(made.reading.damaged),
        tuple(notes),
    )


def check_steering(steering: Steering) -> None:
    """Refuse what has no meaning for a film.

    Raises:
        OptionError: naming the option.
    """
    steering = checked(steering, Steering)
    if steering.hints:
        raise OptionError(
            "`--hint` is for pictures: of a film, hints stand in the list that --list-shots writes"
        )
    for name in OF_PHOTOS:
        if getattr(steering, name) != getattr(PLAIN, name):
            option = name.replace("_", "-")
            why = "a film keeps its frames as they are; leave it out"
            if name == "keep_color":
                why = (
                    "shots of a film keep their colours by `keep_color` in what --list-shots writes"
                )
            raise OptionError(f"`--{option}` is for pictures: {why}")


def _waiting(frames: int) -> str:
    return (
        f"{frames} frames that an earlier run coloured are not used, since its settings, its "
        "model, its version or the film's file were others: they are kept until this run is "
        "finished; to go on with them, stop it and ask as then"
    )


def _not_held(lost: Sequence[str], held: Held, path: Path) -> list[str]:
    if held.tags_lost:
        what = "tag" if len(held.tags_lost) == 1 else "tags"
        lost = [*lost, f"the {what} {', '.join(held.tags_lost)}"]
    return [f"{what} cannot be held by {path.suffix}" for what in lost]


def _of_film(made: Making) -> list[str]:
    """Return what is to be said of the film itself and of its list of shots, a phrase each."""
    facts, listed = made.coding.facts, made.shots
    notes: list[str] = []
    if facts.colored or made.reading.colored:
        kept = listed is not None and any(shot.keeps_color for shot in listed.shots)
        notes.append(_KEPT if kept else _REPLACED)
    if listed is not None:
        notes += listed.notes
        times, base = times_of(made.parts), facts.time_base
        whole = made.coding.options.stop is None
        notes += listed.around(float(times[0] * base), float(made.end * base), whole=whole)
    return [*notes, *made.coding.losses, *_oddities(made.reading)]


def _oddities(reading: Reading) -> list[str]:
    notes: list[str] = []
    if reading.resized:
        notes.append(f"{reading.resized} frames of another size were brought to the first one's")
    if reading.fields:
        notes.append(f"{reading.fields} frames are two fields, which it no longer says")
    if reading.retimed:
        notes.append(f"{reading.retimed} frames had no time of their own, or one that fell")
    return notes


def preview_film(
    colorizer: Colorizer,
    source: AnyPath,
    steering: Steering,
    options: FilmOptions,
    count: int,
    target: AnyPath | None = None,
    overwrite: bool = False,
) -> Path:
    """Colour frames spread over a film onto one sheet, before hours of work.

    Args:
        colorizer: colours pictures.
        source: the film.
        steering: what is asked of the colours.
        options: what of the film.
        count: how many frames, 1 to 100.
        target: a picture; by default ``film.preview.jpg`` beside the film, and of a part of it one
            that says which.
        overwrite: replace a file that is there; an earlier sheet beside the film that nobody has
            changed is replaced all the same.

    Raises:
        FilmError: if the film cannot be read.
        OptionError: if ``count`` is not allowed, or something cannot be asked of a film.
        OutputError: if the sheet cannot be written.
    """
    check_steering(steering)
    check_arguments(overwrite=overwrite)
    check("`count`", count, _PREVIEWED)
    source, options, target = film_of(source), options_of(options), target_given(target)
    path = preview_path(source, options) if target is None else target
    made = None if overwrite or target is not None else read_mark(path)
    overwrite = overwrite or (made is not None and made.untouched)
    check_output(path, source=source, overwrite=overwrite)
    sheet = preview(colorizer, read_facts(source), steering, options, count)
    sheet = colorizer.marked(sheet, steering)
    return sheet.write(sheet.pixels, path, overwrite=overwrite)


def list_shots(
    source: AnyPath, options: FilmOptions = PLAIN_FILM, *, overwrite: bool = False
) -> tuple[Path, int]:
    """Find the shots of a film and write their list, to be edited and given back.

    Args:
        source: the film.
        options: what of it.
        overwrite: replace a list that is there.

    Returns:
        The list, and how many shots it has.

    Raises:
        FilmError: if the film cannot be read.
        OutputError: if the list cannot be written, or is there already.
    """
    check_arguments(overwrite=overwrite)
    source, options = film_of(source), options_of(options)
    path = list_path(source, options)
    facts = read_facts(source)
    if path.exists() and not overwrite:
        raise OutputError(
            f"`{path}` exists already and may have been edited: move it, or add --overwrite."
        )
    found = find_shots(facts, options)
    colored = colored_among(facts, found)
    write_shots(found, source, path, overwrite=overwrite, colored=colored)
    return path, len(found)


def export_film(
    colorizer: Colorizer | None,
    source: AnyPath,
    folder: AnyPath,
    steering: Steering = PLAIN,
    options: FilmOptions = PLAIN_FILM,
    *,
    overwrite: bool = False,
) -> Exported:
    """Write one frame of each shot of a film as a picture, to be coloured elsewhere.

    Args:
        colorizer: colours them as a beginning; None writes them grey.
        source: the film.
        folder: for ``ref_000123.png``, each by the number of its frame; made where it is missing.
        steering: what is asked of the colours.
        options: what of the film, and its list of shots if it has one.
        overwrite: replace pictures that are there.

    Raises:
        FilmError: if the film cannot be read.
        OutputError: if the pictures cannot be written, or are there already.
        OptionError: if something cannot be asked of a film.
    """
    check_steering(steering)
    check_arguments(overwrite=overwrite)
    facts, options = read_facts(film_of(source)), options_of(options)
    out = path_of("folder", folder, OutputError, "name the folder of the pictures")
    return export_frames(colorizer, facts, out, steering, options, overwrite=overwrite)
