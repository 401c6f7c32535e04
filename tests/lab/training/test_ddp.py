"""Several processes, launched as a person launches them; runs that are killed outright.

Runs of one process, which others are compared with or gone on from, are trained in this one.
"""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import yaml
from safetensors.torch import load_file

from koalarize.errors import OptionError
from koalarize.lab.runs.checkpoint import load_checkpoint
from koalarize.lab.training import devices, processes
from koalarize.lab.training.train import train
from runs import state_of, tiny_recipe, tiny_values

LAUNCHERS = (
    *("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
    *("TORCHELASTIC_RUN_ID", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_STEP_NUM_TASKS"),
)
KOALARIZE = [sys.executable, "-m", "koalarize", "lab"]


def write_recipe(photos, folder, **changes):
    """Write a recipe without dropout, which alone differs between processes."""
    network = {"name": "unet-mini", "options": {"widths": [4, 6, 8], "dropout": 0.0}}
    data = {"train": str(photos), "validation": str(photos), "validation_pictures": 3}
    values = tiny_values(photos, network=network, data=data | {"workers": 1}, **changes)
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def environment():
    own = {name: value for name, value in os.environ.items() if name not in LAUNCHERS}
    return own | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def launched(*words):
    run = subprocess.run(
        [str(word) for word in words],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    return run


@pytest.mark.slow
class TestTwoProcesses:
    """A run of two processes learns from the pictures a run of one does, and the same."""

    @pytest.fixture(scope="class")
    def trained(self, photos, tmp_path_factory):
        """A recipe and what one process learns by it, for every test."""
        folder = tmp_path_factory.mktemp("one")
        path = write_recipe(
            photos,
            folder,
            loss={"name": "combined"},
            optimizer={"learning_rate": 0.01, "warmup": 2, "accumulate": 2},
            batch=4,
            steps=5,
            segment=2,
            validate_every=1,
        )
        train(path, output=folder / "one")
        return path

    @pytest.fixture
    def one(self, trained, tmp_path):
        shutil.copytree(trained.parent / "one", tmp_path / "one")
        return trained

    def same(self, tmp_path, run):
        weights, others = (
            load_file(tmp_path / name / "model.safetensors") for name in ("one", "two")
        )
        for name, value in weights.items():
            assert others[name].shape == value.shape
            assert float((others[name] - value).abs().max()) < 1e-4, name
        histories = [
            list(csv.DictReader((tmp_path / name / "history.csv").open()))
            for name in ("one", "two")
        ]
        assert [row["step"] for row in histories[1]] == ["1", "2", "4", "5"]
        scores = ("psnr", "colorfulness", "loss", "inverse-ssim")
        for name in ("samples", "loss", *(f"validation/{score}" for score in scores)):
            first, second = ([float(row[name]) for row in rows if row[name]] for rows in histories)
            assert second == pytest.approx(first, rel=1e-3), name
        assert run.stdout.split() == [str(tmp_path / "two" / "model.safetensors")]
        assert run.stderr.count("step 4 of 5") == 1  # one of them speaks
        assert "Warning" not in run.stderr
        assert load_checkpoint(tmp_path / "two" / "model.safetensors").facts["samples"] == 40

    def test_by_ourselves_and_gone_on_with_by_one(self, one, tmp_path):
        run = launched(*KOALARIZE, "train", one, "-o", tmp_path / "two", "--devices", 2)
        self.same(tmp_path, run)
        for name in ("one", "two"):
            train(one, output=tmp_path / name, resume=True, overrides={"steps": "6"})
        weights, others = (
            load_file(tmp_path / name / "model.safetensors") for name in ("one", "two")
        )
        assert all(float((others[n] - value).abs().max()) < 1e-4 for n, value in weights.items())

    def test_by_torchrun(self, one, tmp_path):
        run = launched(
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
            *("-m", "koalarize", "lab", "train", one, "-o", tmp_path / "two", "--devices", 2),
        )
        self.same(tmp_path, run)


@pytest.mark.slow
def test_a_killed_run_goes_on(photos, tmp_path):
    """SIGKILL leaves no time to save anything; what the last segment saved is gone on from."""
    path = write_recipe(photos, tmp_path, steps=400, segment=20)
    process = subprocess.Popen(
        [*KOALARIZE, "train", str(path), "-o", str(tmp_path / "killed")],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "killed" / "last.ckpt").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    taken = state_of(tmp_path / "killed")["global_step"]
    assert taken < 400
    assert taken % 20 == 0
    train(path, output=tmp_path / "killed", resume=True, overrides={"steps": str(taken + 30)})
    steps = [row["step"] for row in csv.DictReader((tmp_path / "killed" / "history.csv").open())]
    assert steps == ["1", *map(str, range(20, taken + 30, 20)), str(taken + 30)]


class TestDevices:
    @pytest.fixture(autouse=True)
    def alone(self, monkeypatch):
        for name in LAUNCHERS:
            monkeypatch.delenv(name, raising=False)

    def test_a_launcher_and_a_recipe_must_agree(self, photos, monkeypatch):
        devices.check_devices(tiny_recipe(photos))
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
        monkeypatch.setenv("WORLD_SIZE", "2")
        with pytest.raises(OptionError, match=r"2 processes were started but .* is 1 x 1"):
            devices.check_devices(tiny_recipe(photos))
        devices.check_devices(tiny_recipe(photos, devices=2))
        monkeypatch.delenv("TORCHELASTIC_RUN_ID")
        monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
        with pytest.raises(OptionError, match=r"4 processes were started but .* is 2 x 1"):
            devices.check_devices(tiny_recipe(photos, devices=2))
        devices.check_devices(tiny_recipe(photos, devices=2, nodes=2, batch=4))

    def test_gpus_that_are_not_there(self, photos, monkeypatch):
        monkeypatch.setattr(devices.torch.cuda, "device_count", lambda: 0)
        monkeypatch.setattr(devices.torch.backends.mps, "is_available", lambda: False)
        with pytest.raises(OptionError, match="`accelerator` is 'gpu' but torch finds none"):
            devices.check_devices(tiny_recipe(photos, accelerator="gpu"))
        devices.check_devices(tiny_recipe(photos, devices=2))  # two processes on the CPU
        monkeypatch.setattr(devices.torch.cuda, "device_count", lambda: 1)
        with pytest.raises(OptionError, match="`devices` is 2 but this machine has 1"):
            devices.check_devices(tiny_recipe(photos, devices=2, accelerator="auto"))

    @pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"])
    def test_who_speaks(self, monkeypatch, name):
        assert processes.is_first_process()
        monkeypatch.setenv(name, "0")
        assert processes.is_first_process()
        monkeypatch.setenv(name, "1")
        assert not processes.is_first_process()
