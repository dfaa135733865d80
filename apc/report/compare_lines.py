"""The sentences of `apc compare`: what was computed, how it was counted, what the published headline would take."""

from __future__ import annotations

from typing import Any

from apc.report.compare_text import place_of
from apc.report.units import with_unit


def verdict_line(report: dict[str, Any]) -> str:
    """Which side takes less energy, by how much, and what most of the reference's energy is."""
    reference = report["backends"][0]
    parts = {name: energy for name, energy in reference["energy_J"].items() if name != "total"}
    largest = max(parts, key=lambda name: parts[name])
    pairs = [pair for pair in report["break_even"]["pairs"] if pair["ap"] == reference["name"]]
    sides = ([pair for pair in pairs if pair["ratio"] >= 1], [pair for pair in pairs if pair["ratio"] < 1])
    found = [
        f"{_times(side)} {word} than {_who(side)}" for side, word in zip(sides, ("less", "more"), strict=True) if side
    ]
    total = reference["energy_J"]["total"]
    return (
        f"verdict: {report['workload']['name']} takes {with_unit(total, 'J')} an image on {reference['name']}, "
        f"{'; '.join(found)}. {parts[largest] / total:.0%} of it is {largest}."
    )


def _times(side: list[dict[str, Any]]) -> str:
    factors = sorted(max(pair["ratio"], 1 / pair["ratio"]) for pair in side)
    shown = list(dict.fromkeys(f"{factor:.3g}x" for factor in (factors[0], factors[-1])))
    return " to ".join(shown)


def _who(side: list[dict[str, Any]]) -> str:
    names = [pair["crossbar"] for pair in side]
    return ", ".join(names) if len(names) < 4 else f"{names[0]}, {names[1]} and {len(names) - 2} other arrays"


def workload_lines(report: dict[str, Any]) -> list[str]:
    """The network, its operands and the batch."""
    work = report["workload"]
    bits = {key: ", ".join(map(str, work[key])) for key in ("weight_bits", "activation_bits")}
    return [
        f"{work['name']}: {work['layers']} convolutions and matrix products, "
        f"{with_unit(work['macs'], '').rstrip()} multiply-accumulates an image (padding and strides as they are), "
        f"{with_unit(work['nonzero_macs'], '').rstrip()} of them with a weight that is not 0",
        f"{work['nonzero_weights']:,} of {work['weights']:,} weights are not 0; weights of {bits['weight_bits']} bits, "
        f"activations of {bits['activation_bits']} bits; batch of {work['batch']}"
        + ("" if report["images"] is None else f"; {report['images']} images of the dataset"),
    ]


def method_lines(report: dict[str, Any]) -> list[str]:
    """How the table was counted, what is assumed, what was left out."""
    lines = [
        f"ratio to the AP: energy over that on {report['reference']}. A MAC is one multiply-accumulate that a backend "
        "executes, those on padding too unless it leaves padding out; TOPS/W counts two operations for each. Movement "
        "is of activations and partial sums between arrays and buffers; time is that of a batch over its images.",
    ]
    for backend in report["backends"]:
        assumed = sum(figure["assumed"] for figure in backend["figures"])
        notes = "".join(f"; {note}" for note in backend["notes"])
        lines.append(
            f"{backend['name']}: {backend['description']}; {assumed} of {len(backend['figures'])} figures assumed; "
            f"{backend['energy_source']}{notes}"
        )
    if report["images"] is not None:
        lines.append(
            "agreement: share of the images that are classed as by the exact network; accuracy: as labelled. Arrays "
            "compute with their mapping and converters: crossbars with ideal cells and wires, SRAM with the noise and "
            "static errors that its target has"
        )
    return lines + report["notes"]


def headline_lines(report: dict[str, Any]) -> list[str]:
    """Where the published ratio holds, with the assumptions that make it hold, and what it would take elsewhere."""
    headline = report["break_even"]["headline"]
    described = {backend["name"]: backend["description"] for backend in report["backends"]}
    own, (least, most) = headline["movement_share_ap"], headline["movement_share_crossbar"]
    lines = [
        f"published: {headline['ratio']:g}x less energy than crossbar CIM, of which moving activations takes {own:.0%} "
        f"against {least:.0%} to {most:.0%} ({headline['source']})"
    ]
    for pair in report["break_even"]["pairs"]:
        start = f"{pair['ap']} against {pair['crossbar']}: the array takes {pair['ratio']:.3g}x the energy"
        if pair["reaches_headline"]:
            lines.append(
                f"{start}, which holds under these assumptions: {described[pair['ap']]} ({_figures(pair)}); and "
                f"{described[pair['crossbar']]}{_conversion(pair)}"
            )
        else:
            lines.append(f"{start}; {headline['ratio']:g}x would take {needed(pair)}")
    return lines


def _figures(pair: dict[str, Any]) -> str:
    return ", ".join(f"{figure['key']} {with_unit(figure['value'], figure['unit'])}" for figure in pair["figures"])


def _conversion(pair: dict[str, Any]) -> str:
    each = None if pair["adc"] is None else pair["adc"]["energy_per_conversion_J"]
    return "" if each is None else f" ({with_unit(each, 'J')} a conversion)"


def break_even_line(report: dict[str, Any]) -> str:
    """How to read the tables of ``break_even``."""
    times = f"{report['break_even']['headline']['ratio']:g}"
    return (
        "break-even: the value of a figure, all others as they are, at which both take the same energy / at which the "
        f"array takes {times} times as much; never (at 0: r): with the figure at 0 the array takes r times "
        "as much. ADC: the array's converters, and where they would have to be for a tie"
    )


def flip_lines(report: dict[str, Any]) -> list[str]:
    """Of every pair, the figures that change the winner, each alone."""
    lines = []
    for pair in report["sensitivity"]["pairs"]:
        places = [place_of(row, pair) for row in pair["rows"] if row["flips"]]
        found = f"the winner changes with {', '.join(places)}" if places else "no figure alone changes the winner"
        lines.append(f"{pair['ap']} against {pair['crossbar']} (energy ratio {pair['ratio']:.3g}): {found}")
    return lines


def needed(pair: dict[str, Any]) -> str:
    """The changes that would bring a pair to the headline, each alone."""
    devices = pair["devices"]
    ways = [
        f"{figure['key']} at {with_unit(figure['headline_value'], figure['unit'])} "
        f"(now {with_unit(figure['value'], figure['unit'])})"
        for figure in pair["figures"]
        if figure["headline_value"] is not None
    ]
    if devices["headline_factor"] is not None:
        ways.append(f"search, write and shift energy all x {devices['headline_factor']:.3g}")
    if not ways:
        ways.append(
            "more than the AP's figures can give (with search, write and shift energy at 0 the ratio is "
            f"{devices['ratio_at_zero']:.3g})"
        )
    return f"{' or '.join(ways)}, or an array that takes {with_unit(pair['headline_crossbar_J'], 'J')} an image"
