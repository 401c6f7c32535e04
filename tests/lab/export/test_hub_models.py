"""Models on the Hugging Face hub: what is sent and fetched; stand-ins have its signatures."""

import errno
import json
import shutil
import sys
from pathlib import Path
from unittest.mock import create_autospec

import huggingface_hub
import pytest
import torch
from huggingface_hub import HfApi, snapshot_download
from safetensors.torch import load_file, save_file

from export_parts import saved
from koalarize.cli import main
from koalarize.errors import DependencyError, ModelError, OptionError, OutputError
from koalarize.lab.export.hub import pull, push
from koalarize.lab.networks.extractor import ExtractorConfig, build_extractor
from koalarize.lab.runs.checkpoint import load_checkpoint


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A checkpoint, made once."""
    return saved(tmp_path_factory.mktemp("weights"), "unet-mini", widths=[2, 3, 4]).read_bytes()


@pytest.fixture
def run(tmp_path, weights):
    """A folder as `lab train` and `lab export --card` leave it."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("model.onnx", "model.png", "history.csv", "last.ckpt"):
        (folder / name).write_bytes(name.encode())
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "model.md").write_text("# my-koala\n")
    return folder


class Hub:
    """Keeps what was uploaded; `fail` is raised instead, `cut` when all but the last is there."""

    def __init__(self):
        self.files, self.calls, self.fail, self.cut = {}, [], None, None

    def create_repo(self, repo_id, *, private=None, exist_ok=False):
        self.calls.append((repo_id, private, exist_ok))

    def upload_folder(self, *, repo_id, folder_path, commit_message=None):
        if self.fail is not None:
            raise self.fail
        self.files = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}
        return f"https://hub.example/{repo_id}/commit/1"

    def snapshot(self, repo_id, *, local_dir=None, allow_patterns=None):
        if self.fail is not None:
            raise self.fail
        for name, data in self.files.items():
            if self.cut is not None and name == [*self.files][-1]:
                raise self.cut
            if any(Path(name).match(pattern) for pattern in allow_patterns):
                local_dir.mkdir(parents=True, exist_ok=True)
                (local_dir / name).write_bytes(data)
        (local_dir / ".cache").mkdir()
        return str(local_dir)


@pytest.fixture
def hub(monkeypatch):
    hub = Hub()
    api = create_autospec(HfApi, instance=True)
    api.create_repo.side_effect = hub.create_repo
    api.upload_folder.side_effect = hub.upload_folder
    monkeypatch.setattr(huggingface_hub, "HfApi", create_autospec(HfApi, return_value=api))
    fetch = create_autospec(snapshot_download, side_effect=hub.snapshot)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    return hub


def test_model_card_weights_and_history_are_sent_and_no_state(run, hub, capsys):
    assert main(["lab", "push", str(run), "me/my-koala"]) == 0
    assert capsys.readouterr().out == "https://hub.example/me/my-koala/commit/1\n"
    assert hub.calls == [("me/my-koala", False, True)]
    names = {"README.md", "model.onnx", "model.png", "model.safetensors", "history.csv"}
    assert set(hub.files) == names
    card = hub.files["README.md"].decode()
    assert card.startswith("---\nlibrary_name: koalarize\n")
    assert card.endswith("---\n\n# my-koala\n")
    sent = hub.files["model.safetensors"]
    assert b"photos" in sent
    assert b"somebody" not in sent
    (run / "sent.safetensors").write_bytes(sent)
    own, sent = (load_file(run / f"{name}.safetensors") for name in ("model", "sent"))
    assert own.keys() == sent.keys()
    assert all(torch.equal(own[name], sent[name]) for name in own)


def test_a_private_repository(run, hub):
    push(run, "me/my-koala", private=True)
    assert hub.calls == [("me/my-koala", True, True)]


@pytest.mark.parametrize("name", ["none", "run/model.onnx"])
def test_a_run_that_is_no_folder(run, hub, name):
    with pytest.raises(OptionError, match=r"is no folder: give that of a run"):
        push(run.parent / name, "me/my-koala")


@pytest.mark.parametrize("missing", ["model.onnx", "model.md"])
def test_a_run_that_was_not_exported(run, hub, missing):
    (run / missing).unlink()
    with pytest.raises(OptionError, match=r"lab export .*model.safetensors --card"):
        push(run, "me/my-koala")
    assert hub.calls == []


@pytest.mark.parametrize("name", ["koala", "a/b/c", "/b", "a/", ""])
def test_malformed_names(run, hub, tmp_path, name):
    for call in (lambda: push(run, name), lambda: pull(name, tmp_path / "new")):
        with pytest.raises(OptionError, match="is no name on the hub: write OWNER/NAME"):
            call()
    assert hub.calls == []


def test_there_and_back(run, hub, tmp_path, monkeypatch, capsys):
    push(run, "me/my-koala")
    monkeypatch.chdir(tmp_path)
    assert main(["lab", "pull", "me/my-koala"]) == 0
    assert capsys.readouterr().out == "my-koala/model.onnx\n"
    assert {path.name for path in (tmp_path / "my-koala").iterdir()} == set(hub.files)


@pytest.mark.parametrize("name", ["model.safetensors", "extractor.pth"])
def test_an_extractor_of_a_file_goes_along(run, hub, tmp_path, name):
    """Without it the weights could be loaded on no other machine."""
    options = {"extractor": "test_efficientnet", "pretrained": False}
    file = tmp_path / "mine" / name
    file.parent.mkdir()
    state = build_extractor(ExtractorConfig(**options)).model.state_dict()
    state["conv_stem.weight"] += 0.1  # unlike the random ones
    save_file(state, file) if name.endswith("safetensors") else torch.save(state, file)
    saved(tmp_path, "koala-net", **options, extractor_file=str(file)).replace(
        run / "model.safetensors"
    )
    push(run, "me/my-koala")
    shutil.rmtree(file.parent)
    pull("me/my-koala", tmp_path / "new")
    kept = load_checkpoint(tmp_path / "new" / "model.safetensors")
    weight = kept.network.extractor.model.conv_stem.weight
    assert torch.equal(weight, state["conv_stem.weight"])
    assert kept.recipe.network.options["extractor_file"] == "extractor.safetensors"
    assert b"mine" not in hub.files["model.safetensors"]


def test_nothing_is_written_over(run, hub, tmp_path):
    push(run, "me/my-koala")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="missing or empty"):
        pull("me/my-koala", tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("names", [[], ["a.onnx", "b.onnx"]])
def test_a_repository_without_one_model(hub, tmp_path, names):
    hub.files = {"README.md": b"x"} | dict.fromkeys(names, b"x")
    with pytest.raises(ModelError, match=f"holds {len(names)} models"):
        pull("me/other", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_what_the_hub_says_reaches_the_person(run, hub, tmp_path, capsys):
    hub.fail = OSError("no route to host")
    assert main(["lab", "push", str(run), "me/my-koala"]) == 1
    assert "hf auth login" in capsys.readouterr().err
    with pytest.raises(ModelError, match="cannot be read from the hub: no route to host"):
        pull("me/my-koala", tmp_path / "new")


class ConnectError(Exception):
    """As the hub's package raises it: of its client of HTTP, whose errors are no `OSError`."""


class RepositoryNotFoundError(Exception):
    """As the hub's: its first line tells a number alone."""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectError("[Errno 111] Connection refused"), "Connection refused"),
        (RepositoryNotFoundError("404 Client Error.\n"), "no such repository, or it is private"),
        (json.JSONDecodeError("Expecting value", "<html>", 0), "a login page may stand between"),
    ],
)
def test_errors_of_the_client_are_told_in_words(run, hub, tmp_path, capsys, error, said):
    hub.fail = error
    for words in (["push", str(run), "me/my-koala"], ["pull", "me/my-koala", str(tmp_path / "x")]):
        assert main(["lab", *words]) == 1
        told = capsys.readouterr().err
        assert said in told
        assert "hf auth login" in told


def test_a_pull_that_was_cut_leaves_nothing_and_can_be_given_again(run, hub, tmp_path):
    push(run, "me/my-koala")
    hub.cut = ConnectError("peer closed connection")
    with pytest.raises(ModelError, match="peer closed"):
        pull("me/my-koala", tmp_path / "a" / "new")
    assert list((tmp_path / "a").iterdir()) == []
    hub.cut = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OutputError, match=r"new` cannot be written \(No space left.*make room"):
        pull("me/my-koala", tmp_path / "a" / "new")
    hub.cut = None
    assert pull("me/my-koala", tmp_path / "a" / "new").is_file()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["new"]


def test_without_the_package(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: push(run, "a/b"), lambda: pull("a/b", tmp_path / "new")):
        with pytest.raises(DependencyError, match=r"pip install \"koalarize\[hub\]\""):
            call()
