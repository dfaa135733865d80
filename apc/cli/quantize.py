"""`apc quantize`: a float ONNX network to a QDQ ONNX file with ternary, binary or integer weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apc.cli import console

if TYPE_CHECKING:
    import onnx

    from apc.quantize import QuantizedModel

NAME = "quantize"
HELP = "quantise a float network to a ternary, binary or integer ONNX file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("model", metavar="MODEL", help="a float ONNX file, or package.module:factory")
    parser.add_argument("-o", "--output", metavar="Q.onnx", type=Path, required=True, help="the file to write")
    parser.add_argument(
        "--weights",
        default="ternary",
        metavar="ternary|binary|intN|keep",
        help="per output channel; keep: leave their values as they are (default: ternary)",
    )
    parser.add_argument("--activations", type=int, default=4, metavar="BITS", help="2 to 8 (default: 4)")
    parser.add_argument(
        "--first-last", default="int8", metavar="intN|same", help="weights of the first and last layer (default: int8)"
    )
    parser.add_argument("--calibration", type=Path, metavar="X.npz", help="arrays keyed by the model's input names")
    parser.add_argument(
        "--method", choices=["percentile", "minmax"], default="percentile", help="range of an activation"
    )
    parser.add_argument(
        "--percentile", type=float, default=99.9, metavar="P", help="share of the values kept, in %% (default: 99.9)"
    )
    parser.add_argument(
        "--exact", action="store_true", help="round scales so that float32 inference equals integer arithmetic"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the random inputs used without --calibration"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/json.md)")


def run(args: argparse.Namespace) -> int:
    """Quantises, writes the file, prints the layers. Returns 0; raises UserError for bad input."""
    import onnx

    from apc.files import atomic_write, require_writable
    from apc.npz import read_npz
    from apc.quantize import quantize_model

    require_writable(args.output, args.model, args.calibration)
    model = _read(args.model)
    calibration = read_npz(args.calibration) if args.calibration else None
    quantised = quantize_model(
        model,
        weights=args.weights,
        activations=args.activations,
        first_last=args.first_last,
        calibration=calibration,
        method=args.method,
        percentile=args.percentile,
        exact=args.exact,
        seed=args.seed,
    )
    for warning in quantised.warnings:
        console.warn(warning)
    with atomic_write(args.output) as temporary:
        onnx.save(quantised.model, str(temporary), format="protobuf")
    if args.json:
        console.emit_json("apc.quantize/1", as_json(args, quantised))
    else:
        _print_layers(args.output, quantised)
    return 0


def _read(source: str) -> onnx.ModelProto:
    from apc.frontend.onnx_reader import check_versions, read_model
    from apc.frontend.torch_export import call_factory, export, is_factory

    if is_factory(source):
        return export(*call_factory(source))
    model, _ = read_model(Path(source))
    check_versions(model)
    return model


def as_json(args: argparse.Namespace, quantised: QuantizedModel) -> dict[str, Any]:
    """{model, output, weights, activations, first_last, method, percentile, exact, calibrated, layers, warnings}."""
    return {
        "model": args.model,
        "output": str(args.output),
        "weights": args.weights,
        "activations": args.activations,
        "first_last": args.first_last,
        "method": args.method,
        "percentile": args.percentile,
        "exact": args.exact,
        "calibrated": args.calibration is not None,
        "layers": quantised.layers,
        "warnings": quantised.warnings,
    }


def _print_layers(output: Path, quantised: QuantizedModel) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("layer", "operator", "weights"):
        table.add_column(heading)
    for heading in ("zeros", "weight error", "output", "scale", "output error"):
        table.add_column(heading, justify="right")
    for layer in quantised.layers:
        kind = "" if layer["activation"] is None else f"{'s' if layer['activation_signed'] else 'u'}"
        table.add_row(
            layer["layer"],
            layer["op"],
            layer["weights"] or "",
            _percent(layer["sparsity"]),
            _percent(layer["weight_error"]),
            f"{kind}{layer['activation_bits'] or ''}",
            "" if layer["activation_scale"] is None else f"{layer['activation_scale']:.4g}",
            _percent(layer["activation_error"]),
        )
    printer = console.result_console()
    printer.print(table)
    printer.print(f"{output}: errors are relative, of the weights and of the calibration data", soft_wrap=True)


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
