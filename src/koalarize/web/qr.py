"""QR codes of short texts (ISO/IEC 18004): bytes, lowest correction, versions 1 to 6.

Not here: what is encoded, and where it is shown (``cli.serve``). An address with its token has
about 60 bytes; 134 fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

__all__ = ["qr_code", "qr_text"]

_Modules = list[list[bool]]

#: Codewords of data, of correction a block, and blocks, by version; correction level L.
_SIZES = {1: (19, 7, 1), 2: (34, 10, 1), 3: (55, 15, 1), 4: (80, 20, 1), 5: (108, 26, 1)} | {
    6: (136, 18, 2)
}
_LEVEL_L = 1
_QUIET = 2  # modules around it; scanners ask for 4, and the terminal's own ground adds to them


def qr_code(text: str) -> list[list[bool]] | None:
    """Return the modules of a text's code, True where dark, row by row.

    Returns:
        None if the text is too long.
    """
    data = text.encode()
    version = next((number for number, size in _SIZES.items() if len(data) + 2 <= size[0]), None)
    if version is None:
        return None
    words, correction, blocks = _SIZES[version]
    codewords = _interleaved(_codewords(data, words), correction, blocks)
    side = 17 + 4 * version
    modules, fixed = _frame(version, side)
    bits = (word >> shift & 1 for word in codewords for shift in range(7, -1, -1))
    for row, column in _path(fixed, side):
        modules[row][column] = bool(next(bits, 0))
    masked = [_masked(modules, fixed, mask) for mask in range(8)]
    return min(masked, key=_penalty)


def qr_text(modules: list[list[bool]]) -> list[str]:
    """Return a code as lines for a terminal whose ground is dark: two rows of modules a line."""
    wide = len(modules) + 2 * _QUIET
    blank = [False] * wide
    side = [False] * _QUIET
    rows = [blank] * _QUIET + [[*side, *row, *side] for row in modules] + [blank] * (_QUIET + 1)
    letters = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    pairs = zip(rows[0::2], rows[1::2], strict=False)
    return ["".join(letters[pair] for pair in zip(*lines, strict=True)) for lines in pairs]


def _codewords(data: bytes, words: int) -> list[int]:
    """Return data in byte mode, ended and filled to a version's size."""
    bits = f"0100{len(data):08b}" + "".join(f"{byte:08b}" for byte in data)
    bits += "0" * min(4, 8 * words - len(bits))
    bits += "0" * (-len(bits) % 8)
    found = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    fill = [0xEC, 0x11]
    return found + [fill[number % 2] for number in range(words - len(found))]


def _interleaved(words: list[int], correction: int, blocks: int) -> list[int]:
    size = len(words) // blocks
    parts = [words[number * size : (number + 1) * size] for number in range(blocks)]
    ends = [_corrections(part, correction) for part in parts]
    return [word for row in zip(*parts, strict=True) for word in row] + [
        word for row in zip(*ends, strict=True) for word in row
    ]


def _corrections(words: list[int], count: int) -> list[int]:
    """Return the codewords of correction: the remainder by the generator (Reed-Solomon)."""
    generator = [1]
    for power in range(count):
        root = _POWERS[power]
        longer = [*generator, 0]
        for at, factor in enumerate(generator):
            longer[at + 1] ^= _product(factor, root)
        generator = longer
    rest = [*words, *[0] * count]
    for at in range(len(words)):
        factor = rest[at]
        for step, part in enumerate(generator):
            rest[at + step] ^= _product(part, factor)
    return rest[len(words) :]


def _powers() -> list[int]:
    """Return the powers of 2 in the field of 256 elements."""
    found, value = [], 1
    for _ in range(255):
        found.append(value)
        value <<= 1
        value ^= 0x11D if value > 255 else 0
    return found


_POWERS = _powers()
_LOGARITHMS = {value: power for power, value in enumerate(_POWERS)}


def _product(one: int, other: int) -> int:
    if not (one and other):
        return 0
    return _POWERS[(_LOGARITHMS[one] + _LOGARITHMS[other]) % 255]


def _frame(version: int, side: int) -> tuple[_Modules, _Modules]:
    """Return the modules that are the same in every code of a version, and which these are."""
    modules = [[False] * side for _ in range(side)]
    fixed = [[False] * side for _ in range(side)]

    def put(row: int, column: int, dark: bool) -> None:
        if 0 <= row < side and 0 <= column < side:
            modules[row][column], fixed[row][column] = dark, True

    for at in range(8, side - 8):
        put(6, at, at % 2 == 0)
        put(at, 6, at % 2 == 0)
    for top, left in ((0, 0), (0, side - 7), (side - 7, 0)):
        for down in range(-1, 8):
            for across in range(-1, 8):
                ring = max(abs(down - 3), abs(across - 3))
                put(top + down, left + across, ring in (0, 1, 3))
    if version > 1:
        for down in range(-2, 3):
            for across in range(-2, 3):
                put(side - 7 + down, side - 7 + across, max(abs(down), abs(across)) != 1)
    for row, column in (place for pair in _format_places(side) for place in pair):
        put(row, column, False)
    put(side - 8, 8, True)
    return modules, fixed


def _format_places(side: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return the two places of each bit of the format, the lowest bit first."""
    near = [(0, 8), (1, 8), (2, 8), (3, 8), (4, 8), (5, 8), (7, 8), (8, 8), (8, 7)]
    near += [(8, column) for column in range(5, -1, -1)]
    far = [(8, side - 1 - number) for number in range(8)]
    far += [(side - 7 + number, 8) for number in range(7)]
    return list(zip(near, far, strict=True))


def _path(fixed: _Modules, side: int) -> Iterator[tuple[int, int]]:
    """Yield the places of the data: pairs of columns from the right, up and down in turn."""
    upward = True
    for right in (*range(side - 1, 6, -2), 5, 3, 1):
        for row in range(side - 1, -1, -1) if upward else range(side):
            for column in (right, right - 1):
                if not fixed[row][column]:
                    yield row, column
        upward = not upward


def _masked(modules: _Modules, fixed: _Modules, mask: int) -> _Modules:
    """Return a code with one of the eight masks, and the format that says which."""
    side = len(modules)
    found = [
        [dark ^ (not fixed[r][c] and _turns(mask, r, c)) for c, dark in enumerate(row)]
        for r, row in enumerate(modules)
    ]
    value = _LEVEL_L << 3 | mask
    rest = value
    for _ in range(10):
        rest = rest << 1 ^ (rest >> 9) * 0x537
    bits = (value << 10 | rest) ^ 0x5412
    for number, places in enumerate(_format_places(side)):
        for row, column in places:
            found[row][column] = bool(bits >> number & 1)
    return found


def _turns(mask: int, row: int, column: int) -> bool:
    product = row * column
    return (
        (row + column) % 2,
        row % 2,
        column % 3,
        (row + column) % 3,
        (row // 2 + column // 3) % 2,
        product % 2 + product % 3,
        (product % 2 + product % 3) % 2,
        ((row + column) % 2 + product % 3) % 2,
    )[mask] == 0


def _penalty(modules: _Modules) -> int:
    """Return how hard a code is to read: long runs and squares of one colour."""
    found = 0
    for line in (*modules, *map(list, zip(*modules, strict=True))):
        run = 1
        for before, now in pairwise(line):
            run = run + 1 if before == now else 1
            found += 3 if run == 5 else 1 if run > 5 else 0
    for above, below in pairwise(modules):
        for square in zip(above, above[1:], below, below[1:], strict=False):
            found += 3 if len(set(square)) == 1 else 0
    return found
