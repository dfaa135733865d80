import os
from pathlib import Path

import pytest

from apc.files import atomic_write, require_writable
from ir.errors import UserError


def test_the_file_appears_whole_and_alone(tmp_path: Path) -> None:
    goal = tmp_path / "out.npz"
    with atomic_write(goal) as temporary:
        assert temporary.suffix == ".npz" and temporary.parent == tmp_path
        temporary.write_bytes(b"half")
        assert not goal.exists()
        temporary.write_bytes(b"whole")
    assert goal.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [goal]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    goal = tmp_path / "out.apc"
    goal.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_write(goal) as temporary:
        temporary.write_bytes(b"new")
        raise RuntimeError
    assert goal.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [goal]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    plain, atomic = tmp_path / "plain", tmp_path / "atomic"
    plain.write_bytes(b"")
    with atomic_write(atomic) as temporary:
        temporary.write_bytes(b"")
    assert plain.stat().st_mode == atomic.stat().st_mode


def test_a_link_is_followed(tmp_path: Path) -> None:
    goal, link = tmp_path / "goal", tmp_path / "link"
    goal.write_bytes(b"old")
    link.symlink_to(goal)
    with atomic_write(link) as temporary:
        temporary.write_bytes(b"new")
    assert link.is_symlink() and goal.read_bytes() == b"new"


def test_a_device_is_written_to_and_not_replaced() -> None:
    with atomic_write(os.devnull) as temporary:
        temporary.write_bytes(b"gone")
    assert Path(os.devnull).is_char_device()


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder"), atomic_write(tmp_path):
        pass
    with (
        pytest.raises(UserError, match=r"x\.apc: cannot be written: No such file"),
        atomic_write(tmp_path / "no/x.apc"),
    ):
        pass
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match=r"x\.apc: cannot be written"), atomic_write(tmp_path / "file" / "x.apc"):
        pass


def test_what_cannot_be_written_is_known_beforehand(tmp_path: Path) -> None:
    require_writable(None)
    require_writable(tmp_path / "new.txt")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="is a folder"):
        require_writable(tmp_path)
    with pytest.raises(UserError, match="there is no folder .*missing; create it first"):
        require_writable(tmp_path / "missing" / "new.txt")


def test_what_a_command_reads_is_not_replaced(tmp_path: Path) -> None:
    source = tmp_path / "in.onnx"
    source.write_text("kept")
    (tmp_path / "link").symlink_to(source)
    for output in (source, tmp_path / "link", tmp_path / "." / "in.onnx"):
        with pytest.raises(UserError, match="is read by this command and would be replaced; name another file"):
            require_writable(output, None, source)
    require_writable(tmp_path / "out.onnx", source, "package.module:factory")
