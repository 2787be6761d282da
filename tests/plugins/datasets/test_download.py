"""Downloads are complete or leave no file, and a failure soon names the possible solutions."""

from __future__ import annotations

import gc
import gzip
import hashlib
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torchvision
from ganlab_plugins.datasets import _download
from ganlab_plugins.datasets.mnist import Mnist

from ganlab.data.prepare import prepare
from ganlab.errors import DataUnavailable

Serve = Callable[[Path], str]


def solutions(place: Path) -> str:
    return (
        f"(1) Put the files at {place}, or set --data-root or GANLAB_DATA to a folder that has "
        "them; (2) name a fallback in the experiment: `dataset: {type: mnist, fallback: digits}`; "
        "(3) repeat the command with network access."
    )


@pytest.fixture
def offered(
    tmp_path: Path, write_mnist: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Put the compressed files of a small MNIST into a folder and make torchvision expect them."""
    root = write_mnist()
    folder = tmp_path / "server"
    folder.mkdir()
    resources = []
    for file in sorted((root / "MNIST" / "raw").iterdir()):
        packed = folder / f"{file.name}.gz"
        packed.write_bytes(gzip.compress(file.read_bytes()))
        resources.append((packed.name, hashlib.md5(packed.read_bytes()).hexdigest()))
    shutil.rmtree(root)
    resources.sort(key=lambda resource: "train" not in resource[0])
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    return folder


def use(monkeypatch: pytest.MonkeyPatch, *mirrors: str) -> None:
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", list(mirrors))


def refusal(root: Path) -> str:
    with pytest.raises(DataUnavailable) as error:
        prepare(Mnist(), root=root)
    return str(error.value)


def test_missing_files_are_downloaded_and_nothing_is_printed(
    tmp_path: Path,
    offered: Path,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use(monkeypatch, "http://127.0.0.1:9/", serve(offered))
    data = prepare(Mnist(), root=tmp_path / "new" / "root")
    assert len(data.images) == 20
    assert capsys.readouterr().out == ""
    files = sorted(p.name for p in (tmp_path / "new" / "root").rglob("*") if p.is_file())
    assert files == [
        "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte",
        "train-images-idx3-ubyte",
        "train-labels-idx1-ubyte",
    ]
    assert socket.getdefaulttimeout() is None


def test_a_refused_connection_is_one_line_with_the_solutions(
    tmp_path: Path, offered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, "http://127.0.0.1:9/")
    place = tmp_path / "root" / "MNIST" / "raw"
    assert refusal(tmp_path / "root") == (
        f"mnist is not available: not in {place}, and the download failed "
        f"([Errno 111] Connection refused). {solutions(place)}"
    )
    assert not (tmp_path / "root").exists()


def test_a_silent_server_causes_a_timeout(
    tmp_path: Path, offered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_download, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}/")
        message = refusal(tmp_path / "root")
    place = tmp_path / "root" / "MNIST" / "raw"
    assert message in {
        f"mnist is not available: not in {place}, and the download failed ({reason}). "
        + solutions(place)
        for reason in ("timed out", "no answer within 0.5 seconds")
    }


def test_a_wrong_file_from_the_server_is_not_kept(
    tmp_path: Path, offered: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    (offered / "train-images-idx3-ubyte.gz").write_bytes(b"<html>log in first</html>")
    use(monkeypatch, serve(offered))
    message = refusal(tmp_path / "root")
    place = tmp_path / "root" / "MNIST" / "raw"
    assert message.startswith(
        f"mnist is not available: not in {place}, and the download failed (Error downloading "
        "train-images-idx3-ubyte.gz: Tried http://127.0.0.1:"
    )
    assert message.endswith(f"got: File not found or corrupted.). {solutions(place)}")
    assert "\n" not in message
    assert list((tmp_path / "root").iterdir()) == []


# torchvision does not close the response of a failed request before garbage collection.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_file_missing_on_the_server_is_reported(
    tmp_path: Path, offered: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    (offered / "train-images-idx3-ubyte.gz").unlink()
    use(monkeypatch, serve(offered))
    assert "got: HTTP Error 404: File not found). (1) Put" in refusal(tmp_path / "root")
    gc.collect()


def test_an_unwritable_data_root_is_reported(
    tmp_path: Path, offered: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, serve(offered))
    (tmp_path / "file").write_text("in the way")
    root = tmp_path / "file" / "root"
    place = root / "MNIST" / "raw"
    assert refusal(root) == (
        f"mnist is not available: not in {place}, and the download failed ([Errno 20] Not a "
        f"directory: '{root}'). {solutions(place)}"
    )
