"""onnxruntime as the reference in floats: graph optimisations off, what it raises in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ir.errors import UserError

if TYPE_CHECKING:
    import onnx
    import onnxruntime

_FATAL = 4


@contextmanager
def open_session(model: onnx.ModelProto, complaint: str, threads: int = 0) -> Iterator[onnxruntime.InferenceSession]:
    """A session on the CPU, ``threads`` 0 for all cores. Whatever is raised while it is made or used becomes a
    UserError: ``complaint`` and the reason; a UserError stays what it is."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.log_severity_level = _FATAL
    try:
        yield onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except UserError:
        raise
    except Exception as error:  # onnxruntime's own exception types are not public
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{complaint}: {reason}") from error
