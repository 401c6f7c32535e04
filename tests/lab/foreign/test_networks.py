"""Other people's networks: their sizes, their names, and the same outputs as from the facts."""

import numpy as np
import pytest
import torch

import by_facts
from koalarize import color
from koalarize.errors import ModelError
from koalarize.lab.foreign import ECCV16, LARGE, TINY, DDColor, DDColorConfig, Siggraph17
from koalarize.lab.foreign.ddcolor import grey_of
from koalarize.lab.foreign.load import fold, load_foreign

SMALL = DDColorConfig(
    (1, 2, 1, 1),
    (8, 16, 24, 32),
    decoder=64,
    queries=10,
    hidden=32,
    heads=1,
    inner=48,
    layers=4,
    size=64,
)
#: Weights that published files hold under a spectral norm.
SPECTRAL = (".shuf.conv.0.weight", ".conv.0.weight", "refine_net.0.0.weight")


def random_state(network, seed=0):
    """Random values of everything a network has; norms and their statistics near where they are."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, value in network.state_dict().items():
        if not value.is_floating_point():
            continue
        noise = torch.randn(value.shape, generator=generator)
        if name.endswith("running_var"):
            state[name] = 1 + 0.3 * noise.abs()
        elif name in ("mean", "std"):
            state[name] = value
        elif value.ndim < 2:
            state[name] = 1 + 0.2 * noise if name.endswith("weight") else 0.2 * noise
        else:
            state[name] = noise * 1.6 / value[0].numel() ** 0.5
    return state


def under_spectral_norms(state, seed=1):
    """Return a state as published: NAME_orig, NAME_u and NAME_v instead of some NAME."""
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, value in state.items():
        if not (name.endswith(SPECTRAL) and "color_decoder" not in name):
            found[name] = value
            continue
        rows = value.flatten(1)
        u = torch.randn(len(rows), generator=generator)
        v = torch.nn.functional.normalize(rows.T @ u, dim=0)
        u = torch.nn.functional.normalize(rows @ v, dim=0)
        found |= {f"{name}_orig": value * 2.5, f"{name}_u": u, f"{name}_v": v}
    return found


def lightness(batch=2, height=64, width=64, seed=0):
    return torch.rand(batch, 1, height, width, generator=torch.Generator().manual_seed(seed)) * 100


def saved(tmp_path, state, name="w.pth"):
    torch.save(state, tmp_path / name)
    return tmp_path / name


def same(found, expected):
    assert found.shape == expected.shape
    scale = float(expected.abs().max())
    assert scale > 0.5
    assert float((found - expected).abs().max()) < 1e-4 * max(1.0, scale)


@pytest.mark.parametrize(
    ("make", "millions", "count"),
    [
        (Siggraph17, "34.187", 34_187_027),
        (ECCV16, "32.236", 32_236_011),
        (lambda: DDColor(TINY), "55.007", 55_006_640),
        (lambda: DDColor(LARGE), "227.869", 227_869_328),
    ],
)
def test_parameters_are_as_published(make, millions, count):
    with torch.device("meta"):
        found = sum(parameter.numel() for parameter in make().parameters())
    assert f"{found / 1e6:.3f}" == millions
    assert found == count


class TestParity:
    def test_eccv16(self, tmp_path):
        state = random_state(ECCV16(8, 20))
        network = load_foreign(saved(tmp_path, state))
        with torch.no_grad():
            same(network(lightness(2, 40, 48)), by_facts.eccv16(state, lightness(2, 40, 48)))
            centres = state["model_out.weight"][:, :, 0, 0].T * 110
        assert torch.equal(network.centres(), centres)

    @pytest.mark.parametrize("hinted", [False, True])
    def test_siggraph17(self, tmp_path, hinted):
        state = random_state(Siggraph17(8))
        network = load_foreign(saved(tmp_path, state))
        hints = None
        if hinted:
            hints = torch.zeros(2, 3, 40, 48)
            hints[:, :, 8:20, 8:20] = torch.tensor([50.0, -30, 1]).view(3, 1, 1)
        with torch.no_grad():
            expected = by_facts.siggraph17(state, lightness(2, 40, 48), hints)
            found = network.both(lightness(2, 40, 48), hints)
            same(found[0], expected[0])
            same(found[1], expected[1])
            plain = network(lightness(2, 40, 48))
        assert hinted == (float((plain - expected[0]).abs().max()) > 1)

    @pytest.mark.parametrize("wrap", [None, "params"])
    def test_ddcolor(self, tmp_path, wrap):
        state = under_spectral_norms(random_state(DDColor(SMALL)))
        more = {"encoder.arch.head_cls.weight": torch.zeros(3, 32)}
        whole = state | more
        path = saved(tmp_path, whole if wrap is None else {wrap: whole}, "pytorch_model.bin")
        network = load_foreign(path, size=64)
        with torch.no_grad():
            found = network(lightness())
            same(found, by_facts.ddcolor(state, grey_of(lightness()), heads=1))

    def test_the_grey_is_that_of_color(self):
        l = np.linspace(0, 100, 500, dtype=np.float32)
        lab = np.stack([l, 0 * l, 0 * l], -1)
        found = grey_of(torch.from_numpy(l).view(1, 1, 1, -1))[0, :, 0]
        assert np.abs(found.numpy().T - color.lab_to_srgb(lab)).max() < 1e-4


class TestSuggestions:
    @pytest.mark.parametrize("first", ["a", "b"])
    def test_the_order_of_classes_is_found_by_hints(self, first):
        network = Siggraph17(8)
        network.load_state_dict(random_state(network), strict=False)
        with torch.no_grad():
            grid = torch.arange(-110.0, 111, 10)
            order = torch.cartesian_prod(grid, grid)
            order = order if first == "a" else order.flip(1)
        # A network whose ab is its hint, and whose classes are likely near it.

        def both(l, hints=None):
            ab = hints[:, :2]
            near = -(ab.mean((2, 3))[:, None] - order).square().sum(2)
            return ab, 0.2 * near[..., None, None]

        network.both = both
        assert torch.equal(network.centres(), order)


class TestRefused:
    def test_code_in_a_pickle_is_not_run(self, tmp_path):
        class Evil:
            def __reduce__(self):
                return (open, (str(tmp_path / "was-here"), "w"))

        torch.save({"model1.0.weight": Evil()}, tmp_path / "evil.pth")
        with pytest.raises(ModelError, match=r"beside weights, which could be code, so it is not"):
            load_foreign(tmp_path / "evil.pth")
        assert not (tmp_path / "was-here").exists()

    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (
                b"\n<!DOCTYPE html><title>Virus scan warning",
                "is a web page, as drives",
            ),
            (b"BM\x00", "is no file of PyTorch: give weights as their authors"),
            (b"", r"\(it is empty or cut short\): get the file again from where it came from$"),
        ],
    )
    def test_what_is_no_file_of_pytorch_is_named_so(self, tmp_path, data, said):
        (tmp_path / "a.pth").write_bytes(data)
        with pytest.raises(ModelError, match=said):
            load_foreign(tmp_path / "a.pth")

    @pytest.mark.parametrize("data", [b"", b"PK\x03\x04half", b"\x80\x02}q\x00."])
    def test_no_weights(self, tmp_path, data):
        (tmp_path / "a.pth").write_bytes(data)
        with pytest.raises(ModelError, match=r"a\.pth` (cannot be read|holds)"):
            load_foreign(tmp_path / "a.pth")

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(ModelError, match="check its name"):
            load_foreign(tmp_path / "none.pth")

    def test_another_network(self, tmp_path):
        path = saved(tmp_path, {"conv.weight": torch.zeros(2, 2)})
        with pytest.raises(ModelError, match=r"of no network that is known here .*`conv\.weight`"):
            load_foreign(path)

    @pytest.mark.parametrize("name", ["model.safetensors", "last.ckpt"])
    def test_a_file_of_a_run_is_exported(self, tmp_path, name):
        path = tmp_path / name
        path.write_bytes(b"\x40\0\0\0\0\0\0\0{}")
        if name == "last.ckpt":
            saved(tmp_path, {"conv.weight": torch.zeros(2, 2)}).rename(path)
        words = r"; of a model that koalarize has trained, `koalarize lab export .*/model\.safet"
        with pytest.raises(ModelError, match=words):
            load_foreign(path)

    def test_missing_unknown_and_misshapen(self, tmp_path):
        state = random_state(Siggraph17(8))
        del state["model5.2.bias"]
        state["model99.bias"] = torch.zeros(3)
        state["model_out.0.weight"] = torch.zeros(2, 3, 1, 1)
        with pytest.raises(ModelError) as error:
            load_foreign(saved(tmp_path, state))
        for words in ("`model5.2.bias` is missing", "`model99.bias` is unknown", "(2, 3, 1, 1)"):
            assert words in str(error.value)

    def test_half_a_spectral_norm(self):
        with pytest.raises(ModelError, match="lacks `a_u` or `a_v`"):
            fold({"a_orig": torch.zeros(2, 2), "a_v": torch.zeros(2)})

    def test_a_size_that_is_no_multiple(self, tmp_path):
        path = saved(tmp_path, under_spectral_norms(random_state(DDColor(SMALL))))
        with pytest.raises(ModelError, match="`size` is 100 but must be a multiple of 32"):
            load_foreign(path, size=100)

    def test_a_ddcolor_without_queries(self, tmp_path):
        state = under_spectral_norms(random_state(DDColor(SMALL)))
        del state["decoder.color_decoder.query_feat.weight"]
        with pytest.raises(ModelError, match="without colour queries"):
            load_foreign(saved(tmp_path, state))
