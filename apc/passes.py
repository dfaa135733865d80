"""Which passes a compilation runs: a level's, or those a user lists, with single options changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backends.rtm_ap.passes import LAYER_PASSES, LayerPass, Pipeline
from backends.rtm_ap.passes import LEVELS as LAYER_LEVELS
from ir.errors import UserError
from ir.passes import LEVELS as GRAPH_LEVELS
from ir.passes import PASSES as GRAPH_PASSES
from ir.passes.manager import Pass
from ir.passes.options import as_text, changed, parse_option, parse_passes

KNOWN: dict[str, type[Pass] | type[LayerPass]] = {**GRAPH_PASSES, **LAYER_PASSES}
"""Every pass by name: those over the graph, then those of a layer."""


@dataclass(frozen=True)
class Passes:
    """Graph passes in the order they run, and the layer passes that are on."""

    graph: tuple[Pass, ...]
    layer: Pipeline

    @property
    def names(self) -> list[str]:
        return [item.name for item in (*self.graph, *self.layer.passes)]

    @property
    def texts(self) -> list[str]:
        """Every pass with the options that differ from its defaults; joined by commas, they read back as they are."""
        return [as_text(item) for item in (*self.graph, *self.layer.passes)]

    def without(self, name: str) -> Passes:
        """The same with one pass off."""
        graph = tuple(item for item in self.graph if item.name != name)
        return Passes(graph, Pipeline(tuple(item for item in self.layer.passes if item.name != name)))


def choose_passes(level: str, listed: str | None = None, options: Sequence[str] = ()) -> Passes:
    """The passes of ``level`` ("O0" to "O3"), or those of ``listed`` (``a,b{x=1}``; a pass that is not there is off);
    then each of ``options`` (``PASS.OPTION=VALUE``) changes one option of its pass, which it turns on.

    Raises UserError for what does not exist.
    """
    if level not in LAYER_LEVELS:
        raise UserError(f"level -{level} does not exist: choose from -{', -'.join(LAYER_LEVELS)}")
    chosen: list[Pass | LayerPass]
    if listed is None:
        chosen = [*(GRAPH_PASSES[name]() for name in GRAPH_LEVELS[level]), *LAYER_LEVELS[level].passes]
    else:
        chosen = list(parse_passes(listed, KNOWN))
    for text in options:
        kind, values = parse_option(text, KNOWN)
        if all(type(item) is not kind for item in chosen):
            chosen.append(kind())
        chosen = [changed(item, values) if type(item) is kind else item for item in chosen]
    layer = [item for item in chosen if isinstance(item, LayerPass)]
    for item in layer:
        if sum(type(other) is type(item) for other in layer) > 1:
            raise UserError(f"--passes: {item.name} is listed twice")
    order = list(LAYER_PASSES.values())
    graph = tuple(item for item in chosen if not isinstance(item, LayerPass))
    return Passes(graph, Pipeline(tuple(sorted(layer, key=lambda item: order.index(type(item))))))
