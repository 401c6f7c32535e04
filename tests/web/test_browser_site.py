"""``koalarize browser``: the static page is whole, is known again, and spares what is others'."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from koalarize.colorizer import tables
from koalarize.engines.engine import Engine
from koalarize.errors import ModelError, OptionError, OutputError
from koalarize.models.fetch import Fetched
from koalarize.models.open import open_model
from koalarize.steering.steering import Steering
from koalarize.web import studio as studio_page
from koalarize.web.browser import facts, runtime, site
from koalarize.web.browser.runtime import Runtime, fetched, taken
from koalarize.web.browser.site import INDEX, write_site

NAMES = tuple(runtime.RUNTIME.files)


@pytest.fixture
def ort(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An archive that stands in for onnxruntime-web's, whose hashes are known."""
    archive = tmp_path / "ort.tgz"
    files = {name: f"// {name}".encode() for name in NAMES}
    with tarfile.open(archive, "w:gz") as packed:
        for name, data in files.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))
    known = {name: sha256(data).hexdigest() for name, data in files.items()}
    hash_of = sha256(archive.read_bytes()).hexdigest()
    fake = Runtime("1.0.0", "https://example.org/ort.tgz", hash_of, known)
    monkeypatch.setattr(runtime, "RUNTIME", fake)
    monkeypatch.setenv("KOALARIZE_HOME", str(tmp_path / "home"))
    return archive


def koala() -> Engine:
    return open_model("koala-int8")


def listed(folder: Path) -> dict[str, str]:
    return {one["path"]: one["sha256"] for one in json.loads((folder / INDEX).read_text())["files"]}


def test_all_files_are_there_and_listed(ort: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    size = write_site(out, taken(ort), model="koala-int8")
    found = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    assert set(found) == {*listed(out), INDEX}
    for path, known in listed(out).items():
        assert sha256(found[path].read_bytes()).hexdigest() == known
    assert size == sum(path.stat().st_size for path in found.values())
    assert {"facts.json", "tables.bin", "static/js/color.js", f"ort/{NAMES[0]}"} <= {*found}
    assert not list(tmp_path.rglob("*.part"))


def test_the_page_is_told_what_the_program_declares() -> None:
    told = json.loads(facts.facts_of(koala().info, "k.onnx", b"weights"))
    properties = told["schema"]["properties"]
    assert {one.name for one in dataclasses.fields(Steering)} <= set(properties)
    assert set(properties) > facts.HERE
    assert properties["reach"]["minimum"] == 0.05
    for name, field in properties.items():
        assert field["here"] == (name in facts.HERE)
        assert "type" in field or "anyOf" in field or name not in facts.HERE
        assert name in facts.HERE or "type" not in field  # it would get a control
    assert told["model"]["file"] == "k.onnx"
    assert told["model"]["sha256"] == sha256(b"weights").hexdigest()
    assert len(told["model"]["bins"]) == 260
    for name, module in facts.MODULES.items():  # no constant of theirs is missing
        for constant, value in vars(module).items():
            if constant.isupper() and type(value) in (int, float):
                assert told["constants"][name][constant] == pytest.approx(value)


def test_the_tables_lie_where_the_page_is_told() -> None:
    found = facts.tables_of()
    roots = found.index["roots"]
    values = np.frombuffer(found.data, "<f4", int(roots["length"]), int(roots["start"]))
    assert np.array_equal(values, tables.root_table())
    levels = found.index["levels"]
    start = int(levels["start"])
    assert found.data[start : start + int(levels["length"])] == tables.levels().tobytes()
    assert all(int(one["start"]) % 4 == 0 for one in found.index.values())


def test_a_later_run_replaces_its_own_page(ort: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    write_site(out, taken(ort), model="koala-int8")
    before = listed(out)
    (out / "imprint.html").write_text("mine")
    write_site(out, taken(ort), model="koala")
    gone = [path for path in before if path.endswith(".onnx")]
    assert not (out / gone[0]).exists()  # the other model's
    assert (out / "imprint.html").read_text() == "mine"


def test_a_changed_file_is_kept_unless_overwrite(ort: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    write_site(out, taken(ort), model="koala-int8")
    (out / "facts.json").write_text("{}")
    with pytest.raises(OutputError, match=r"facts\.json.*changed.*--overwrite"):
        write_site(out, taken(ort), model="koala-int8")
    assert (out / "facts.json").read_text() == "{}"
    write_site(out, taken(ort), model="koala-int8", overwrite=True)
    assert (out / "facts.json").read_text() != "{}"


def test_other_peoples_folders_are_refused(ort: Path, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "oma.jpg").write_bytes(b"x")
    with pytest.raises(OutputError, match="not empty"):
        write_site(tmp_path / "photos", taken(ort), model="koala-int8")
    with pytest.raises(OutputError, match="is a file"):
        write_site(tmp_path / "photos" / "oma.jpg", taken(ort), model="koala-int8")
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / INDEX).write_text("[]")
    with pytest.raises(OutputError, match="no list"):
        write_site(tmp_path / "listed", taken(ort), model="koala-int8")
    (tmp_path / "listed" / INDEX).write_text('{"files": [{"path": "../x", "sha256": ""}]}')
    with pytest.raises(OutputError, match="outside"):
        write_site(tmp_path / "listed", taken(ort), model="koala-int8")


def test_what_cannot_be_written_leaves_nothing(
    ort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "site"
    out.mkdir()

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(site.Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"No space left on device\): check the folder"):
        write_site(out, taken(ort), model="koala-int8")
    assert not list(out.iterdir())


def test_models_that_the_page_cannot_run_are_refused(ort: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="one model"):
        write_site(tmp_path / "site", taken(ort), model="koala,koala-int8")
    other = dataclasses.replace(koala().info, output="ab")
    with pytest.raises(OptionError, match="classify and take hints"):
        facts.facts_of(other, "k.onnx", b"weights")
    assert not (tmp_path / "site").exists()


def test_the_runtime_is_checked(ort: Path, tmp_path: Path) -> None:
    assert set(taken(ort)) == set(NAMES)
    folder = tmp_path / "onnxruntime-web" / "dist"
    folder.mkdir(parents=True)
    for name, data in taken(ort).items():
        (folder / name).write_bytes(data)
    assert taken(folder.parent) == taken(ort)
    (folder / NAMES[0]).write_bytes(b"another")
    with pytest.raises(ModelError, match=r"is not that of onnxruntime-web 1\.0\.0"):
        taken(folder.parent)
    (folder / NAMES[0]).unlink()
    with pytest.raises(ModelError, match="is missing"):
        taken(folder.parent)
    (tmp_path / "no.tgz").write_bytes(b"no archive")
    with pytest.raises(ModelError, match="holds no onnxruntime-web"):
        taken(tmp_path / "no.tgz")


def test_the_runtime_is_fetched_once(
    ort: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def bring(url: str, target: Path, *, progress: object = None, way_out: str = "") -> Fetched:
        asked.append(url)
        target.write_bytes(ort.read_bytes())
        return Fetched(1, None)

    monkeypatch.setattr(runtime, "fetch", bring)
    assert fetched() == fetched() == taken(ort)
    assert asked == ["https://example.org/ort.tgz"]
    kept = tmp_path / "home" / "runtime" / "ort.tgz"
    kept.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="gave another file"):
        fetched()
    assert not kept.exists()


def test_the_command_knows_the_true_files(ort: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    command = [sys.executable, "-m", "koalarize", "browser", out, "--runtime", ort]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "is not that of onnxruntime-web" in told.stderr
    assert not out.exists()


def test_the_page_is_the_studios_with_no_word_of_a_service() -> None:
    studio = (Path(studio_page.__file__).parent / "static" / "index.html").read_text()
    page = site.page_of(studio)
    assert "Content-Security-Policy" in page
    for word in ("api/v1", "this server", "on this machine", "css/films.css", "or a film"):
        assert word in studio
        assert word not in page
    with pytest.raises(AssertionError):
        site.page_of(page)  # a studio's page whose words have changed is noticed
