"""The free memory is the system's or what the limits of control groups leave of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ganlab.data import placement
from ganlab.data.placement import available_bytes, choose_placement

GB = 10**9
CPU = torch.device("cpu")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine with 8 GB available."""
    write(tmp_path / "proc/meminfo", f"MemTotal: 16000000 kB\nMemAvailable: {8 * GB // 1024} kB\n")
    write(tmp_path / "proc/self/cgroup", "0::/user/job\n")
    return tmp_path


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def group(folder: Path, *, limit: str, used: int, cache: int) -> None:
    write(folder / "memory.max", f"{limit}\n")
    write(folder / "memory.current", f"{used}\n")
    write(folder / "memory.stat", f"anon 5\ninactive_file {cache - 1}\nactive_file 1\nslab 7\n")


def test_without_groups_it_is_what_the_system_has(machine: Path) -> None:
    assert available_bytes(machine) == 8 * GB // 1024 * 1024
    (machine / "proc/self/cgroup").unlink()
    assert available_bytes(machine) == 8 * GB // 1024 * 1024


def test_pages_of_files_count_as_free_in_a_group(machine: Path) -> None:
    group(machine / "sys/fs/cgroup/user/job", limit=str(4 * GB), used=3 * GB, cache=2 * GB)
    assert available_bytes(machine) == 3 * GB


def test_the_narrowest_group_above_counts(machine: Path) -> None:
    group(machine / "sys/fs/cgroup/user/job", limit="max", used=GB, cache=0)
    group(machine / "sys/fs/cgroup/user", limit=str(2 * GB), used=GB, cache=1)
    assert available_bytes(machine) == GB + 1


def test_groups_of_version_1_count(machine: Path) -> None:
    write(machine / "proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/a/b\n0::/\n")
    folder = machine / "sys/fs/cgroup/memory/a/b"
    write(folder / "memory.limit_in_bytes", f"{3 * GB}\n")
    write(folder / "memory.usage_in_bytes", f"{2 * GB}\n")
    write(folder / "memory.stat", f"inactive_file 9\ntotal_inactive_file {GB}\n")
    assert available_bytes(machine) == 2 * GB


def test_more_used_than_allowed_leaves_nothing(machine: Path) -> None:
    group(machine / "sys/fs/cgroup/user/job", limit="100", used=300, cache=10)
    assert available_bytes(machine) == 0


def test_this_machine_has_memory() -> None:
    assert 10**7 < available_bytes() < 10**15


def test_a_place_that_was_asked_for_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    images = torch.zeros(10, 1, 8, 8, dtype=torch.uint8)
    for free in (0, 10**12):
        monkeypatch.setattr(placement, "free_bytes", lambda device, free=free: free)
        assert choose_placement("resident", images, device=CPU) == "resident"
        assert choose_placement("stream", images, device=CPU) == "stream"
        expected = "resident" if free else "stream"
        assert choose_placement("auto", images, device=CPU) == expected
