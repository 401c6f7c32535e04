"""Share a model on the Hugging Face hub, and bring one back: the folder of a run without its state.

Not here: the making of model and card (``lab.export.export``, ``lab.export.card``), data sets on
the hub (``lab.datasets``). The package ``huggingface_hub`` (extra ``hub``) does the transfer; it
reads the account's token from where ``hf auth login`` or the variable ``HF_TOKEN`` put it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from koalarize.errors import NO_ROOM, DependencyError, ModelError, OptionError, OutputError
from koalarize.lab.export.card import card_path
from koalarize.lab.export.export import without_folders
from koalarize.lab.networks.extractor import EXTRACTOR_FILE, copy_weights
from koalarize.lab.runs.checkpoint import extractor_file, load_checkpoint, save_checkpoint

__all__ = ["pull", "push"]

_MODEL = "model.onnx"
_CARD = "README.md"
_WEIGHTS = "model.safetensors"
_HISTORY = "history.csv"
_FRONT = (
    "---\nlibrary_name: koalarize\npipeline_tag: image-to-image\ntags:\n- colorization\n---\n\n"
)
#: What errors of the hub's package say in many lines, of which the first tells a number alone.
_KNOWN = {
    "RepositoryNotFoundError": "there is no such repository, or it is private",
    "GatedRepoError": "its owner opens it to those who ask on its page",
    "JSONDecodeError": "its answer is not the hub's; a proxy or a login page may stand between",
}
_SHARED = ("*.onnx", "*.safetensors", "*.csv", "*.md", "*.png")


def push(run: Path, repository: str, *, private: bool = False) -> str:
    """Upload a run's exported model, its card, its weights and its history.

    An extractor that came from a file goes along: without it nobody could load the weights.

    Args:
        run: the run's folder; it holds ``model.onnx`` and its card, as ``lab export --card`` writes
            them.
        repository: ``OWNER/NAME``; made if it is not there.
        private: whether a repository that is made is private.

    Returns:
        The address of the commit.

    Raises:
        OptionError: if there is no such folder, it lacks the model or its card, or the name is
            malformed.
        ModelError: if the weights cannot be read.
        DependencyError: if the package ``huggingface_hub`` is missing.
        OutputError: if the hub refuses or cannot be reached.
    """
    _check_name(repository)
    model = run / _MODEL
    if not run.is_dir():
        raise OptionError(f"`{run}` is no folder: give that of a run, as `runs/koala`")
    for path in (model, card_path(model)):
        if not path.is_file():
            raise OptionError(
                f"`{path}` is missing: `koalarize lab export {run / _WEIGHTS} --card` "
                "writes the model and its card"
            )
    try:
        from huggingface_hub import HfApi
    except ModuleNotFoundError as error:
        raise _missing() from error
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        _gather(run, folder)
        try:
            api = HfApi()
            api.create_repo(repository, private=private, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repository,
                folder_path=folder,
                commit_message="Upload a model of koalarize",
            )
        except Exception as error:  # the client's, of HTTP, of JSON: the hub's package has no list
            raise OutputError(
                f"`{repository}` cannot be written on the hub: {_reason(error)}. Log in with "
                "`hf auth login`, or check the name and the network"
            ) from error
    return str(commit)


def pull(repository: str, target: Path) -> Path:
    """Download a shared model's files into a folder, and return the model's path.

    The folder appears with all of them or not at all.

    Args:
        repository: ``OWNER/NAME``.
        target: a folder that is missing or empty.

    Raises:
        OptionError: if the name is malformed.
        OutputError: if the folder holds anything, or cannot be written.
        ModelError: if the repository cannot be read, or holds no single exported model.
        DependencyError: if the package ``huggingface_hub`` is missing.
    """
    _check_name(repository)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise OutputError(f"`{target}` is there already: give a folder that is missing or empty")
    try:
        import huggingface_hub
    except ModuleNotFoundError as error:
        raise _missing() from error
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise _not_written(target, error) from error
    try:
        _fetch(repository, made, huggingface_hub.snapshot_download)
        models = sorted(made.glob("*.onnx"))
        if len(models) != 1:
            names = ", ".join(path.name for path in models) or "none"
            raise ModelError(
                f"`{repository}` holds {len(models)} models ({names}) but must hold one"
            )
        target.mkdir(exist_ok=True)
        for path in made.iterdir():
            path.rename(target / path.name)
    except OSError as error:
        raise _not_written(target, error) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return target / models[0].name


def _fetch(repository: str, folder: Path, snapshot_download: Callable[..., str]) -> None:
    """Download what is shared of a repository into an empty folder.

    Raises:
        OSError: if the disk is full.
        ModelError: if the repository cannot be read.
    """
    try:
        snapshot_download(repository, local_dir=folder, allow_patterns=list(_SHARED))
    except Exception as error:  # as in ``push``
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise
        raise ModelError(
            f"`{repository}` cannot be read from the hub: {_reason(error)}. Check the name and the "
            "network, or log in with `hf auth login`"
        ) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)


def _gather(run: Path, folder: Path) -> None:
    """Lay what is shared into a folder: the card as the repository's page, names as they are.

    The weights' recipe loses the folders of this machine, as the model's and the card's has. An
    extractor's file becomes ``EXTRACTOR_FILE``, where ``load_checkpoint`` looks for it.
    """
    model = run / _MODEL
    card = card_path(model).read_text(encoding="utf-8")
    (folder / _CARD).write_text(_FRONT + card, encoding="utf-8")
    sheet = model.with_suffix(".png")
    for path in (model, sheet, run / _HISTORY):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    if (run / _WEIGHTS).is_file():
        kept = load_checkpoint(run / _WEIGHTS)
        recipe = without_folders(kept.recipe)
        if (extractor := extractor_file(kept.recipe.network, run / _WEIGHTS)) is not None:
            copy_weights(extractor, folder / EXTRACTOR_FILE)
            recipe.network.options["extractor_file"] = EXTRACTOR_FILE  # a dict made just now
        save_checkpoint(folder / _WEIGHTS, kept.network.state_dict(), recipe, kept.facts)


def _check_name(repository: str) -> None:
    owner, slash, name = repository.partition("/")
    if not (owner and slash and name) or "/" in name:
        raise OptionError(f"`{repository}` is no name on the hub: write OWNER/NAME")


def _missing() -> DependencyError:
    return DependencyError(
        'this needs `huggingface_hub`, which is not installed: pip install "koalarize[hub]"'
    )


def _not_written(target: Path, error: OSError) -> OutputError:
    return OutputError(
        f"`{target}` cannot be written ({error.strerror or error}): make room, or choose another "
        "folder"
    )


def _reason(error: Exception) -> str:
    """Return in a few words what the hub's package raised."""
    kind = type(error).__name__
    if kind in _KNOWN:
        return _KNOWN[kind]
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
