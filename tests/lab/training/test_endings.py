"""How a run looks at a terminal, how it ends early, and what it looks at on the way."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from unittest.mock import Mock

import pytest
import torch
import yaml
from torch.utils.data import DataLoader

from koalarize.cli import main
from koalarize.cli.lab import train as command
from koalarize.cli.lab.options import loading
from koalarize.cli.terminal import told_to_end
from koalarize.errors import DataError, ModelError, OptionError, OutputError
from koalarize.lab.datasets.kept import Kept, Reading
from koalarize.lab.datasets.places import Place
from koalarize.lab.training import devices, module
from koalarize.lab.training import train as room
from koalarize.lab.training.callbacks import Progress
from koalarize.lab.training.endings import own_endings
from koalarize.lab.training.train import train, train_recipe
from koalarize.photo import files
from runs import assert_same_run, kill_run_after, tiny_values


class TestMemory:
    def test_what_stays_decoded_changes_no_weight(self, tiny, photos, tmp_path):
        for memory in (0, 2):
            data = {"train": str(photos), "workers": 0, "memory": memory}
            train_recipe(tiny(data=data), tmp_path / str(memory))
        assert_same_run(tmp_path / "0", tmp_path / "2")

    def test_it_is_not_negative(self, tiny, photos):
        with pytest.raises(OptionError, match=r"`data\.memory` is -1.* but must be 0 or more"):
            tiny(data={"train": str(photos), "memory": -1.0})


class TestLine:
    def test_it_counts_steps_and_is_gone_at_the_end(self, tiny, tmp_path, monkeypatch, capsys):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setenv("TTY_COMPATIBLE", "1")
        train_recipe(tiny(), tmp_path)
        shown = capsys.readouterr().err
        assert "step 4 of 10" in shown
        assert "loss 0." in shown
        assert "Epoch" not in shown
        assert "v_num" not in shown

    def test_nothing_is_shown_where_nobody_looks(self, tiny, tmp_path, capsys):
        train_recipe(tiny(steps=2), tmp_path)
        assert "of 2" not in capsys.readouterr().err

    def test_more_workers_than_cores_are_no_warning(self, tiny, photos, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
        assert devices.usable_workers(9) == 1
        assert devices.usable_workers(0) == 0
        data = {"train": str(photos), "workers": 9}
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            train_recipe(tiny(data=data, steps=2), tmp_path)


@pytest.mark.usefixtures("interrupts")
class TestInterrupt:
    @pytest.mark.parametrize(("after", "words"), [(5, "add --resume to the same"), (2, "begins")])
    def test_it_says_how_to_continue(self, photos, tmp_path, monkeypatch, capsys, after, words):
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(yaml.safe_dump(tiny_values(photos)))
        kill_run_after(monkeypatch, after, KeyboardInterrupt)
        assert main(["lab", "train", str(recipe), "-o", str(tmp_path / "run")]) == 130
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("koalarize: error: interrupted")
        assert words in last

    @pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
    @pytest.mark.parametrize(("begun", "words"), [(True, "add --resume"), (False, "begins again")])
    def test_so_it_does_while_pictures_are_read(
        self, photos, tmp_path, monkeypatch, capsys, kind, begun, words
    ):
        """No trainer hears a signal yet, and a large set takes minutes."""

        def read(source, reading):
            (tmp_path / "run" / "last.ckpt").touch() if begun else None
            signal.raise_signal(kind)

        monkeypatch.setattr(room, "keep_pictures", read)
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(yaml.safe_dump(tiny_values(photos)))
        assert main(["lab", "train", str(recipe), "-o", str(tmp_path / "run")]) == 130
        assert words in capsys.readouterr().err.splitlines()[-1]
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

    def test_one_process_says_it_for_all(self, photos, tmp_path, monkeypatch, capsys):
        """A launcher, and `timeout`, tell every process to end."""
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(yaml.safe_dump(tiny_values(photos)))
        monkeypatch.setenv("LOCAL_RANK", "1")
        monkeypatch.setattr(room, "keep_pictures", lambda *_: signal.raise_signal(signal.SIGINT))
        assert main(["lab", "train", str(recipe), "-o", str(tmp_path / "run")]) == 143
        assert capsys.readouterr().err == ""

    @pytest.mark.parametrize(("rank", "said"), [("0", 1), ("1", 0)])
    def test_one_process_says_what_all_meet(
        self, photos, tmp_path, monkeypatch, capsys, rank, said
    ):
        """A loss that is not finite ends every process, and is told once."""
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(yaml.safe_dump(tiny_values(photos)))
        monkeypatch.setenv("LOCAL_RANK", rank)
        monkeypatch.setattr(command, "_SECONDS", 0)
        monkeypatch.setattr(module, "_regression_loss", lambda ab, *_: ab.mean() * float("nan"))
        assert main(["lab", "train", str(recipe), "-o", str(tmp_path / "run")]) == 1
        assert capsys.readouterr().err.count("koalarize: error: the loss is nan at step 0") == said

    def test_what_hears_it_in_our_place_decides(self):
        """Lightning's own way to end calls the one before, which must not cut it short."""
        heard = []
        with told_to_end():
            ours = signal.getsignal(signal.SIGTERM)
            signal.signal(signal.SIGTERM, lambda *args: (heard.append(args), ours(*args)))
            signal.raise_signal(signal.SIGTERM)
        assert len(heard) == 1

    def test_it_waits_while_torch_is_loaded(self):
        """Its modules end the process with a trace of C++ where they are interrupted."""
        steps = []
        with pytest.raises(KeyboardInterrupt), told_to_end():
            with loading():
                signal.raise_signal(signal.SIGTERM)
                steps.append("loaded")
            steps.append("trained")
        with pytest.raises(KeyboardInterrupt), loading():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)  # somebody who does not wait
            steps.append("loaded")
        assert steps == ["loaded"]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class TestAskedTwice:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--set", "steps=3", "--set", " steps =4"], "`--set steps=` is given twice"),
            (["--epochs", "2", "--set", "epochs=3"], "`--epochs` and `--set epochs=` both give"),
            (["--limit", "2", "--set", "data.limit=3"], "both give `data.limit`: leave one out"),
            (["--accumulate", "2", "--set", "optimizer.accumulate=3"], "`--accumulate` and"),
        ],
    )
    def test_it_is_an_error(self, capsys, words, said):
        assert main(["lab", "train", "recipe.yaml", *words]) == 2
        assert said in capsys.readouterr().err


class TestName:
    @pytest.mark.parametrize("name", ["", "..", "../mine", "a/b"])
    def test_a_run_stays_in_its_place(self, photos, tmp_path, monkeypatch, name):
        monkeypatch.chdir(tmp_path)
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(yaml.safe_dump(tiny_values(photos, name=name)))
        with pytest.raises(OptionError, match=r"`name` is .* a folder in `runs`.* -o FOLDER"):
            train(recipe)
        assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


class TestWorkers:
    def test_a_picture_that_is_gone_is_one_sentence(self, photos, tmp_path):
        lost = Kept(Reading(memory=0))
        lost.add(None, Place(tmp_path / "gone.png"))
        loader = DataLoader(lost, batch_size=None, num_workers=1, multiprocessing_context="fork")
        with pytest.raises(DataError, match=r"^picture 0 .*--resume$"), own_endings(tmp_path):
            next(iter(loader))

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            ("DataLoader worker (pid 7) is killed by signal: Bus error. It is", r"\(Bus error\)"),
            ("DataLoader worker (pid(s) 7, 8) exited unexpectedly", r"\(killed\)"),
        ],
    )
    def test_a_lost_one_says_how_to_continue(self, tmp_path, said, words):
        expected = words + ".*--shm-size.*--resume.*workers=0"
        with pytest.raises(DataError, match=expected), own_endings(tmp_path):
            raise RuntimeError(said)

    @pytest.mark.parametrize("signal", ["Terminated", "Terminated: 15", "Hangup"])
    def test_one_that_was_told_to_end_is_no_want_of_memory(self, tmp_path, signal):
        """SIGTERM to a whole group, as `timeout`, systemd and containers send it."""
        told = RuntimeError(f"DataLoader worker (pid 7) is killed by signal: {signal}. ")
        with pytest.raises(KeyboardInterrupt, match=r"^interrupted"), own_endings(tmp_path):
            raise told


class TestMemoryOfADevice:
    @pytest.mark.parametrize(
        "error",
        [
            torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
            RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't"),
            MemoryError(),
        ],
    )
    def test_too_little_says_what_to_lower(self, tmp_path, error):
        words = r"lower `batch` and raise `optimizer\.accumulate`"
        with pytest.raises(ModelError, match=words), own_endings(tmp_path):
            raise error

    def test_what_is_a_fault_of_ours_stays_one(self, tmp_path):
        with pytest.raises(RuntimeError, match=r"^shapes differ$"), own_endings(tmp_path):
            raise RuntimeError("shapes differ")
        with pytest.raises(ModelError, match=r"^the loss is nan$"), own_endings(tmp_path):
            raise ModelError("the loss is nan")


class TestFullDisk:
    def test_a_thread_that_cannot_write_says_nothing_itself(self, tmp_path, monkeypatch):
        """TensorBoard's writer is one; what it raises reaches the run, too."""
        said = []
        monkeypatch.setattr(threading, "excepthook", lambda error: said.append(error.exc_type))

        def fail(error):
            raise error

        def run_thread(error):
            thread = threading.Thread(target=fail, args=(error,))
            thread.start()
            thread.join()

        full = OSError(28, "No space left on device")
        words = r"could not be saved \(No space.*with --resume"
        with pytest.raises(OutputError, match=words), own_endings(tmp_path / "last.ckpt"):
            run_thread(full)
            run_thread(ValueError())
            raise full
        assert said == [ValueError]
        run_thread(full)
        assert said == [ValueError, OSError]


class TestLooks:
    def test_the_loss_is_not_looked_at_in_every_step(self, tiny, tmp_path, monkeypatch):
        """Each look would wait for a GPU."""
        looks, real = [], torch.Tensor.__float__

        def look(tensor):
            looks.append(1)
            return real(tensor)

        monkeypatch.setattr(torch.Tensor, "__float__", look)
        monkeypatch.setattr(torch.Tensor, "item", look)
        counts = []
        for steps in (5, 15):
            looks.clear()
            train_recipe(tiny(steps=steps, segment=steps), tmp_path / str(steps))
            counts.append(len(looks))
        assert counts[0] == counts[1] > 0

    def test_it_is_looked_at_before_a_long_segment_ends(self, tiny, tmp_path, monkeypatch):
        from koalarize.lab.training import callbacks, module

        calls, real = [], module._regression_loss

        def failing(found, ab, options):
            calls.append(1)
            return real(found, ab, options) * (float("inf") if len(calls) == 3 else 1)

        monkeypatch.setattr(module, "_regression_loss", failing)
        monkeypatch.setattr(callbacks, "LOOK_EVERY", 4)
        words = r"the loss is inf at step 2: lower .*, and give the command again"
        with pytest.raises(ModelError, match=words):
            train_recipe(tiny(steps=50, segment=50), tmp_path)
        assert len(calls) == 4
        assert not list(tmp_path.glob("*.ckpt")) + list(tmp_path.glob("*.safetensors"))

    def test_a_loss_without_a_number_at_the_first_step_is_no_matter_of_the_rate(
        self, tiny, tmp_path, monkeypatch
    ):
        from koalarize.lab.training import module

        failing = Mock(return_value=torch.tensor(float("nan"), requires_grad=True))
        monkeypatch.setattr(module, "_regression_loss", failing)
        with pytest.raises(ModelError, match=r"is nan at step 0: no weight has changed yet, so"):
            train_recipe(tiny(), tmp_path)

    def test_a_weight_that_is_not_finite_is_not_saved(self, tiny, photos, tmp_path, monkeypatch):
        real = Progress.on_train_batch_end

        def poison(self, trainer, pl_module, outputs, batch, batch_idx):
            if trainer.global_step == 8:
                next(pl_module.parameters()).data.view(-1)[0] = float("nan")
            real(self, trainer, pl_module, outputs, batch, batch_idx)

        monkeypatch.setattr(Progress, "on_train_batch_end", poison)
        data = {"train": str(photos), "validation": str(photos), "workers": 0}
        with pytest.raises(ModelError, match="a weight is not finite after step 8"):
            train_recipe(tiny(data=data, validate_every=1), tmp_path)
        assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 4


def test_a_run_that_is_asked_for_less_than_it_has_does_not_go_on(tiny, tmp_path, caplog):
    train_recipe(tiny(steps=4), tmp_path)
    with caplog.at_level("INFO", "koalarize"):
        train_recipe(tiny(epochs=1, batch=2), tmp_path, resume=True)
    assert "the run is finished: 4 steps" in caplog.messages
    assert "going on" not in caplog.text


def test_a_run_that_another_made_meanwhile_is_kept(tiny, tmp_path, monkeypatch):
    """Two begin at once, and the first ends before the second has locked the folder."""
    made = []

    def meanwhile(recipe):
        monkeypatch.undo()
        made.append(train_recipe(tiny(steps=2), tmp_path).read_bytes())

    monkeypatch.setattr(room, "_check_sources", meanwhile)
    with pytest.raises(OptionError, match=r"another run has filled .* meanwhile: add --resume"):
        train_recipe(tiny(steps=4), tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == made[0]


class TestPrecision:
    @pytest.mark.parametrize(("has", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
    def test_a_gpu_is_asked_for_bfloat16(self, monkeypatch, has, precision):
        def supported(including_emulation: bool = True) -> bool:
            return has or including_emulation

        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
        assert devices.choose_precision("auto")[0] == precision
        assert devices.choose_precision("fp16")[0] == "16-mixed"

    def test_fp16_is_for_gpus(self, tiny, tmp_path):
        with pytest.raises(OptionError, match="`precision` is 'fp16' but that is for GPUs"):
            train_recipe(tiny(precision="fp16"), tmp_path / "run")


@pytest.mark.parametrize(
    ("saved", "said"),
    [
        (False, r"make room, then continue with --resume$"),
        (True, r"then continue from `.*last\.ckpt` with --resume$"),
    ],
)
def test_a_full_disk_names_no_state_that_is_not_there(tmp_path, saved, said):
    last = tmp_path / "last.ckpt"
    if saved:
        last.touch()
    with pytest.raises(OutputError, match=said), own_endings(last):
        raise OSError(28, "No space left on device")


def test_a_file_of_a_run_that_cannot_be_written_does_not_send_it_to_another_folder(
    tmp_path, monkeypatch
):
    """There it would begin again; `write_bytes` tells so of results, which begin nothing."""
    last = tmp_path / "last.ckpt"
    for code, said in ((28, "make room"), (13, rf"make `{tmp_path}` writable")):
        monkeypatch.setattr(files.os, "fsync", Mock(side_effect=OSError(code, "no")))
        words = rf"^the run could not be saved \(no\): {said}, then continue with --resume$"
        with pytest.raises(OutputError, match=words), own_endings(last):
            files.write_bytes(b"", last)
    with pytest.raises(OutputError, match=r"^busy$"), own_endings(last):
        raise OutputError("busy")
