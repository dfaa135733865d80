"""One ONNX node, with checked access to its attributes and one-line refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ir.errors import UserError

if TYPE_CHECKING:
    import onnx


class NotQuantised(UserError):
    """An operator needs integers where the network has real values that no quantiser follows."""


@dataclass(frozen=True, eq=False)
class Node:
    """``name``: of the node, or of its first output where the node has none; ``outputs_used``: which are read;
    ``position``: in the graph.
    """

    name: str
    op_type: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    outputs_used: tuple[bool, ...]
    attributes: dict[str, Any]
    proto: onnx.NodeProto
    position: int

    def error(self, reason: str) -> UserError:
        """The error of this node, to be raised by the caller."""
        return UserError(f"node {self.name} ({self.op_type}): {reason}")

    def not_quantised(self, reason: str) -> NotQuantised:
        """As ``error``, for real values where integers are needed."""
        return NotQuantised(f"node {self.name} ({self.op_type}): {reason}")

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int):
            raise self.error(f"attribute {name} is not an integer")
        return value

    def real(self, name: str, default: float) -> float:
        """A float attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float):
            raise self.error(f"attribute {name} is not a number")
        return float(value)

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self.attributes.get(name, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

    def integers(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        """A list of integers."""
        value = self.attributes.get(name)
        if value is None:
            return default
        if not all(isinstance(item, int) for item in value):
            raise self.error(f"attribute {name} is not a list of integers")
        return tuple(int(item) for item in value)

    def only_first_output(self) -> None:
        """Refuse the node if anything but its first output is read."""
        if any(self.outputs_used[1:]):
            raise self.error("only its first output is supported; remove what reads the others")
