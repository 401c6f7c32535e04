"""Transparent parts over white, where a picture is shown or kept without alpha.

Not here: pictures whose alpha stays (``photo``).
"""

from __future__ import annotations

from PIL import Image

__all__ = ["over_white"]


def over_white(image: Image.Image, alpha: Image.Image | None = None) -> Image.Image:
    """Return an image as RGB, transparent parts over white; mixed in sRGB levels as viewers do.

    Args:
        image: any 8-bit image.
        alpha: the opacity of an image without, mode L and of the same size; by default the
            image's own, if it has any.
    """
    if alpha is None:
        if not image.has_transparency_data:
            return image.convert("RGB")
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image if image.mode == "RGBA" else image.convert("RGB"), mask=alpha)
    return flat
