"""What an evaluation found, with everything needed to repeat it, as JSON and as a Markdown table.

Not here: the measuring (``evaluate``). No path of a machine is kept, only names and hashes.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import koalarize
from koalarize.lab.evaluation.seeds import Scores, Seeds
from koalarize.lab.metrics.definitions import Metric, metric_of
from koalarize.lab.outputs import TABLE
from koalarize.lab.tables import markdown_code, markdown_table

__all__ = ["MetricBackend", "Protocol", "Report", "Row", "at_commit", "source_commit"]

FORMAT = "koalarize-evaluation-1"
_GIT_SECONDS = 10


@dataclass(frozen=True)
class MetricBackend:
    """Which implementation and which weights a metric ran with.

    Attributes:
        backend: the library, its version and the options.
        weights: name of the file of weights, or of the code of one's own, if there is one.
        sha256: of that file; scores of other weights are not comparable.
        unit: of the scores.
        better: which way is better: ``higher``, ``lower``, ``as the originals``.
    """

    backend: str
    weights: str | None = None
    sha256: str | None = None
    unit: str = "1"
    better: str = "lower"


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
        name: of ``protocols.PROTOCOLS``.
        coloring: what was scored: the Colorizer's pictures, or a network's own ab.
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
    name: str = "colorizer"
    coloring: str = "8-bit pictures of the Colorizer"


@dataclass(frozen=True)
class Row:
    """The scores of one model at one setting.

    Attributes:
        model: name in the catalogue, or the end of the file's path.
        sha256: of the model's file; None for ``grey``.
        size: working size, shorter side in pixels; None for ``grey`` and where a network saw each
            picture at the picture's own size.
        temperature: of the annealed mean; None where there is nothing to decode.
        scores: metric -> score, as ``definitions`` says of each; None where it is not finite.
            ``psnr`` and ``ab-psnr`` leave out pictures that equal their original.
        relative: the same beside the references, as ``psnr_minus_grey`` (mean difference of the
            pictures where both are finite), ``lpips_of_grey`` or ``variety_of_original`` (shares),
            and what others define otherwise:
            ``inverse_ssim_sum``, ``delta_colorfulness_per_picture``.
    """

    model: str
    sha256: str | None
    size: int | None
    temperature: float | None
    scores: Scores
    relative: Scores = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """An evaluation.

    Attributes:
        protocol: how it was made.
        original: the originals' own values.
        rows: one a rival, grey first.
        seeds: mean and deviation of the rivals but grey, one a recipe and setting, where asked for.
        names: of the pictures, in order.
        single: for each row, metric -> the score of each picture; infinite for equal pictures.
    """

    protocol: Protocol
    original: dict[str, float]
    rows: list[Row]
    seeds: list[Seeds] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    single: list[dict[str, list[float]]] = field(default_factory=list)

    def to_json(self) -> str:
        """Return the whole report as JSON, but for the scores of single pictures."""
        facts = {
            "format": FORMAT,
            "protocol": dataclasses.asdict(self.protocol),
            "original": self.original,
            "rows": [dataclasses.asdict(row) for row in self.rows],
        }
        if self.seeds:
            facts["seeds"] = [dataclasses.asdict(each) for each in self.seeds]
        return json.dumps(facts, indent=2, allow_nan=False)

    def to_csv(self) -> str:
        """Return the scores of single pictures as a table: one row a picture and rival."""
        metrics = list(self.single[0]) if self.single else []
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow([*TABLE.split(","), *metrics])
        for row, scores in zip(self.rows, self.single, strict=True):
            told = [row.model, *("" if v is None else v for v in (row.size, row.temperature))]
            for number, name in enumerate(self.names):
                own = (f"{scores[metric][number]:.8g}" for metric in metrics)
                table.writerow([name, *told, *own])
        return text.getvalue()

    def to_markdown(self) -> str:
        """Return the table of the scores, and under it how they came about."""
        metrics = list(self.protocol.metrics)
        header = ["model", "size", "temperature", *map(_header, metrics)]
        rows = [
            [row.model, _text(row.size), _text(row.temperature), *(_cell(row, m) for m in metrics)]
            for row in self.rows
        ]
        rows += [
            [
                each.label,
                *(_text(each.size), _text(each.temperature)),
                *(_spread(each, metric) for metric in metrics),
            ]
            for each in self.seeds
        ]
        return f"{markdown_table(header, rows, words=1)}\n\n{self._footnote()}"

    def _footnote(self) -> str:
        facts = self.protocol
        left_out = ", ".join(f"{count} {reason}" for reason, count in facts.left_out.items())
        sentences = [
            f"{facts.pictures} pictures of {markdown_code(facts.data)} "
            f"(sha256 {facts.data_sha256[:12]}"
            f"{f'; left out: {left_out}' if left_out else ''}), {facts.resize}; {facts.coloring}.",
            f"koalarize {facts.koalarize}{at_commit(facts.commit)}.",
        ]
        if self.seeds:
            sentences.append("Deviations are those of a sample (divisor N - 1) of trainings.")
        sentences += [
            f"The originals' {name} is {value:.2f}." for name, value in self.original.items()
        ]
        backends = [
            f"- {name} ({used.unit}; better: {used.better}): {used.backend}"
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


def at_commit(commit: str | None) -> str:
    """Return `` at `` and a commit in short, with ``-dirty`` where it is so, or nothing."""
    if commit is None:
        return ""
    number, _, dirty = commit.partition("-")
    return f" at {number[:12]}{'-' if dirty else ''}{dirty}"


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


def _header(name: str) -> str:
    metric = metric_of(name)
    beside = {"minus grey": "− grey", "of grey": "of grey", "of original": "of originals"}
    return f"{metric.header} ({beside[metric.beside]})"


def _cell(row: Row, name: str) -> str:
    metric = metric_of(name)
    score, beside = row.scores[name], row.relative.get(metric.relative)
    text = "–" if score is None else f"{score:.{metric.digits}f}"
    notes: list[str] = []
    if name == "inverse-ssim" and row.relative.get("inverse_ssim_sum") is not None:
        notes.append(f"sum {row.relative['inverse_ssim_sum']:.2f}")
    if (
        equal := row.relative.get(f"{name.replace('-', '_')}_equal")
    ) is not None and score is not None:
        notes.append(f"without {equal:g} equal")
    if name == "delta-colorfulness":
        notes.append(f"per picture {row.relative['delta_colorfulness_per_picture']:.2f}")
    if beside is not None:
        notes.append(_beside(metric, beside))
    return f"{text} ({'; '.join(notes)})" if notes else text


def _beside(metric: Metric, value: float) -> str:
    return f"{value:+.{metric.digits}f}" if metric.beside == "minus grey" else f"{value:.1%}"


def _spread(seeds: Seeds, name: str) -> str:
    metric = metric_of(name)
    mean, deviation = seeds.mean[name], seeds.deviation[name]
    if mean is None or deviation is None:
        return "–"
    text = f"{mean:.{metric.digits}f} ± {deviation:.{metric.digits}f}"
    beside, around = (
        kept.get(metric.relative) for kept in (seeds.relative_mean, seeds.relative_deviation)
    )
    if beside is None or around is None:
        return text
    return f"{text} ({_beside(metric, beside)} ± {_beside(metric, around).lstrip('+')})"


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
