"""Array files: what is written is read, what is no archive of plain arrays is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from apc.npz import read_npz, write_npz
from ir.errors import UserError


def test_arrays_come_back_by_name(tmp_path: Path) -> None:
    arrays: dict[str, np.ndarray] = {
        "x": np.arange(6, dtype=np.float32).reshape(2, 3),
        "a/b.c": np.array([1, 2], np.int8),
    }
    write_npz(tmp_path / "x.npz", arrays)
    back = read_npz(tmp_path / "x.npz")
    assert list(back) == list(arrays)
    for name, values in arrays.items():
        assert back[name].dtype == values.dtype
        np.testing.assert_array_equal(back[name], values)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).random(1000))
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    garbled = bytearray(whole)
    garbled[60:400] = bytes(340)
    for content in (b"", b"not a zip", whole[: len(whole) // 2], bytes(damaged), bytes(garbled)):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"x\.npz: cannot be read as an \.npz archive of plain arrays"):
            read_npz(path)


def test_a_single_array_and_pickled_objects_are_refused(tmp_path: Path) -> None:
    with open(tmp_path / "x.npz", "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(UserError, match=r"single array, not an \.npz archive: save it with numpy\.savez"):
        read_npz(tmp_path / "x.npz")
    np.savez(tmp_path / "o.npz", x=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="plain arrays"):
        read_npz(tmp_path / "o.npz")
