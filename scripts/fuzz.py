"""Feed broken files to all that reads something from a stranger, and write down what goes wrong.

    python scripts/fuzz.py photo --seconds 600 [--findings FOLDER] [--seed 1]

Targets: ``photo`` (every reader, all pages, and the way back into files with what was carried),
``metadata`` (EXIF, XMP, IPTC, profiles, PNG chunks, JPEG segments, TIFF fields: read, marked,
written and read again), ``session`` (its JSON), ``hint`` (its text), ``shots`` (a film's list),
``recipe`` (YAML), ``table`` (Parquet, of pictures and of results), ``journal`` (SQLite). With
atheris (``pip install atheris``) coverage leads the inputs; without it whole files are mutated.
Only a ``KoalarizeError`` is a right answer to a broken file: any other exception, more than ten
seconds, or more than 2 GB of memory is a finding. It is written to the folder with its trace, once
a place in the code.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import random
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path

from fuzz_targets import TARGETS, seeds_of

SLOW = 10.0  # seconds of processor time
MEMORY = 2048  # MiB


class Fuzzer:
    """Runs a target, counts, and keeps one finding a place."""

    def __init__(self, target: Callable[[bytes], None], folder: Path) -> None:
        """Take a target that raises nothing but ``KoalarizeError``."""
        from koalarize.errors import KoalarizeError

        self.target, self.folder = target, folder
        self.right = KoalarizeError
        self.runs, self.refused, self.found = 0, 0, set[str]()
        self.start = time.monotonic()
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, data: bytes) -> None:
        """Run one input."""
        self.runs += 1
        begun = time.process_time()
        try:
            self.target(data)
        except self.right:
            self.refused += 1
        except Exception as error:  # noqa: BLE001
            last = traceback.extract_tb(error.__traceback__)
            ours = [frame for frame in last if "koalarize" in frame.filename] or list(last)
            place = f"{type(error).__name__} {Path(ours[-1].filename).name}:{ours[-1].lineno}"
            self.keep(place, data, traceback.format_exc())
        took = time.process_time() - begun
        if took > SLOW:
            self.keep("slow", data, f"{took:.1f} s")
        if self.runs % 500 == 0:
            self.report()

    def keep(self, place: str, data: bytes, words: str) -> None:
        """Write a finding down, unless its place is known."""
        if place in self.found:
            return
        self.found.add(place)
        stem = hashlib.sha256(place.encode()).hexdigest()[:12]
        (self.folder / f"{stem}.bin").write_bytes(data)
        (self.folder / f"{stem}.txt").write_text(f"{place}\n{words}", encoding="utf-8")

    def report(self) -> None:
        """Write the counts so far."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        counts = {
            "seconds": round(time.monotonic() - self.start),
            "executions": self.runs,
            "refused": self.refused,
            "findings": sorted(self.found),
            "peak MiB": peak,
        }
        (self.folder / "counts.json").write_text(json.dumps(counts, indent=1), encoding="utf-8")


def mutated(data: bytes, seeds: list[bytes], rng: random.Random) -> bytes:
    """Change a file as files break: bits, numbers, cuts, parts twice or from another file."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 12))):
        at = (
            rng.randrange(len(out) + 1)
            if rng.random() < 0.5
            else rng.randrange(min(400, len(out)) + 1)
        )
        kind = rng.randrange(7)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at : at + 4] = rng.choice(
                (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\1\0", b"\1\0\0\0")
            )
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            del out[at : at + rng.randrange(1, 64)]
        elif kind == 4:
            out[at:at] = out[at : at + rng.randrange(1, 200)]
        elif kind == 5:
            other = rng.choice(seeds)
            start = rng.randrange(len(other))
            out[at:at] = other[start : start + rng.randrange(1, 300)]
        elif at < len(out):
            out[at] = rng.randrange(256)
    return bytes(out)


def main() -> None:
    """Fuzz a target for some time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="mutate whole files, without atheris")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    try:
        import atheris
    except ImportError:
        asked.plain = True
    if asked.plain:
        fuzzer, seeds = Fuzzer(TARGETS[asked.target](), asked.findings), seeds_of(asked.target)
        resource.setrlimit(resource.RLIMIT_AS, (2 * MEMORY << 20, 2 * MEMORY << 20))
        rng = random.Random(asked.seed)
        for seed in seeds:
            fuzzer(seed)
        while time.monotonic() - fuzzer.start < asked.seconds:
            fuzzer(mutated(rng.choice(seeds), seeds, rng))
        fuzzer.report()
        print((asked.findings / "counts.json").read_text(encoding="utf-8"))
        return
    with atheris.instrument_imports(include=["koalarize", "PIL", "tifffile"]):
        fuzzer = Fuzzer(TARGETS[asked.target](), asked.findings)
    corpus = asked.findings / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds_of(asked.target)):
        (corpus / f"seed{number}").write_bytes(seed)
    options = [f"-max_total_time={asked.seconds}", f"-rss_limit_mb={MEMORY}", "-timeout=600"]
    options += ["-max_len=20000", f"-seed={asked.seed}", f"-artifact_prefix={asked.findings}/"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], fuzzer)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
