"""Bring whole pictures to a square, whatever their shape, as both articles do.

Not here: crops (``batches``). What people colour is never squashed.
"""

from __future__ import annotations

from PIL import Image

__all__ = ["squash_area", "squash_bilinear"]


def squash_bilinear(image: Image.Image, side: int) -> Image.Image:
    """Return a picture as a square of ``side`` pixels, bilinearly and with antialiasing.

    What ``torchvision.transforms.Resize((side, side))`` makes of a PIL picture (the first article).
    """
    return image.resize((side, side), Image.Resampling.BILINEAR)


def squash_area(image: Image.Image, side: int) -> Image.Image:
    """Return a picture as a square of ``side`` pixels, each the mean of the area that it covers.

    What ``cv2.resize(..., interpolation=cv2.INTER_AREA)`` makes where it reduces (the second
    article). Pillow's box filter would repeat pixels where it enlarges: there it is bicubic.
    """
    for axis, wanted in ((0, (side, image.height)), (1, (side, side))):
        reduces = image.size[axis] >= side
        image = image.resize(wanted, Image.Resampling.BOX if reduces else Image.Resampling.BICUBIC)
    return image
