#!/usr/bin/env python3
"""Colors > Colorize photo (koalarize): a GIMP 3 plug-in that lays a photo's colours over it.

Not here: the command that colours (``command``), hints out of painted dabs (``dabs``).
Outside the package; runs in GIMP's own Python, with the standard library and gi alone.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gegl, Gimp, Gio, GLib, GObject  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parent))
import command  # noqa: E402
import dabs  # noqa: E402

PROCEDURE = "koalarize-colorize"
LAYER = "koalarize colours"
HINTS = "hints"
_STRIP = 256  # rows of the layer of hints that are held at once
_EIGHT_BITS = {Gimp.Precision.U8_NON_LINEAR, Gimp.Precision.U8_PERCEPTUAL}


def hints_layer(image: Gimp.Image) -> Gimp.Layer | None:
    """Return the layer named `hints`, if there is one."""
    waiting = list(image.get_layers())
    while waiting:
        layer = waiting.pop(0)
        if layer.get_name().strip().lower() == HINTS:
            return layer
        if layer.is_group_layer():
            waiting = [*layer.get_children(), *waiting]
    return None


def is_ours(layer: Gimp.Layer) -> bool:
    """Return whether a layer holds colours that the plug-in brought."""
    return layer.get_name().startswith(LAYER)  # GIMP numbers namesakes


def around(layer: Gimp.Layer) -> tuple[list[Gimp.Layer], list[Gimp.Layer]]:
    """Return the layers of the same group above a layer, and those below it, from the top."""
    parent = layer.get_parent()
    beside = parent.get_children() if parent else layer.get_image().get_layers()
    at = [other.get_id() for other in beside].index(layer.get_id())
    return beside[:at], beside[at + 1 :]


def earlier_colors(image: Gimp.Image, below: Gimp.Layer | None) -> list[Gimp.Layer]:
    """Return the colours of earlier runs that lie right over a layer, or over the picture."""
    if below is None:
        return [layer for layer in image.get_layers() if is_ours(layer)]
    found: list[Gimp.Layer] = []
    for layer in reversed(around(below)[0]):
        if not is_ours(layer):
            break
        found.append(layer)
    return found


def chosen_layer(drawables: list[Gimp.Drawable], hints: Gimp.Layer | None) -> Gimp.Layer:
    """Return the layer to colour: the selected one, or the one below the selected hints.

    Raises:
        CommandError: if that is not one layer.
    """
    if len(drawables) != 1 or not drawables[0].is_layer():
        raise command.CommandError(
            f"selected are {len(drawables)} layers, masks or channels but it must be one layer: "
            "select the layer of the photo"
        )
    layer = drawables[0]
    if hints is None or layer.get_id() != hints.get_id():
        return layer
    _, below = around(layer)
    below = [other for other in below if not is_ours(other)]
    if not below:
        raise command.CommandError(
            "the layer `hints` has no layer below it: select the layer of the photo"
        )
    return below[0]


def rows_of(layer: Gimp.Layer) -> Iterator[bytes]:
    """Yield the rows of a layer as sRGB with alpha, 8 bits."""
    buffer, width, height = layer.get_buffer(), layer.get_width(), layer.get_height()
    for top in range(0, height, _STRIP):
        count = min(_STRIP, height - top)
        rect = Gegl.Rectangle.new(0, top, width, count)
        strip = buffer.get(rect, 1.0, "R'G'B'A u8", Gegl.AbyssPolicy.NONE)
        for row in range(count):
            yield strip[row * 4 * width : (row + 1) * 4 * width]


def export(image: Gimp.Image, layer: Gimp.Layer | None, path: Path) -> None:
    """Write a layer, or what is visible without the hints, as a PNG file in sRGB.

    Pictures of more than 8 bits are written with 16.
    """
    whole = image if layer is None else layer
    deep = image.get_precision() not in _EIGHT_BITS
    copy = Gimp.Image.new_with_precision(
        whole.get_width(),
        whole.get_height(),
        Gimp.ImageBaseType.RGB,
        Gimp.Precision.U16_NON_LINEAR if deep else Gimp.Precision.U8_NON_LINEAR,
    )
    try:
        copy.undo_disable()
        copy.set_color_profile(Gimp.ColorProfile.new_rgb_srgb())
        if layer is None:
            photo = Gimp.Layer.new_from_visible(image, copy, "photo")
        else:
            photo = Gimp.Layer.new_from_drawable(layer, copy)
        copy.insert_layer(photo, None, 0)
        if photo.get_mask():
            photo.remove_mask(Gimp.MaskApplyMode.DISCARD)
        photo.set_offsets(0, 0)
        photo.set_visible(True)
        photo.set_opacity(100.0)
        photo.set_mode(Gimp.LayerMode.NORMAL)
        file = Gio.File.new_for_path(str(path))
        if not Gimp.file_save(Gimp.RunMode.NONINTERACTIVE, copy, file, None):
            raise command.CommandError("the photo cannot be written to a temporary file")
    finally:
        copy.delete()


def export_visible(image: Gimp.Image, hints: Gimp.Layer | None, path: Path) -> None:
    """Write what is visible; hints and earlier colours are no part of the photo."""
    ours = [*earlier_colors(image, None), *([hints] if hints else [])]
    shown = [layer for layer in ours if layer.get_visible()]
    image.undo_freeze()
    try:
        for layer in shown:
            layer.set_visible(False)
        export(image, None, path)
    finally:
        for layer in shown:
            layer.set_visible(True)
        image.undo_thaw()


def lay(image: Gimp.Image, below: Gimp.Layer | None, hints: Gimp.Layer | None, path: Path) -> str:
    """Put the colours over the photo as one step of undo; return what else was done.

    In LCh Color the photo below keeps its lightness: measured beside HSL Color (README).
    """
    notes: list[str] = []
    selected = image.get_selected_layers()
    image.undo_group_start()
    try:
        if image.get_base_type() != Gimp.ImageBaseType.RGB:
            image.convert_rgb()
            notes.append("The picture was not RGB and is now; undo takes both back.")
        file = Gio.File.new_for_path(str(path))
        colors = Gimp.file_load_layer(Gimp.RunMode.NONINTERACTIVE, image, file)
        if colors is None:
            raise command.CommandError("the layer that koalarize wrote cannot be read")
        colors.set_name(LAYER)
        earlier = earlier_colors(image, below)
        parent = below.get_parent() if below else None
        position = image.get_item_position(below) - len(earlier) if below else 0
        image.insert_layer(colors, parent, position)
        colors.set_mode(Gimp.LayerMode.LCH_COLOR)
        if below:
            _, left, top = below.get_offsets()
            colors.set_offsets(left, top)
        else:
            colors.set_offsets(0, 0)
        if not Gimp.Selection.is_empty(image):
            colors.add_mask(colors.create_mask(Gimp.AddMaskType.SELECTION))
        shown = [layer for layer in earlier if layer.get_visible()]
        for layer in shown:
            layer.set_visible(False)
        if shown:
            notes.append("The colours of the earlier run are hidden now.")
        if hints is not None and hints.get_visible():
            hints.set_visible(False)
            notes.append("The layer `hints` is hidden now.")
        image.set_selected_layers(selected)  # so that the same layer is coloured next time
    finally:
        image.undo_group_end()
    return " ".join(notes)


def hints_for(
    hints: Gimp.Layer | None, layer: Gimp.Layer | None, image: Gimp.Image
) -> tuple[list[str], str]:
    """Return the hints for a layer, or for the whole picture, and how many they are in words."""
    if hints is None:
        return [], ""
    if not hints.has_alpha():
        raise dabs.DabsError(
            "the layer `hints` has no transparency but must have: paint dabs on an empty "
            "transparent layer, or give this one another name"
        )
    whole = image if layer is None else layer
    left, top = (0, 0) if layer is None else layer.get_offsets()[1:]
    _, x, y = hints.get_offsets()
    size = (whole.get_width(), whole.get_height())
    found, outside = dabs.hints_of(dabs.find_dabs(rows_of(hints)), (x - left, y - top), size)
    text = f"Hints taken from the layer `hints`: {len(found)}."
    return found, text + (f" Outside the photo, left out: {outside}." if outside else "")


def color(image: Gimp.Image, drawables: list[Gimp.Drawable], config: Gimp.ProcedureConfig) -> str:
    """Colour a layer or what is visible; return what a person should know.

    Raises:
        CommandError: if no colours came; the picture is as it was.
        DabsError: if the layer of hints cannot be used.
    """
    program = command.find(config.get_property("command") or "", os.environ)
    hints = hints_layer(image)
    visible = config.get_property("source") == "visible"
    layer = None if visible else chosen_layer(drawables, hints)
    asked = {each.name: config.get_property(each.name) for each in command.SETTINGS}
    given, counted = hints_for(hints, layer, image)
    with tempfile.TemporaryDirectory(prefix="koalarize-") as folder:
        photo, colors = Path(folder) / "photo.png", Path(folder) / "colors.png"
        if visible:
            export_visible(image, hints, photo)
        else:
            export(image, layer, photo)
        model = config.get_property("model") or ""
        words = [program, *command.arguments(photo, colors, asked, given, model)]
        Gimp.progress_init("koalarize colours the photo")
        noted = command.run(words, photo, colors, Gimp.progress_pulse)
        done = lay(image, layer, hints, colors)
    Gimp.progress_end()
    return "\n".join(text for text in (noted, counted, done) if text)


def ask(procedure: Gimp.Procedure, config: Gimp.ProcedureConfig) -> bool:
    """Show the dialog; return whether to go on."""
    gi.require_version("GimpUi", "3.0")
    from gi.repository import GimpUi

    GimpUi.init(PROCEDURE)
    dialog = GimpUi.ProcedureDialog.new(procedure, config, "Colorize photo (koalarize)")
    for each in command.SETTINGS:
        if not isinstance(each.default, bool):
            dialog.get_scale_entry(each.name, 1.0)
    dialog.fill(None)
    wanted = dialog.run()
    dialog.destroy()
    return wanted


def run(
    procedure: Gimp.Procedure,
    mode: Gimp.RunMode,
    image: Gimp.Image,
    drawables: list[Gimp.Drawable],
    config: Gimp.ProcedureConfig,
    data: object,
) -> Gimp.ValueArray:
    """Run the procedure as GIMP asks for it."""
    Gegl.init(None)
    if mode == Gimp.RunMode.INTERACTIVE and not ask(procedure, config):
        return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
    try:
        said = color(image, drawables, config)
    except (command.CommandError, dabs.DabsError, OSError) as error:
        return procedure.new_return_values(
            Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(f"koalarize: {error}")
        )
    except GLib.Error as error:  # of one of GIMP's own procedures
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, error)
    if said:
        Gimp.message(said)
    Gimp.displays_flush()
    return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)


class Koalarize(Gimp.PlugIn):
    """The plug-in with its one procedure."""

    def do_set_i18n(self, name: str) -> bool:
        """Say that there are no translations."""
        return False

    def do_query_procedures(self) -> list[str]:
        """Return the names of the procedures."""
        return [PROCEDURE]

    def do_create_procedure(self, name: str) -> Gimp.Procedure:
        """Return the procedure with its menu and arguments."""
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        procedure.set_image_types("*")
        procedure.set_menu_label("Colorize _photo (koalarize)...")
        procedure.add_menu_path("<Image>/Colors")
        procedure.set_documentation(
            "Colour a black-and-white photo; its colours become a layer of their own.",
            "Runs the command `koalarize`. Dabs on a transparent layer named `hints` are hints.",
            name,
        )
        procedure.set_attribution("koalarize", "koalarize", "2026")
        flags = GObject.ParamFlags.READWRITE
        for each in command.SETTINGS:
            if isinstance(each.default, bool):
                procedure.add_boolean_argument(
                    each.name, each.label, each.help, each.default, flags
                )
            else:
                procedure.add_double_argument(
                    each.name, each.label, each.help, each.low, each.high, each.default, flags
                )
        sources = Gimp.Choice.new()
        sources.add("layer", 0, "The selected layer", "")
        sources.add("visible", 1, "What is visible", "")
        procedure.add_choice_argument(
            "source", "Colo_ur", "What to colour", sources, "layer", flags
        )
        procedure.add_string_argument(
            "model", "_Model", "A name that `koalarize models` lists, or a file", "", flags
        )
        procedure.add_string_argument(
            "command", "Comman_d", "Path of `koalarize`, if it is not on PATH", "", flags
        )
        return procedure


Gimp.main(Koalarize.__gtype__, sys.argv)
