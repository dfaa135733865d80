"""Quantisers in front of sums and averages, which ``apc compile`` computes on integers: `quantise_sums`."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from apc.nn.copying import copy_of
from apc.nn.quantisation import Quantisation
from apc.nn.quantisers import ActivationQuantiser
from apc.nn.tracing import trace

CALLS = ("call_function", "call_method")
IN_PLACE: dict[Any, Any] = {operator.iadd: operator.add, "add_": "add"}
"""Additions that overwrite an operand, which may be a quantiser's result, and those that do not."""
SUMS = (operator.add, torch.add, "add")
AVERAGES = (
    torch.mean,
    "mean",
    functional.avg_pool1d,
    functional.avg_pool2d,
    functional.adaptive_avg_pool1d,
    functional.adaptive_avg_pool2d,
)
AVERAGE_MODULES = (nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)


def quantise_sums(model: nn.Module, quantisation: Quantisation | None = None) -> nn.Module:
    """A copy of ``model`` with an ``ActivationQuantiser`` (``quantisation``; None: 8 bits) behind everything that an
    addition of two activations or an average reads, each once: a residual network then goes through `convert`,
    training and `export` to ``apc compile`` without another quantiser. Layers keep their names; quantisers are
    called quantiser_NAME. They quantise once ``apc.nn.calibrate`` has set them.

    The copy is a torch.fx.GraphModule. Raises ConversionError for a model that is converted already, and for one that
    torch.fx cannot trace.
    """
    graph = trace(model, "place apc.nn.ActivationQuantiser on the operands of its sums and averages")
    changed = copy_of(model)
    for node in graph.nodes:
        if node.op in CALLS:
            node.target = IN_PLACE.get(node.target, node.target)
    for read in dict.fromkeys(operand for node in graph.nodes for operand in _read_as_integers(node, changed)):
        if _is_call_of(read, (ActivationQuantiser,), changed):
            continue
        name = f"quantiser_{read.name}"
        changed.add_module(name, ActivationQuantiser(quantisation or Quantisation()))
        with graph.inserting_after(read):
            quantised = graph.call_module(name, (read,))
        read.replace_all_uses_with(quantised)
        quantised.args = (read,)  # which has just been replaced too
    made = fx.GraphModule(changed, graph, type(model).__name__)
    return made.train(model.training)


def _read_as_integers(node: fx.Node, model: nn.Module) -> Iterator[fx.Node]:
    """The operands of ``node`` where it is a sum of two activations or an average."""
    operands = [arg for arg in node.args if isinstance(arg, fx.Node)]
    if node.op in CALLS and node.target in SUMS:
        if len(operands) == 2 and not any(operand.op == "get_attr" for operand in operands):
            yield from operands
    elif (node.op in CALLS and node.target in AVERAGES) or _is_call_of(node, AVERAGE_MODULES, model):
        yield from operands[:1]


def _is_call_of(node: fx.Node, kinds: tuple[type[nn.Module], ...], model: nn.Module) -> bool:
    return node.op == "call_module" and isinstance(model.get_submodule(str(node.target)), kinds)
