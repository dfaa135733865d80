"""The `.apc` artifact: a compiled network in one file.

A zip of ``manifest.json`` (``apc.manifest``), ``model.onnx`` and seven .npy members. ``constants.npy``,
``gathers.npy``,
``row_maps.npy``, ``fields.npy``, ``resident_fields.npy`` and ``resident_values.npy`` hold the tables of all tiles,
layers and tensors one after another;
``instructions.npy`` holds the macro instructions as byte planes, uint8 [16, instructions], because zlib packs
planes three times as tightly and as fast as records. The zip's comment is the sha256 of all bytes before it, so a
changed byte anywhere is found. The same program gives the same bytes.

Loading believes nothing the file says about sizes, types or indices before it is checked.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

from apc import manifest
from apc.files import atomic_write
from backends.target import Target
from ir.errors import UserError
from ir.isa import RECORD
from ir.program import FIELD, GATHER, ROW_MAP, Program
from ir.verify_program import verify_program

MANIFEST = "manifest.json"
MODEL = "model.onnx"
MAX_FILE_BYTES = 1 << 30
MAX_MANIFEST_BYTES = 16 << 20
MAX_UNPACKED_BYTES = 2 << 30
MAX_RATIO = 100
"""Compiled networks deflate 10 to 20 times; what claims more is refused, unless it is small."""
RATIO_FREE_BYTES = 64 << 20

_COMPRESSION_LEVEL = 6
_SEAL_BYTES = 64
_END_RECORD = struct.Struct("<4s4H2LH")
_MAX_DIRECTORY_BYTES = 1 << 12
_PLANES = "instructions"
_DTYPES = {
    "constants": np.dtype("<i8"),
    "fields": FIELD,
    "gathers": GATHER,
    "instructions": RECORD,
    "resident_fields": FIELD,
    "resident_values": np.dtype("<i4"),
    "row_maps": ROW_MAP,
}
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, EOFError, OSError, ValueError, LookupError)


class ArtifactError(UserError):
    """A file that is not a sound artifact. The message begins with its path and names the member."""


def save(program: Program, path: str | Path) -> None:
    """Write ``program`` to ``path``: first under a temporary name, then renamed.

    Raises ir.verify_program.ProgramError for a malformed program, UserError where the file cannot be written.
    """
    content = to_bytes(program)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def load(path: str | Path) -> Program:
    """Read what ``save`` wrote. Raises ArtifactError for anything else."""
    path = Path(path)
    try:
        if not path.is_file():
            raise ArtifactError("there is no such file" if not path.exists() else "not a regular file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ArtifactError(f"larger than {MAX_FILE_BYTES} bytes")
        return from_bytes(path.read_bytes())
    except UserError as error:
        raise ArtifactError(f"{path}: {error}") from error
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error


def to_bytes(program: Program) -> bytes:
    """The artifact as bytes."""
    verify_program(program)
    Target.from_table(program.target)
    members = {MODEL: program.model}
    for name, arrays in _arrays(program).items():
        dtype = _DTYPES[name]
        table = np.concatenate([np.zeros(0, dtype), *arrays])
        stored = table.view(np.uint8).reshape(-1, dtype.itemsize).T if name == _PLANES else table
        members[_file(name)] = _header(name, len(table)) + stored.tobytes()
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    members[MANIFEST] = manifest.encode(manifest.describe(program, checksums))
    return _pack(members)


def from_bytes(content: bytes) -> Program:
    """The inverse of ``to_bytes``. Raises UserError."""
    _check_seal(content)
    member = "zip directory"
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_directory(archive)
            member = MANIFEST
            skeleton = manifest.read(manifest.decode(_read_member(archive, member)), [MODEL, *map(_file, _DTYPES)])
            lengths = {name: sum(map(len, arrays)) for name, arrays in _arrays(skeleton.program).items()}
            _check_sizes(lengths, skeleton.model_bytes, len(content))
            member = MODEL
            program = skeleton.program
            program.model = _read_checked(archive, member, skeleton.model_bytes, skeleton.checksums[member])
            tables = {}
            for name, length in lengths.items():
                member = _file(name)
                tables[name] = _read_table(archive, name, length, skeleton.checksums[member])
    except UserError as error:
        raise ArtifactError(f"{member}: {error}") from error
    except _ZIP_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ArtifactError(f"{member}: damaged zip: {reason[:120]}") from error
    _distribute(tables, program)
    verify_program(program)
    Target.from_table(program.target, f"{MANIFEST}: target")
    return program


def _file(table: str) -> str:
    return f"{table}.npy"


def _arrays(program: Program) -> dict[str, list[np.ndarray]]:
    """Every array of ``program`` by member, in the order in which the member holds them."""
    tiles = [tile for layer in program.layers for tile in layer.tiles]
    return {
        "constants": [tile.constants for tile in tiles],
        "fields": [tensor.fields for tensor in program.tensors],
        "gathers": [tile.gathers for tile in tiles],
        "instructions": [tile.instructions for tile in tiles],
        "resident_fields": [layer.resident_fields for layer in program.layers],
        "resident_values": [layer.resident_values.reshape(-1) for layer in program.layers],
        "row_maps": [layer.row_maps for layer in program.layers],
    }


def _distribute(tables: dict[str, np.ndarray], program: Program) -> None:
    """Replace the blank arrays of ``program`` by slices of the tables."""
    slices = {
        name: iter(np.split(tables[name], np.cumsum([len(array) for array in arrays])[:-1]))
        for name, arrays in _arrays(program).items()
    }
    for tensor in program.tensors:
        tensor.fields = next(slices["fields"])
    for layer in program.layers:
        layer.row_maps = next(slices["row_maps"])
        layer.resident_fields = next(slices["resident_fields"])
        layer.resident_values = next(slices["resident_values"]).reshape(layer.resident_values.shape)
        for tile in layer.tiles:
            tile.instructions = next(slices["instructions"])
            tile.constants = next(slices["constants"])
            tile.gathers = next(slices["gathers"])


def _header(name: str, length: int) -> bytes:
    """The only .npy header that the member may have."""
    dtype = np.dtype(np.uint8) if name == _PLANES else _DTYPES[name]
    shape = (_DTYPES[name].itemsize, length) if name == _PLANES else (length,)
    out = io.BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, description)
    return out.getvalue()


def _pack(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, allowZip64=False) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, members[name], compresslevel=_COMPRESSION_LEVEL)
        archive.comment = b"0" * _SEAL_BYTES
    content = out.getbuffer()
    content[-_SEAL_BYTES:] = _seal(content)
    return out.getvalue()


def _seal(content: bytes | memoryview) -> bytes:
    return hashlib.sha256(memoryview(content)[:-_SEAL_BYTES]).hexdigest().encode()


def _check_seal(content: bytes) -> None:
    """The whole file's checksum, and that the zip's directory is as small as nine members make it."""
    start = len(content) - _SEAL_BYTES - _END_RECORD.size
    if start < 0:
        raise ArtifactError("not a program: too short for what `apc compile` writes")
    mark, *_, directory_bytes, _, comment_bytes = _END_RECORD.unpack_from(content, start)
    if mark != b"PK\5\6" or comment_bytes != _SEAL_BYTES:
        raise ArtifactError(
            "not a program, or truncated: it does not end as `apc compile` ends one; compile the model (again)"
        )
    if _seal(content) != content[-_SEAL_BYTES:]:
        raise ArtifactError(
            "the checksum at its end is not that of its bytes; it was damaged or edited; compile the model again"
        )
    if directory_bytes > _MAX_DIRECTORY_BYTES or content[max(start - 20, 0) : start].startswith(b"PK\6\7"):
        raise ArtifactError("zip directory: too large")


def _check_directory(archive: zipfile.ZipFile) -> None:
    wanted = sorted([MANIFEST, MODEL, *map(_file, _DTYPES)])
    found = sorted(archive.namelist())
    if found != wanted:
        odd = sorted(set(found) ^ set(wanted))
        reason = f"unexpected or missing member {odd[0][:40]!r}" if odd else "a member appears twice"
        raise ArtifactError(reason)
    for info in archive.infolist():
        if info.compress_type != zipfile.ZIP_DEFLATED:
            raise ArtifactError(f"{info.filename}: not compressed by deflate")


def _check_sizes(lengths: dict[str, int], model_bytes: int, file_bytes: int) -> None:
    size = model_bytes + sum(length * _DTYPES[name].itemsize for name, length in lengths.items())
    if size > min(MAX_UNPACKED_BYTES, max(RATIO_FREE_BYTES, MAX_RATIO * file_bytes)):
        raise ArtifactError(f"claims {size} unpacked bytes, too many for a file of {file_bytes} bytes")


def _read_member(archive: zipfile.ZipFile, name: str, size: int | None = None) -> bytes:
    """One member, of exactly ``size`` bytes where it is given; reads no more than it may have."""
    declared = archive.getinfo(name).file_size
    if size is not None and declared != size:
        raise ArtifactError(f"has {declared} bytes, not the {size} that the manifest's counts give")
    if size is None and declared > MAX_MANIFEST_BYTES:
        raise ArtifactError(f"has {declared} bytes, more than {MAX_MANIFEST_BYTES}")
    with archive.open(name) as stream:
        data = stream.read(declared + 1)
    if len(data) != declared:
        raise ArtifactError("does not have the size that the zip declares")
    return data


def _read_checked(archive: zipfile.ZipFile, name: str, size: int, checksum: str) -> bytes:
    data = _read_member(archive, name, size)
    if hashlib.sha256(data).hexdigest() != checksum:
        raise ArtifactError("its checksum is not the one in the manifest; the artifact was edited")
    return data


def _read_table(archive: zipfile.ZipFile, name: str, length: int, checksum: str) -> np.ndarray:
    """One .npy member, one-dimensional and writable."""
    header, dtype = _header(name, length), _DTYPES[name]
    data = _read_checked(archive, _file(name), len(header) + length * dtype.itemsize, checksum)
    if not data.startswith(header):
        raise ArtifactError("its .npy header does not have the dtype and shape that belong here")
    stored = np.frombuffer(data, np.uint8, offset=len(header))
    if name == _PLANES:
        stored = stored.reshape(dtype.itemsize, length).T
    return np.array(stored, order="C").reshape(-1).view(dtype)
