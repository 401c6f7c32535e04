"""What the documents promise each other: links that lead somewhere, figures that agree."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from koalarize.models.catalog import FOREIGN, MODELS

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")],
    key=lambda path: path.relative_to(ROOT).as_posix(),
)


@cache
def prose(path: Path) -> str:
    """Return a document without its blocks of code."""
    return re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


@cache
def anchors(path: Path) -> set[str]:
    """Return the names by which the headings of a document are linked."""
    titles = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {title.replace(" ", "-") for title in plain}


def links(path: Path) -> list[tuple[Path, str]]:
    """Return the file and the anchor of each link of a document that stays in the repository."""
    found = re.findall(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"", prose(path))
    targets = [one or other for one, other in found]
    pairs = [target.partition("#") for target in targets if "://" not in target]
    return [((path.parent / file).resolve() if file else path, name) for file, _, name in pairs]


def rows(path: Path) -> list[list[str]]:
    """Return the cells of every row of the tables of a document."""
    lines = [line for line in prose(path).splitlines() if line.startswith("| ")]
    return [[cell.strip(" `") for cell in line.strip("| ").split(" | ")] for line in lines]


@cache
def rivals() -> dict[str, tuple[float, float, int]]:
    """Return seconds, times koala's and MiB of each model in the table of the benchmarks."""
    found = {}
    for row in rows(ROOT / "benchmarks" / "README.md"):
        if len(row) == 6 and row[1] in ("real", "random"):
            found[row[0]] = (float(row[3]), float(row[4]), int(row[5].replace(",", "")))
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(path):
    for target, name in links(path):
        assert target.exists(), f"{target} is not there"
        assert not name or name in anchors(target), f"{target.name} has no heading #{name}"


def test_the_readme_leads_to_every_document():
    linked = {target for target, _ in links(README)}
    lost = {path.name for path in (ROOT / "docs").glob("*.md")} - {path.name for path in linked}
    assert not lost, "documents that nobody finds"


@pytest.mark.parametrize("name", [name for name in rivals() if name in FOREIGN])
def test_what_a_model_takes_is_what_the_benchmark_measured(name):
    _, times, memory = rivals()[name]
    assert FOREIGN[name].times == round(times)
    assert FOREIGN[name].memory == memory


def test_the_readme_states_what_the_benchmark_measured():
    parameters = {name: card.parameters for name, card in (*MODELS.items(), *FOREIGN.items())}
    shown = [row for row in rows(README) if row[0] in rivals() and row[-1].endswith(" MiB")]
    assert len(shown) > 3
    for name, millions, seconds, memory in shown:
        assert millions == f"{parameters[name] / 1e6:.1f} M"
        assert float(seconds.removesuffix(" s")) == rivals()[name][0]
        assert int(memory.removesuffix(" MiB").replace(",", "")) == rivals()[name][2]


def test_the_catalogue_states_the_scores_of_the_shipped_weights():
    card = MODELS["koala"]
    reports = [
        json.loads(path.read_text()) for path in sorted(ROOT.glob("docs/reports/koala-*.json"))
    ]
    own = [row for each in reports for row in each["rows"] if row["sha256"] == card.sha256]
    assert own, "no report of docs/reports is of these weights"
    relative = own[-1]["relative"]  # of the last day: what surrounds the weights changes too
    assert card.scores["psnr_gain_db"] == round(relative["psnr_minus_grey"], 2)
    assert card.scores["lpips_share"] == round(relative["lpips_of_grey"], 3)
    assert card.scores["fid_share"] == round(relative["fid_of_grey"], 3)
