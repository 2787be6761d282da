"""VGG-16, CLIP and DINOv2: the weights they accept, and the errors without weights."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any, get_args
from urllib.error import URLError

import pytest
import torch
from ganlab_plugins.datasets import _download
from ganlab_plugins.extractors.clip import Clip
from ganlab_plugins.extractors.dinov2 import LETTERS, Dinov2
from ganlab_plugins.extractors.vgg16 import Vgg16
from torch import Tensor, nn
from torch_fidelity import feature_extractor_clip as fidelity_clip
from torch_fidelity import feature_extractor_dinov2 as fidelity_dinov2
from torch_fidelity.utils import create_feature_extractor

from ganlab import Extractor
from ganlab.errors import DataError, DataUnavailable

OFFLINE = "; (2) offline, train an extractor on the dataset: ganlab extractor train cifar10"
HUBCONF = """
import torch
from torch import nn

def dinov2_vits14(pretrained=True):
    net = nn.Sequential(nn.AvgPool2d(56), nn.Flatten(), nn.Linear(48, 384))
    url = "https://example.invalid/dinov2_vits14_pretrain.pth"
    net.load_state_dict(torch.hub.load_state_dict_from_url(url, map_location="cpu"))
    return net
"""


@pytest.fixture(autouse=True)
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Provide an empty torch.hub folder and no network access."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(_download, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "urlopen", refuse)
    (tmp_path / "torch" / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "torch" / "hub"


def refuse(*_: Any, **__: Any) -> None:
    raise URLError("Network is unreachable")


def random_images(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, shape, generator=generator, dtype=torch.uint8)


def sha256_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def refusal(extractor: Extractor, kind: type[DataError] = DataError) -> str:
    with pytest.raises(DataError) as caught:
        extractor.load("cifar10", 3)
    assert type(caught.value) is kind
    return str(caught.value)


@pytest.mark.parametrize("kind", [Vgg16, Clip, Dinov2])
def test_they_are_never_the_default_and_have_no_classifier(kind: type[Extractor]) -> None:
    assert [kind.priority(channels) for channels in (1, 3)] == [None, None]
    assert kind().classifier("cifar10", 3) is None
    assert kind().files("cifar10") == []
    assert not kind.published


# ------------------------------------------------------------------------ VGG-16


def test_vgg16_without_network_access_names_the_solutions(hub: Path) -> None:
    folder = hub / "checkpoints"
    assert refusal(Vgg16(), DataUnavailable) == (
        f"vgg16 is not available: not in {folder}, and the download failed (Network is "
        "unreachable). (1) Download https://download.pytorch.org/models/vgg16-397923af.pth on "
        f"another machine and put it at {folder}/vgg16-397923af.pth or pass it with --weights "
        f"FILE{OFFLINE}"
    )


def test_vgg16_rejects_another_file_in_torch_hubs_folder(hub: Path) -> None:
    file = hub / "checkpoints" / "vgg16-397923af.pth"
    file.write_bytes(b"half a file")
    assert refusal(Vgg16()) == (
        f"{file} is damaged or is another file: its SHA-256 starts with {sha256_of(file)[:8]} "
        "instead of 397923af; delete it to download it again"
    )


@pytest.mark.slow
def test_vgg16_features_equal_those_of_torch_fidelity(tmp_path: Path) -> None:
    import torchvision

    file = tmp_path / "own.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(torchvision.models.vgg16().state_dict(), file)
    theirs = create_feature_extractor(
        "vgg16", ["fc2_relu"], cuda=False, feature_extractor_weights_path=str(file)
    )
    net = Vgg16(weights=file).load("cifar10", 3)
    assert net.id == f"vgg16-own-{sha256_of(file)[:12]}"
    file.unlink()  # 553 MB
    images = random_images(2, 3, 32, 32)
    features, logits = net(images)
    assert (features.shape, logits.shape) == ((2, 4096), (2, 0))
    assert features.std() > 1e-4
    assert (features - theirs(images)[0]).abs().max() <= 1e-6


# ------------------------------------------------------------------------ CLIP


class Tiny(nn.Module):
    """CLIP's image encoder with one narrow layer, and the other attributes of a published file."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = fidelity_clip.VisionTransformer(32, 8, 64, 1, 1, 16)
        self.text_projection = nn.Parameter(torch.zeros(8, 16))
        self.register_buffer("input_resolution", torch.tensor(32))

    def forward(self, x: Tensor) -> Tensor:
        return self.visual(x)


def test_clip_runs_a_program_with_the_published_hash(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tiny = Tiny().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        torch.jit.trace(tiny, torch.zeros(2, 3, 32, 32)).save(str(tmp_path / "clip.pt"))
    sha = sha256_of(tmp_path / "clip.pt")
    monkeypatch.setitem(fidelity_clip.MODEL_METADATA["clip-rn50"], "hash", sha)
    (tmp_path / "clip.pt").rename(hub / "checkpoints" / f"clip-rn50-{sha}.pt")
    net = Clip(model="rn50").load("cifar10", 3)
    assert net.id == f"clip-rn50-{sha[:12]}"
    grey = random_images(2, 1, 32, 32)
    features, logits = net(grey)
    assert (features.shape, logits.shape) == ((2, 16), (2, 0))
    assert features.dtype == torch.float32
    assert features.std() > 0.01
    assert torch.equal(features, net(grey.repeat(1, 3, 1, 1))[0])
    with pytest.raises(DataError) as caught:
        net(grey.float())
    assert str(caught.value) == (f"{net.id}: images must be uint8 in 0..255, not torch.float32")


def test_clip_runs_no_other_program(hub: Path) -> None:
    sha = fidelity_clip.MODEL_METADATA["clip-vit-b-32"]["hash"]
    file = hub / "checkpoints" / f"clip-vit-b-32-{sha}.pt"
    file.write_bytes(b"some other program")
    assert refusal(Clip()) == (
        f"{file} is damaged or is another file: its SHA-256 starts with {sha256_of(file)[:8]} "
        "instead of 40d36571; delete it to download it again"
    )


def test_clip_without_network_access_names_the_solutions(hub: Path) -> None:
    folder, sha = hub / "checkpoints", fidelity_clip.MODEL_METADATA["clip-vit-b-32"]["hash"]
    assert refusal(Clip(), DataUnavailable) == (
        f"clip is not available: not in {folder}, and the download failed (Network is "
        f"unreachable). (1) Download https://openaipublic.azureedge.net/clip/models/{sha}/"
        f"ViT-B-32.pt on another machine and put it at {folder}/clip-vit-b-32-{sha}.pt{OFFLINE}"
    )


def test_every_model_of_torch_fidelity_can_be_named() -> None:
    clips = get_args(Clip.model_fields["model"].annotation)
    assert {f"clip-{model}" for model in clips} == set(fidelity_clip.MODEL_METADATA)
    dinos = get_args(Dinov2.model_fields["model"].annotation)
    assert {
        f"dinov2-{model}": f"dinov2_vit{LETTERS[model]}14" for model in dinos
    } == fidelity_dinov2.MODEL_METADATA


# ------------------------------------------------------------------------ DINOv2


@pytest.fixture
def weights(hub: Path) -> Path:
    """Write a small replacement of the repository and its weights to torch.hub's folder."""
    code = hub / "facebookresearch_dinov2_main"
    code.mkdir()
    (code / "hubconf.py").write_text(HUBCONF)
    file = hub / "checkpoints" / "dinov2_vits14_pretrain.pth"
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(384, 48, generator=generator)
    torch.save({"2.weight": weight, "2.bias": torch.zeros(384)}, file)
    return file


def test_dinov2_uses_the_files_in_torch_hubs_folder(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XFORMERS_DISABLED", "")  # torch-fidelity sets it
    net = Dinov2(model="vit-s-14").load("cifar10", 3)
    assert net.id == f"dinov2-vit-s-14-{sha256_of(weights)[:12]}"
    features, logits = net(random_images(2, 1, 32, 32))
    assert (features.shape, logits.shape) == ((2, 384), (2, 0))
    assert features.std() > 0.01


def test_dinov2_checks_the_weights_before_the_repository_reads_them(weights: Path) -> None:
    weights.write_bytes(weights.read_bytes()[:1000])
    assert refusal(Dinov2(model="vit-s-14")) == (
        f"{weights} is damaged or is not a state dict written by torch.save; download it again"
    )


def test_an_error_of_the_repositorys_code_is_reported(
    weights: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XFORMERS_DISABLED", "")
    (hub / "facebookresearch_dinov2_main" / "hubconf.py").write_text("raise OSError('odd\\nnews')")
    assert refusal(Dinov2(model="vit-s-14")) == (
        "dinov2: torch.hub's facebookresearch/dinov2 failed: odd news"
    )


def test_dinov2_names_the_missing_files_and_downloads_nothing(hub: Path) -> None:
    code = f"{hub}/facebookresearch_dinov2_main"
    file = f"{hub}/checkpoints/dinov2_vitl14_pretrain.pth"
    rest = (
        '(1) If you trust its code, run, with network access: python -c "import '
        f"torch; torch.hub.load('facebookresearch/dinov2', 'dinov2_vitl14')\"{OFFLINE}"
    )
    assert refusal(Dinov2(), DataUnavailable) == (
        f"dinov2 is not available: torch.hub has no {code} and no {file}. {rest}"
    )
    Path(code).mkdir()
    assert refusal(Dinov2(), DataUnavailable) == (
        f"dinov2 is not available: torch.hub has no {file}. {rest}"
    )
