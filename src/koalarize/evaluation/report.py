"""What an evaluation found, with everything needed to repeat it, as JSON and as a Markdown table.

Not here: the measuring (``evaluate``). No path of a machine is kept, only names and hashes.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import koalarize

__all__ = ["MetricBackend", "Protocol", "Report", "Row", "source_commit"]

FORMAT = "koalarize-evaluation-1"
_GIT_SECONDS = 10


@dataclass(frozen=True)
class MetricBackend:
    """Which implementation and which weights a metric ran with.

    Attributes:
        backend: the library, its version and the options.
        weights: name of the file of weights, if there is one.
        sha256: of that file; scores of other weights are not comparable.
    """

    backend: str
    weights: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Protocol:
    """How the numbers came about.

    Attributes:
        command: what repeats the measurement, with names in place of paths.
        data: name of the data set.
        data_sha256: over the encoded bytes of the pictures looked at, in order.
        pictures: how many were compared.
        left_out: how many were not, by reason.
        resize: the rule that brought the originals to the compared size.
        metrics: name -> backend.
        koalarize: version.
        commit: of the source, where it is under git.
    """

    command: str
    data: str
    data_sha256: str
    pictures: int
    left_out: dict[str, int]
    resize: str
    metrics: dict[str, MetricBackend]
    koalarize: str
    commit: str | None


@dataclass(frozen=True)
class Row:
    """The scores of one model at one setting.

    Attributes:
        model: name in the catalogue, or the end of the file's path.
        sha256: of the model's file; None for ``grey``.
        size: working size, shorter side in pixels; None for ``grey``.
        temperature: of the annealed mean; None where there is nothing to decode.
        scores: metric -> mean over the pictures (``fid``: over the set); None where it is not
            finite. ``psnr`` leaves out pictures that equal their original.
        relative: the same beside the references: ``psnr_minus_grey`` in dB,
            ``colorfulness_of_original``, ``lpips_of_grey`` and ``fid_of_grey`` as shares.
    """

    model: str
    sha256: str | None
    size: int | None
    temperature: float | None
    scores: dict[str, float | None]
    relative: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """An evaluation: its protocol, the originals' own colorfulness, one row a rival, grey first."""

    protocol: Protocol
    original: dict[str, float]
    rows: list[Row]

    def to_json(self) -> str:
        """Return the whole report as JSON."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=2, allow_nan=False)

    def to_markdown(self) -> str:
        """Return the table of the scores, and under it how they came about."""
        metrics = list(self.protocol.metrics)
        header = ["model", "size", "temperature", *(_HEADERS[name] for name in metrics)]
        lines = [header, ["---", *["---:"] * (len(header) - 1)]]
        lines += [
            [row.model, _text(row.size), _text(row.temperature), *(_cell(row, m) for m in metrics)]
            for row in self.rows
        ]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"{table}\n\n{self._footnote()}"

    def _footnote(self) -> str:
        facts = self.protocol
        left_out = ", ".join(f"{count} {reason}" for reason, count in facts.left_out.items())
        sentences = [
            f"{facts.pictures} pictures of `{facts.data}` (sha256 {facts.data_sha256[:12]}"
            f"{f'; left out: {left_out}' if left_out else ''}), {facts.resize}.",
            f"koalarize {facts.koalarize}{f' at {facts.commit[:12]}' if facts.commit else ''}.",
        ]
        if "colorfulness" in self.original:
            value = self.original["colorfulness"]
            sentences.append(f"The originals' colorfulness is {value:.2f}.")
        backends = [
            f"- {name}: {used.backend}"
            + (f", {used.weights} (sha256 {(used.sha256 or '')[:12]})" if used.weights else "")
            for name, used in facts.metrics.items()
        ]
        return "\n".join([" ".join(sentences), "", *backends, "", f"    {facts.command}"])


def source_commit() -> str | None:
    """Return the commit this package's source is at, ``-dirty`` if changed, None without git."""
    folder = Path(koalarize.__file__).parent
    # An installed copy may lie inside somebody else's repository: ask whether git knows our file.
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    return _git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


_HEADERS = {
    "psnr": "PSNR dB (− grey)",
    "colorfulness": "colorfulness (of originals)",
    "lpips": "LPIPS (of grey)",
    "fid": "FID (of grey)",
}


def _cell(row: Row, metric: str) -> str:
    score = row.scores[metric]
    digits = 2 if metric in ("psnr", "colorfulness") else 4
    text = "–" if score is None else f"{score:.{digits}f}"
    if metric == "psnr":
        beside = row.relative.get("psnr_minus_grey")
        return text if beside is None else f"{text} ({beside:+.2f})"
    reference = "original" if metric == "colorfulness" else "grey"
    beside = row.relative.get(f"{metric}_of_{reference}")
    return text if beside is None else f"{text} ({beside:.1%})"


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
