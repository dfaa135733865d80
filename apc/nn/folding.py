"""Batch norms folded into the layers before them: `fold_batch_norm`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.fusion import fuse_conv_bn_weights

from apc.nn.copying import copy_of
from apc.nn.tracing import LAYERS, trace


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """A copy of ``model`` in which every batch norm right behind a Conv1d, Conv2d, Conv3d or Linear is part of that
    layer's weight and bias, as it is in evaluation mode, and an nn.Identity in its own place. To be converted: then a
    layer's result needs no arithmetic but integers', and `export` has nothing to round.

    What stays: a norm without running statistics, one that reads anything else (a layer's result that something else
    reads too, or a layer that is called several times), subclasses with a forward of their own. A BatchNorm1d behind a
    Linear is taken to be over the layer's outputs. The copy computes what the original does in evaluation mode but for
    float rounding; it has the names of all layers.

    Raises ConversionError for a model that is converted already, and for one whose forward depends on data or shapes,
    which torch.fx cannot trace.
    """
    folded = copy_of(model)
    for layer, norm in list(_pairs(folded)):
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None and variance is not None
        weight, bias = fuse_conv_bn_weights(layer.weight, layer.bias, mean, variance, norm.eps, norm.weight, norm.bias)
        layer.weight, layer.bias = weight, bias.requires_grad_(weight.requires_grad)  # torch's bias is as the layer's
        _replace(folded, norm)
    return folded


def _pairs(model: nn.Module) -> Iterator[tuple[_ConvNd | nn.Linear, _BatchNorm]]:
    """Layers and the batch norms that alone read what they give."""
    graph = trace(model, "fold its batch norms one by one with torch.nn.utils.fusion.fuse_conv_bn_eval")
    nodes = list(graph.nodes)
    modules = {node: model.get_submodule(str(node.target)) for node in nodes if node.op == "call_module"}
    calls = Counter(modules.values())
    for node, norm in modules.items():
        before = node.args[0] if node.args else None
        layer = modules.get(before) if isinstance(before, fx.Node) else None
        if layer is None or not isinstance(norm, _BatchNorm) or norm.running_mean is None:
            continue
        alone = calls[layer] == calls[norm] == 1 and len(before.users) == 1  # type: ignore[union-attr]
        if alone and _is_plain(layer) and type(norm).forward is _BatchNorm.forward:
            yield layer, norm  # type: ignore[misc]


def _is_plain(layer: nn.Module) -> bool:
    """Whether ``layer`` computes with a weight that is a parameter of its own, as torch does."""
    return "weight" in layer._parameters and any(
        isinstance(layer, kind) and type(layer).forward is kind.forward for kind in LAYERS
    )


def _replace(model: nn.Module, norm: nn.Module) -> None:
    """By an identity, wherever it is registered."""
    identity = nn.Identity().train(norm.training)
    for parent in model.modules():
        parent._modules.update({name: identity for name, child in parent._modules.items() if child is norm})
