"""Kernels older than any source file beside them are compiled again."""

from __future__ import annotations

import os
from pathlib import Path

from ir.kernel_cache import forget_stale


def test_what_is_older_than_a_source_file_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "__pycache__").mkdir()
    for name, time in (
        ("kernels.py", 10),
        ("callees.py", 30),
        ("__pycache__/old.nbi", 20),
        ("__pycache__/new.nbi", 40),
    ):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time, time))
    forget_stale(str(tmp_path / "kernels.py"))
    assert [path.name for path in (tmp_path / "__pycache__").iterdir()] == ["new.nbi"]


def test_a_folder_without_compiled_kernels_is_left_alone(tmp_path: Path) -> None:
    forget_stale(str(tmp_path / "missing" / "kernels.py"))
    forget_stale(str(tmp_path / "kernels.py"))
