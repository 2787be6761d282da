"""Networks in a zip file, which may come from anybody: nothing but plain files gets out of it."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from ganlab.errors import DataError
from ganlab.files import write_atomically

ENDINGS = (".safetensors", ".json")
MOST_BYTES = 256 * 2**20
"""Of all files together, unpacked."""

BROKEN = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, ValueError)
"""What reading a damaged, encrypted or unusual zip file raises."""


def pack(files: Sequence[Path], target: Path) -> None:
    """Write files to a zip file that is not there yet; the same files give the same bytes."""
    if target.exists():
        raise DataError(f"{target} is there already: name another file")
    content = io.BytesIO()
    try:
        with zipfile.ZipFile(content, "w") as archive:
            for file in files:
                archive.writestr(zipfile.ZipInfo(file.name), file.read_bytes())
        write_atomically(target, content.getvalue())
    except OSError as error:
        raise DataError(f"cannot write {target}: {error.strerror or error}") from error


def unpack(source: Path, folder: Path) -> list[Path]:
    """Unpack a zip file into an empty folder; return the files.

    Raises `DataError` for one that is damaged, too large, or holds anything but networks and cards.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            members = archive.infolist()
            _check(members, source)
            files = []
            for member in members:
                file = folder / member.filename
                file.write_bytes(archive.read(member))
                files.append(file)
            return files
    except OSError as error:
        raise DataError(f"cannot read {source}: {error.strerror or error}") from error
    except BROKEN as error:
        raise DataError(f"{source} is damaged, or no zip file: {error}") from error


def _check(members: Sequence[zipfile.ZipInfo], source: Path) -> None:
    names = [member.filename for member in members]
    for name in names:
        if not name.endswith(ENDINGS) or name.startswith(".") or set(name) & set('/\\:"\0'):
            raise DataError(
                f"{source} holds {name!r:.80}: an export has .safetensors and .json files alone, "
                "without folders"
            )
    if len(set(names)) < len(names):
        raise DataError(f"{source} holds a file twice")
    # Reading stops at the size that a member states, so that no file can be larger than it says.
    if sum(member.file_size for member in members) > MOST_BYTES:
        raise DataError(f"{source} holds more than {MOST_BYTES // 2**20} MiB")
