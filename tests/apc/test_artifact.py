import hashlib
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apc import artifact
from apc.artifact import ArtifactError, from_bytes, load, save, to_bytes
from ir.errors import UserError
from ir.isa import RECORD, Op
from ir.program import Program
from ir.verify_program import ProgramError, verify_program
from tests.programs import programs, tiny_program

MEMBERS = [
    "constants.npy",
    "fields.npy",
    "gathers.npy",
    "instructions.npy",
    "manifest.json",
    "model.onnx",
    "resident_fields.npy",
    "resident_values.npy",
    "row_maps.npy",
]


def unpack(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def seal(out: io.BytesIO) -> bytes:
    """Add what the loader wants to find at the end: the checksum of everything before it."""
    with zipfile.ZipFile(out, "a") as archive:
        archive.comment = b"0" * 64
    content = out.getvalue()[:-64]
    return content + hashlib.sha256(content).hexdigest().encode()


def pack(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return seal(out)


def with_manifest(change: Callable[[dict[str, Any]], object]) -> bytes:
    members = unpack(to_bytes(tiny_program()))
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members["manifest.json"] = json.dumps(manifest).encode()
    return pack(members)


def with_member(name: str, data: bytes) -> bytes:
    """One member replaced, and its checksum made right."""
    members = unpack(to_bytes(tiny_program()))
    members[name] = data
    manifest = json.loads(members["manifest.json"])
    manifest["checksums"][name] = hashlib.sha256(data).hexdigest()
    members["manifest.json"] = json.dumps(manifest).encode()
    return pack(members)


def assert_equal(left: Program, right: Program) -> None:
    assert to_bytes(left) == to_bytes(right)
    for ours, theirs in zip(left.layers, right.layers, strict=True):
        assert np.array_equal(ours.row_maps, theirs.row_maps)
        for one, other in zip(ours.tiles, theirs.tiles, strict=True):
            assert np.array_equal(one.instructions, other.instructions)
            assert np.array_equal(one.constants, other.constants)
            assert np.array_equal(one.gathers, other.gathers)
            assert one.phases == other.phases
    for ours_b, theirs_b in zip(left.inputs + left.outputs, right.inputs + right.outputs, strict=True):
        for name, value in vars(ours_b).items():
            other_value = vars(theirs_b)[name]
            if isinstance(value, np.ndarray):
                assert value.dtype == other_value.dtype and np.array_equal(value, other_value)
            else:
                assert value == other_value


def test_save_and_load(tmp_path: Path) -> None:
    path = tmp_path / "tiny.apc"
    program = tiny_program()
    save(program, path)
    loaded = load(path)
    assert_equal(program, loaded)
    assert (loaded.target, loaded.graph_text, loaded.model) == (program.target, program.graph_text, program.model)
    assert os.listdir(tmp_path) == ["tiny.apc"]


def test_bytes_are_deterministic_and_a_plain_zip() -> None:
    content = to_bytes(tiny_program())
    assert content == to_bytes(tiny_program())
    members = unpack(content)
    assert list(members) == MEMBERS
    planes = np.load(io.BytesIO(members["instructions.npy"]), allow_pickle=False)
    tiles = [tile for layer in tiny_program().layers for tile in layer.tiles]
    assert np.array_equal(planes.T.reshape(-1), np.concatenate([t.instructions for t in tiles]).view(np.uint8))


def test_loaded_arrays_can_be_changed() -> None:
    tile = from_bytes(to_bytes(tiny_program())).layers[0].tiles[0]
    tile.constants[0] = 4
    tile.instructions["imm"][7] = 1


@settings(max_examples=60)
@given(programs())
def test_programs_come_back(program: Program) -> None:
    assert_equal(program, from_bytes(to_bytes(program)))


def test_a_malformed_program_is_not_written(tmp_path: Path) -> None:
    program = tiny_program()
    program.layers[0].tiles[0].instructions["r_column"][0] = 2
    with pytest.raises(ProgramError, match="flag columns"):
        save(program, tmp_path / "bad.apc")
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        save(tiny_program(), tmp_path / "nowhere" / "tiny.apc")


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "empty", "text", "zip"])
def test_what_is_not_an_artifact(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.apc"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("manifest.json", "{}")
    elif kind != "missing":
        path.write_bytes(b"" if kind == "empty" else b"hello " * 100)
    with pytest.raises(ArtifactError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_every_truncation_is_found() -> None:
    content = to_bytes(tiny_program())
    for length in range(0, len(content), 7):
        with pytest.raises(UserError):
            from_bytes(content[:length])


@settings(max_examples=150)
@given(st.data())
def test_every_changed_byte_is_found(data: st.DataObject) -> None:
    content = bytearray(to_bytes(tiny_program()))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    if bytes(content) != to_bytes(tiny_program()):
        with pytest.raises(UserError):
            from_bytes(bytes(content))


@settings(max_examples=300)
@given(st.data())
def test_sealed_damage_never_crashes(data: st.DataObject) -> None:
    """Whoever edits the zip and renews the checksum at its end gets an error, or a program that is well formed."""
    content = bytearray(to_bytes(tiny_program())[:-64])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    sealed = bytes(content) + hashlib.sha256(content).hexdigest().encode()
    try:
        program = from_bytes(sealed)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        verify_program(program)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values of a JSON document, objects and lists included."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return [path, *(leaf for key, item in items for leaf in leaves(item, (*path, key)))]


_MANIFEST = json.loads(unpack(to_bytes(tiny_program()))["manifest.json"])
_PATHS = [path for path in leaves(_MANIFEST) if path]
_JUNK = [None, True, -1, 3, 1 << 40, 1 << 70, 0.5, "", "x", [], {}, [1, 2, 3], {"x": 1}, [[]] * 3, "\ud800"]


@settings(max_examples=300)
@given(st.sampled_from(_PATHS), st.sampled_from(_JUNK), st.sampled_from(["replace", "delete", "add"]))
def test_edited_manifests_never_crash(path: tuple[Any, ...], junk: Any, how: str) -> None:
    def change(manifest: dict[str, Any]) -> None:
        parent: Any = manifest
        for key in path[:-1]:
            parent = parent[key]
        if how == "delete":
            del parent[path[-1]]
        elif how == "replace":
            parent[path[-1]] = junk
        elif isinstance(parent, list):
            parent.insert(path[-1], junk)
        else:
            parent["surplus"] = junk

    try:
        program = from_bytes(with_manifest(change))
    except UserError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 400
    else:
        verify_program(program)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(version=4), "format version 4 is not 3"),
        (lambda m: m.update(format="other"), "not an artifact"),
        (lambda m: m.pop("layers"), "missing entry 'layers'"),
        (lambda m: m.update(extra=1), "unknown entry 'extra'"),
        (lambda m: m["layers"][0]["tiles"][0].update(instructions=True), "layers[0].tiles[0].instructions: must be an"),
        (lambda m: m["layers"][0]["tiles"][0].update(instructions=7), "instructions.npy: has 592 bytes, not the 576"),
        (lambda m: m["layers"][0]["tiles"][0].update(instructions=1 << 26), "too many for a file of"),
        (lambda m: m["layers"][0]["tiles"][0].update(instructions=1 << 60), "must be an integer from 0 to"),
        (lambda m: m.update(model_bytes=1 << 30), "too many for a file of"),
        (lambda m: m["tensors"][0].update(shape=[1 << 26, 1, 1]), "too many for a file of"),
        (lambda m: m["tensors"][1].update(shape=[2, 1 << 27, 1 << 27]), "too large"),
        (lambda m: m["checksums"].update({"model.onnx": "0" * 64}), "model.onnx: its checksum"),
        (lambda m: m["layers"][0].update(output=9), "its producer computes another tensor"),
        (lambda m: m["tensors"][1].update(producer=1), "its producer computes another tensor"),
        (lambda m: m["inputs"][0]["scale"].update(values=[0.1, 0.2, 0.3]), "the scale has shape (3,)"),
        (lambda m: m["inputs"][0]["scale"].update(values=[1e300]), "does not fit float32"),
        (lambda m: m["inputs"][0].update(lo=-1), "[-1, 15] is not an interval of u4"),
        (lambda m: m["outputs"][0].update(bits=64), "must be an integer from 1 to 63"),
        (lambda m: m["target"]["array"].update(columns=8), "beyond the 8 columns"),
        (lambda m: m["target"]["timing"].update(cycle_s=-1), "target: timing.cycle_s"),
        (lambda m: m["layers"][0]["tiles"][0].update(phases=[["late", 9]]), "phases must start at instructions"),
    ],
)
def test_edited_manifests(change: Callable[[dict[str, Any]], object], reason: str) -> None:
    with pytest.raises(UserError) as caught:
        from_bytes(with_manifest(change))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "[", "[1]", '{"a": 1, "a": 2}', "[" * 100_000, '{"version": ' + "9" * 5000 + "}", "\ufeff{}", "NaN", "nul"],
)
def test_manifests_that_are_not_json(text: str) -> None:
    members = unpack(to_bytes(tiny_program()))
    members["manifest.json"] = text.encode()
    with pytest.raises(ArtifactError, match="^manifest.json: "):
        from_bytes(pack(members))


def test_members_missing_surplus_or_twice() -> None:
    members = unpack(to_bytes(tiny_program()))
    with pytest.raises(ArtifactError, match="'surplus'"):
        from_bytes(pack({**members, "surplus": b""}))
    for name in MEMBERS:
        with pytest.raises(ArtifactError, match=name):
            from_bytes(pack({key: value for key, value in members.items() if key != name}))
    out = io.BytesIO(pack(members)[:-64])
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("model.onnx", b"")
    with pytest.raises(ArtifactError, match="appears twice"):
        from_bytes(seal(out))


def test_other_compressions_are_refused() -> None:
    members = unpack(to_bytes(tiny_program()))
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with pytest.raises(ArtifactError, match="not compressed by deflate"):
            from_bytes(pack(members, compression))


def test_npy_headers_are_not_trusted() -> None:
    out = io.BytesIO()
    np.save(out, np.zeros(5, np.int64))
    wrong = {
        "constants.npy": out.getvalue(),
        "fields.npy": unpack(to_bytes(tiny_program()))["fields.npy"].replace(b"<u2", b"<i2"),
        "gathers.npy": b"\x93NUMPY" + b"\xff" * (len(unpack(to_bytes(tiny_program()))["gathers.npy"]) - 6),
    }
    for name, data in wrong.items():
        with pytest.raises(ArtifactError, match=f"^{name}: "):
            from_bytes(with_member(name, data))


def test_bombs_are_refused_before_they_are_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = with_member("model.onnx", bytes(artifact.RATIO_FREE_BYTES + (1 << 20)))
    assert len(bomb) < 200_000
    with pytest.raises(ArtifactError, match="not the 256"):
        from_bytes(bomb)
    monkeypatch.setattr(artifact, "MAX_MANIFEST_BYTES", 1000)
    with pytest.raises(ArtifactError, match="manifest.json: has .* more than 1000"):
        from_bytes(to_bytes(tiny_program()))


def test_a_member_that_is_longer_than_declared() -> None:
    """Both size fields lie: the directory and the local header say 100 bytes less."""
    content = to_bytes(tiny_program())
    size = len(unpack(content)["fields.npy"])
    lied = content.replace(struct.pack("<L", size), struct.pack("<L", size - 1))[:-64]
    with pytest.raises(ArtifactError, match="fields.npy"):
        from_bytes(lied + hashlib.sha256(lied).hexdigest().encode())


def test_a_huge_directory_is_refused_unread() -> None:
    members = unpack(to_bytes(tiny_program())) | {f"m{number}": b"" for number in range(200)}
    with pytest.raises(ArtifactError, match="zip directory: too large"):
        from_bytes(pack(members))


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("op", 0, "unknown opcode"),
        ("op", 14, "unknown opcode"),
        ("flags", 128, "a flag that the opcode does not have"),
        ("flags", 65, "a fresh top bit needs unsigned operands"),
        ("r_column", 2, "operand r lies in the flag columns"),
        ("r_column", 16, "operand r lies beyond the 16 columns"),
        ("r_column", 65535, "operand r lies beyond the 16 columns"),
        ("a_domain", 29, "operand a lies beyond the 32 domains"),
        ("r_width", 0, "the width of operand r is not 1 to 63"),
        ("a_width", 64, "the width of operand a is not 1 to 63"),
        ("a_column", 6, "operands r and a share a column"),
        ("b_width", 1, "the unused b_width is not zero"),
        ("imm", 1, "the unused imm is not zero"),
    ],
)
def test_instructions_are_checked(part: str, value: int, reason: str) -> None:
    members = unpack(to_bytes(tiny_program()))
    header = len(members["instructions.npy"]) - 29 * RECORD.itemsize
    planes = np.frombuffer(members["instructions.npy"], np.uint8, offset=header).reshape(RECORD.itemsize, -1)
    code = np.array(planes.T, order="C").reshape(-1).view(RECORD)
    assert code["op"][4] == Op.ADD
    code[part][4] = value
    data = members["instructions.npy"][:header] + code.view(np.uint8).reshape(-1, RECORD.itemsize).T.tobytes()
    with pytest.raises(ProgramError) as caught:
        from_bytes(with_member("instructions.npy", data))
    assert str(caught.value) == f"layer 0 (conv) tile 0 instruction 0x0004: {reason}"
