"""What a converted model's layers take and cost: `summary`."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table
from torch import nn

from apc.files import atomic_write
from apc.nn.associative import RtmAp
from apc.nn.engines import AcimEngine
from apc.nn.presets import Preset
from apc.nn.pricing import Price, prices
from apc.nn.simulated import SimulatedLayer
from apc.nn.sum_errors import code_error
from apc.nn.uses import LayerUse, layer_uses
from apc.progress import progress
from apc.report.units import with_unit

NARROW = 80
"""Columns of text that a summary has at least."""
NONE = "-"


@dataclass(frozen=True)
class LayerSummary:
    """One layer with weights, for one image.

    ``name``, ``kind`` (its class in the original model), ``hardware`` ("float" where it is not simulated);
    ``input_shape``, ``output_shape``: without the image axis. ``arrays``; ``utilisation``: share of their cells that
    hold weights (on an associative processor: that are in use); ``conversions``: of analog-to-digital converters;
    ``code_error``: probability that one gives another code than without noise and static errors, predicted from the
    example's integers; ``energy_J``, ``latency_s``: by the model of ``target``. None: not known, or not simulated.
    """

    name: str
    kind: str
    hardware: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    arrays: int | None
    utilisation: float | None
    conversions: float | None
    code_error: float | None
    energy_J: float | None
    latency_s: float | None
    target: str | None


@dataclass(frozen=True)
class Summary:
    """``layers`` in the order in which the example passes them. Printed, it is a table; totals are over the layers that
    are priced, one after another."""

    layers: Sequence[LayerSummary]

    @property
    def arrays(self) -> int:
        """Of all layers."""
        return round(self._total(lambda layer: layer.arrays))

    @property
    def utilisation(self) -> float | None:
        """Share of all arrays' cells; None without arrays."""
        used = self._total(lambda layer: (layer.arrays or 0) * (layer.utilisation or 0.0))
        return used / self.arrays if self.arrays else None

    @property
    def conversions(self) -> float:
        """Of an image."""
        return self._total(lambda layer: layer.conversions)

    @property
    def energy_J(self) -> float:
        """Of an image."""
        return self._total(lambda layer: layer.energy_J)

    @property
    def latency_s(self) -> float:
        """Of an image."""
        return self._total(lambda layer: layer.latency_s)

    def as_table(self) -> dict[str, Any]:
        """All figures, as JSON holds them: {"layers": [{...}], "total": {...}}."""
        layers = [{key: _plain(value) for key, value in asdict(layer).items()} for layer in self.layers]
        total = {
            "arrays": self.arrays,
            "utilisation": self.utilisation,
            "conversions": self.conversions,
            "energy_J": self.energy_J,
            "latency_s": self.latency_s,
        }
        return {"layers": layers, "total": total}

    def to_csv(self, path: str | Path) -> None:
        """A row a layer, the fields of `LayerSummary` as columns; shapes as 3x32x32, empty where nothing is known."""
        with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as text:
            lines = csv.writer(text, lineterminator="\n")
            lines.writerow(field.name for field in fields(LayerSummary))
            lines.writerows([_cell(value) for value in vars(layer).values()] for layer in self.layers)

    def __str__(self) -> str:
        console = Console(width=max(NARROW, shutil.get_terminal_size((NARROW, 24)).columns), color_system=None)
        with console.capture() as capture:
            console.print(self.__rich__())
        return "\n".join(line.rstrip() for line in capture.get().splitlines())

    def __rich__(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_footer=True)
        table.add_column("layer\nkind, hardware", "all layers", overflow="fold")
        table.add_column("input\noutput")
        for heading, total in (
            ("arrays", str(self.arrays)),
            ("used", _share(self.utilisation)),
            ("conver-\nsions", _count(self.conversions)),
            ("code\nerror", ""),
            ("energy", with_unit(self.energy_J, "J")),
            ("latency", with_unit(self.latency_s, "s")),
        ):
            table.add_column(heading, total, justify="right", no_wrap=True)
        for layer in self.layers:
            table.add_row(*_texts(layer))
        return table

    def _total(self, value: Callable[[LayerSummary], float | None]) -> float:
        return sum(value(layer) or 0.0 for layer in self.layers)


def summary(model: nn.Module, example: Any) -> Summary:
    """Layer by layer, what a model made by ``apc.nn.convert`` takes and costs for one image.

    ``example``: the model's argument, images first, a tuple of arguments or a table of named ones; a few images are
    enough. Costs are those of the models that ``apc compare`` uses, with the target of a preset or, for a
    configuration, the figures of a default target of its kind with the configuration's sizes and bits; associative
    processors compile every layer, which takes its time. Layers whose inputs have no range yet are priced with that
    of the example. Code errors are predicted for calibrated layers in SRAM arrays, from their first call. Neither modes
    nor noise of the model change.
    Raises UserError for a layer that its hardware cannot hold.
    """
    code_errors: dict[nn.Module, float | None] = {}

    def see(layer: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
        if layer not in code_errors:
            code_errors[layer] = _code_error(layer, x)

    with progress("pricing layers") as update:
        uses = layer_uses(model, example, see)
        rows = zip(uses, prices(uses, update), strict=True)
    return Summary([_layer_summary(use, price, code_errors[use.layer]) for use, price in rows])


def _code_error(layer: nn.Module, x: torch.Tensor) -> float | None:
    if not isinstance(layer, SimulatedLayer) or not layer.is_calibrated or not isinstance(layer.engine, AcimEngine):
        return None
    return code_error(layer.engine.layer, layer.integers(x))


def _layer_summary(use: LayerUse, price: Price | None, error: float | None) -> LayerSummary:
    layer = use.layer
    simulated = isinstance(layer, SimulatedLayer)
    kind = type(layer).__name__.removeprefix("Simulated")
    told = use.name, kind, _hardware_name(layer) if simulated else "float", use.input_shape, use.output_shape
    if price is None:
        return LayerSummary(*told, None, None, None, error, None, None, None)
    figures = price.arrays, price.utilisation, price.conversions
    return LayerSummary(*told, *figures, error, price.energy_J, price.latency_s, price.target)


def _hardware_name(layer: nn.Module) -> str:
    assert isinstance(layer, SimulatedLayer)
    hardware = layer.hardware
    if isinstance(hardware, Preset):
        return hardware.target.name
    return hardware.cost_target.name if isinstance(hardware, RtmAp) else type(hardware).__name__


def _texts(layer: LayerSummary) -> list[str]:
    return [
        f"{layer.name}\n{layer.kind}, {layer.hardware}",
        f"{_shape(layer.input_shape)}\n{_shape(layer.output_shape)}",
        NONE if layer.arrays is None else str(layer.arrays),
        _share(layer.utilisation),
        NONE if layer.conversions is None else _count(layer.conversions),
        NONE if layer.code_error is None else f"{layer.code_error:.2g}",
        NONE if layer.energy_J is None else with_unit(layer.energy_J, "J"),
        NONE if layer.latency_s is None else with_unit(layer.latency_s, "s"),
    ]


def _share(value: float | None) -> str:
    return NONE if value is None else f"{value:.0%}"


def _count(value: float) -> str:
    return with_unit(value, "").rstrip()


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _cell(value: Any) -> Any:
    return _shape(value) if isinstance(value, tuple) else value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
