"""The manifest of an artifact: everything of a Program but its big arrays, as JSON.

Reading trusts nothing: every object has exactly the keys that writing gives it, and every value its type and range.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ir.errors import UserError
from ir.isa import RECORD
from ir.program import FIELD, GATHER, ROW_MAP, Boundary, LayerProgram, Program, StoredTensor, Tile
from ir.types import IntType

FORMAT = "apc artifact"
VERSION = 3
MAX_COUNT = 1 << 27
"""No tile has more instructions, constants or gathers, no layer more row maps or resident fields, no tensor more
channels."""

_INT64 = (-(1 << 63), (1 << 63) - 1)
_MAX_DEPTH = 16


class ManifestError(UserError):
    """The manifest is not one that this version writes; the message names the entry."""


def describe(program: Program, checksums: dict[str, str]) -> dict[str, Any]:
    """The JSON object for ``program``; ``checksums``: member name -> sha256."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "checksums": checksums,
        "name": program.name,
        "model_sha256": program.model_sha256,
        "model_bytes": len(program.model),
        "level": program.level,
        "encoding": program.encoding,
        "passes": program.passes,
        "target": program.target,
        "graph_text": program.graph_text,
        "host_steps": [
            {key: step[key] for key in ("name", "operator", "bytes_per_image")} for step in program.host_steps
        ],
        "tensors": [
            {"name": tensor.name, "shape": list(tensor.shape), "producer": tensor.producer}
            for tensor in program.tensors
        ],
        "layers": [_describe_layer(layer) for layer in program.layers],
        "inputs": [_describe_boundary(boundary) for boundary in program.inputs],
        "outputs": [_describe_boundary(boundary) for boundary in program.outputs],
    }


def _describe_layer(layer: LayerProgram) -> dict[str, Any]:
    return {
        "name": layer.name,
        "op": layer.op,
        "output": layer.output,
        "row_maps": len(layer.row_maps),
        "resident": list(layer.resident_values.shape),
        "statistics": layer.statistics,
        "tiles": [
            {
                "instructions": len(tile.instructions),
                "constants": len(tile.constants),
                "gathers": len(tile.gathers),
                "phases": [[name, start] for name, start in tile.phases],
            }
            for tile in layer.tiles
        ],
    }


def _describe_boundary(boundary: Boundary) -> dict[str, Any]:
    return {
        "name": boundary.name,
        "tensor": boundary.tensor,
        "shape": list(boundary.shape),
        "dtype": boundary.dtype,
        "bits": boundary.dtype_int.bits,
        "signed": boundary.dtype_int.signed,
        "lo": boundary.lo,
        "hi": boundary.hi,
        "scale": _describe_array(boundary.scale),
        "zero_point": _describe_array(boundary.zero_point),
        "offset": _describe_array(boundary.offset),
    }


def _describe_array(array: np.ndarray | None) -> dict[str, Any] | None:
    """Floats are exact: a float32 widens to a float64, and JSON carries the shortest text that reads back alike."""
    return None if array is None else {"dtype": str(array.dtype), "values": array.tolist()}


def encode(manifest: dict[str, Any]) -> bytes:
    """Deterministic JSON bytes."""
    text = json.dumps(manifest, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def decode(content: bytes) -> Json:
    """Parse bytes that may be anything. Raises ManifestError."""
    try:
        return Json(json.loads(content.decode(), object_pairs_hook=_no_duplicates), "")
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"not JSON: {' '.join(str(error).split())[:100]}") from error


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key appears twice")
    return dict(pairs)


@dataclass(frozen=True)
class Json:
    """A JSON value of unknown make and its path in the manifest; every method checks before it answers."""

    value: Any
    where: str

    def error(self, reason: str) -> ManifestError:
        return ManifestError(f"{self.where or 'the manifest'}: {reason}")

    def record(self, *keys: str) -> dict[str, Json]:
        """An object with exactly these keys."""
        members = self.mapping()
        if members.keys() != set(keys):
            odd = sorted(members.keys() ^ set(keys))[0]
            raise self.error(f"{'unknown' if odd in members else 'missing'} entry {odd[:40]!r}")
        return members

    def mapping(self) -> dict[str, Json]:
        if not isinstance(self.value, dict):
            raise self.error("must be an object")
        prefix = f"{self.where}." if self.where else ""
        for key in self.value:
            Json(key, f"{prefix}(a key)").text()
        return {key: Json(value, f"{prefix}{key[:40]}") for key, value in self.value.items()}

    def items(self) -> Iterator[Json]:
        if not isinstance(self.value, list):
            raise self.error("must be a list")
        return (Json(value, f"{self.where}[{index}]") for index, value in enumerate(self.value))

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.error("must be a string")
        if any("\ud800" <= character <= "\udfff" for character in self.value):
            raise self.error("holds half of a surrogate pair")
        return self.value

    def boolean(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.error("must be true or false")
        return self.value

    def integer(self, lo: int = _INT64[0], hi: int = _INT64[1]) -> int:
        if type(self.value) is not int or not lo <= self.value <= hi:
            raise self.error(f"must be an integer from {lo} to {hi}")
        return self.value

    def count(self) -> int:
        return self.integer(0, MAX_COUNT)

    def number(self) -> float:
        if type(self.value) not in (int, float) or not math.isfinite(self.value):
            raise self.error("must be a finite number")
        return self.value

    def plain(self, depth: int = 0) -> Any:
        """Any JSON value of bounded depth with finite numbers."""
        if depth > _MAX_DEPTH:
            raise self.error("is nested too deeply")
        if isinstance(self.value, dict):
            return {key: value.plain(depth + 1) for key, value in self.mapping().items()}
        if isinstance(self.value, list):
            return [value.plain(depth + 1) for value in self.items()]
        if isinstance(self.value, str):
            return self.text()
        return self.number() if isinstance(self.value, float) else self.value

    def optional(self, read: Callable[[Json], Any]) -> Any:
        return None if self.value is None else read(self)


@dataclass
class Skeleton:
    """A manifest as read: a Program whose arrays are blank and whose model is empty yet, the model's size, and the
    members' checksums."""

    program: Program
    model_bytes: int
    checksums: dict[str, str]


def read(manifest: Json, members: list[str]) -> Skeleton:
    """The Program without its arrays' contents. ``members``: the names that the checksums must cover."""
    if not isinstance(manifest.value, dict) or manifest.value.get("format") != FORMAT:
        raise manifest.error(f"not an artifact: 'format' is not {FORMAT!r}")
    version = manifest.value.get("version")
    if version != VERSION:
        raise manifest.error(
            f"format version {str(version)[:20]} is not {VERSION}, the one this apc reads; compile again"
        )
    top = manifest.record(
        *(
            "format",
            "version",
            "checksums",
            "name",
            "model_sha256",
            "model_bytes",
            "level",
            "encoding",
            "passes",
            "target",
            "graph_text",
        ),
        *("host_steps", "tensors", "layers", "inputs", "outputs"),
    )
    program = Program(
        name=top["name"].text(),
        model_sha256=top["model_sha256"].text(),
        level=top["level"].text(),
        passes=[item.text() for item in top["passes"].items()],
        target={key: value.plain() for key, value in top["target"].mapping().items()},
        tensors=[_read_tensor(item) for item in top["tensors"].items()],
        layers=[_read_layer(item) for item in top["layers"].items()],
        inputs=[_read_boundary(item) for item in top["inputs"].items()],
        outputs=[_read_boundary(item) for item in top["outputs"].items()],
        graph_text=top["graph_text"].text(),
        host_steps=[_read_host_step(item) for item in top["host_steps"].items()],
        encoding=top["encoding"].text(),
    )
    checksums = {name: value.text() for name, value in top["checksums"].record(*members).items()}
    return Skeleton(program, top["model_bytes"].integer(0, 1 << 31), checksums)


def _read_tensor(item: Json) -> StoredTensor:
    entry = item.record("name", "shape", "producer")
    shape = [size.integer(1, MAX_COUNT) for size in entry["shape"].items()]
    if len(shape) != 3:
        raise entry["shape"].error("must have three sizes")
    producer = entry["producer"].integer(-1, MAX_COUNT)
    return StoredTensor(entry["name"].text(), (shape[0], shape[1], shape[2]), producer, _blank(shape[0], FIELD))


def _read_layer(item: Json) -> LayerProgram:
    entry = item.record("name", "op", "output", "resident", "row_maps", "statistics", "tiles")
    resident = [size.count() for size in entry["resident"].items()]
    if len(resident) != 2:
        raise entry["resident"].error("must be [fields, positions]")
    return LayerProgram(
        name=entry["name"].text(),
        op=entry["op"].text(),
        output=entry["output"].count(),
        row_maps=_blank(entry["row_maps"].count(), ROW_MAP),
        tiles=[_read_tile(tile) for tile in entry["tiles"].items()],
        statistics={key: value.integer() for key, value in entry["statistics"].mapping().items()},
        resident_fields=_blank(resident[0], FIELD),
        resident_values=_blank(resident[0] * resident[1], np.dtype(np.int32)).reshape(resident),
    )


def _read_tile(item: Json) -> Tile:
    entry = item.record("instructions", "constants", "gathers", "phases")
    return Tile(
        instructions=_blank(entry["instructions"].count(), RECORD),
        constants=_blank(entry["constants"].count(), np.dtype(np.int64)),
        gathers=_blank(entry["gathers"].count(), GATHER),
        phases=[_read_phase(phase) for phase in entry["phases"].items()],
    )


def _read_phase(item: Json) -> tuple[str, int]:
    parts = list(item.items())
    if len(parts) != 2:
        raise item.error("must be [name, first instruction]")
    return parts[0].text(), parts[1].count()


def _read_boundary(item: Json) -> Boundary:
    entry = item.record(
        *("name", "tensor", "shape", "dtype", "bits", "signed", "lo", "hi", "scale", "zero_point", "offset")
    )
    return Boundary(
        name=entry["name"].text(),
        tensor=entry["tensor"].count(),
        shape=tuple(size.optional(Json.count) for size in entry["shape"].items()),
        dtype=entry["dtype"].text(),
        dtype_int=IntType(entry["bits"].integer(1, 63), entry["signed"].boolean()),
        lo=entry["lo"].integer(),
        hi=entry["hi"].integer(),
        scale=entry["scale"].optional(_read_array),
        zero_point=entry["zero_point"].optional(_read_array),
        offset=entry["offset"].optional(_read_array),
    )


def _read_array(item: Json) -> np.ndarray:
    entry = item.record("dtype", "values")
    dtype = entry["dtype"].text()
    if dtype == "int64":
        return np.array([value.integer() for value in entry["values"].items()], np.int64)
    if dtype not in ("float32", "float64"):
        raise entry["dtype"].error("must be int64, float32 or float64")
    wide = np.array([value.number() for value in entry["values"].items()], np.float64)
    if dtype == "float32" and (np.abs(wide) > np.finfo(np.float32).max).any():
        raise entry["values"].error("does not fit float32")
    return wide.astype(dtype)


def _read_host_step(item: Json) -> dict[str, Any]:
    entry = item.record("name", "operator", "bytes_per_image")
    return {
        "name": entry["name"].text(),
        "operator": entry["operator"].text(),
        "bytes_per_image": entry["bytes_per_image"].integer(0),
    }


def _blank(length: int, dtype: np.dtype) -> np.ndarray:
    """An array of the right length that takes no memory: artifact.load replaces it."""
    return np.broadcast_to(np.zeros(1, dtype), (length,))
