"""Kinds of files that are known by their first bytes but not read: what they are called.

Not here: pictures that are read (``read``), a camera's raw files that are TIFF (``tiff_pixels``).
"""

from __future__ import annotations

__all__ = ["BEGINNING", "kind_of", "step_for"]

#: Bytes of a file by which its kind is known.
BEGINNING = 1024

_RAW = "a camera's raw file"
_BASE64 = "a picture as text (Base64)"
_DICOM = "a DICOM picture"
_ZEROS = "zeros, as broken disks and downloads leave them"
_BRANDS = {
    b"crx ": _RAW,
    b"isom": "a film",
    b"iso2": "a film",
    b"mp41": "a film",
    b"mp42": "a film",
    b"qt  ": "a film",
    b"M4V ": "a film",
}
_BEGINNINGS = (
    (b"\xff\xd8\xff\xf7", "a JPEG-LS picture"),
    (b"P7\n", "a PAM picture"),
    (b"\x8bJNG", "a JNG picture"),
    (b"\x8aMNG", "an MNG animation"),
    (b"id=ImageMagick", "a MIFF picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
    (b"8BPS\0\2", "a large Photoshop document (PSB)"),
    (b"%PDF-", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"#?RADIANCE", "a Radiance picture"),
    (b"gimp xcf", "a GIMP document (XCF)"),
    (b"\0\xffKA", "an Affinity document"),
    (b"Paint Shop Pro Image", "a Paint Shop Pro document"),
    (b"II\xbc\1", "a JPEG XR picture"),
    (b"AT&TFORM", "a DjVu document"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript document"),
    (b"BPG\xfb", "a BPG picture"),
    (b"FLIF", "a FLIF picture"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"/9j/", _BASE64),
    (b"iVBORw0KGgo", _BASE64),
    (b"\0\0\1\xba", "a film"),
    (b"\0\0\1\xb3", "a film"),
    (b"FOVb", _RAW),
    (b"FUJIFILMCCD-RAW", _RAW),
    (b"II\x1a\0\0\0HEAPCCDR", _RAW),
    (b"IIU\0", _RAW),
    (b"IIRO", _RAW),
    (b"IIRS", _RAW),
    (b"MMOR", _RAW),
    (b"\0MRM", _RAW),
    (b"\x1a\x45\xdf\xa3", "a film"),
    (b"SDPX", "a DPX picture"),
    (b"XPDS", "a DPX picture"),
    (b"\x80\x2a\x5f\xd7", "a Cineon picture"),
    (b"PK\3\4", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\0\5\x16\7", "what macOS keeps beside a picture (AppleDouble)"),
    (b"version https://", "a pointer of Git LFS"),
    (b"data:image/", "a data address"),
)
#: Beginnings in small letters, in front of which white space may stand.
_TEXTS = (
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
    (b"<!--", "a web page"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML document"),
)
#: What to do with a file that is no picture.
_STEPS = {
    "a film": "give it as a file",
    "a ZIP archive": "unpack it",
    "a gzip archive": "unpack it",
    "a RAR archive": "unpack it",
    "a 7z archive": "unpack it",
    "what macOS keeps beside a picture (AppleDouble)": "give the file named so without `._`",
    "a pointer of Git LFS": "fetch the picture by `git lfs pull`",
    "a data address": "save the picture that it holds",
    "a DPX picture": "save it as PNG or TIFF, or make a film of a scan's frames (docs/films.md)",
    "a web page": "download the picture itself",
    "a NumPy array": "give the array itself, in Python",
    _BASE64: "decode it, as by `base64 -d`",
    _ZEROS: "copy it again from where it came from",
}


def step_for(kind: str) -> str:
    """Return what to do with a file of a kind that ``kind_of`` returns."""
    return _STEPS.get(kind, "save it as PNG or TIFF")


def kind_of(head: bytes) -> str | None:
    """Return what a file is called that is not read, with its article; None if it is not known.

    Args:
        head: its first ``BEGINNING`` bytes.
    """
    if head[128:132] == b"DICM":
        return _DICOM
    if not any(head):
        return _ZEROS
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return "a film"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    pairs = [(head, one) for one in _BEGINNINGS] + [(text, one) for one in _TEXTS]
    return next((name for found, (start, name) in pairs if found.startswith(start)), None)
