"""`apc quantize`: a float ONNX network to a QDQ ONNX file with ternary, binary or integer weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apc.cli import console
from apc.progress import progress

if TYPE_CHECKING:
    import onnx

    from apc.quantize import QuantizedModel

NAME = "quantize"
HELP = "quantise a float network to a ternary, binary or integer ONNX file"
DESCRIPTION = """
Quantises the weights and activations of a float network after training: ternary or binary weights with a scale for
each output channel, or integers of 2 to 8 bits; activations of 2 to 8 bits, whose ranges come from running the
calibration images. Quantisers that the network has already are left alone.

Writes a standard ONNX file (QDQ and QCDQ) that onnxruntime runs and `apc compile` reads. With --exact, scales are
rounded so that onnxruntime's float32 arithmetic rounds nothing between the quantisers: its results then equal those of
the integers, bit for bit.

Prints a line for each layer: its weights, the share of them that is 0, and the relative errors of weights and
activations on the calibration images. It is not training: expect ternary weights to cost accuracy.
"""
EXAMPLES = (
    ("ternary weights, 4-bit activations", "apc quantize float.onnx -o ternary.onnx --calibration inputs.npz"),
    ("integers of 8 bits", "apc quantize float.onnx -o int8.onnx --weights int8 --calibration inputs.npz"),
    (
        "a PyTorch network of a module file here, so that float32 inference is exact",
        "apc quantize mynet:build -o mynet.onnx --exact --activations 6",
    ),
)
FAILS_WHEN = ""
SEE_ALSO = ("nn.md", "json.md")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("model", metavar="MODEL", help="a float ONNX file, or package.module:factory")
    parser.add_argument("-o", "--output", metavar="Q.onnx", type=Path, required=True, help="the file to write")
    weights = parser.add_argument_group("weights")
    weights.add_argument(
        "--weights",
        default="ternary",
        metavar="ternary|binary|intN|keep",
        help="per output channel; keep: leave their values as they are (default: ternary)",
    )
    weights.add_argument(
        "--first-last", default="int8", metavar="intN|same", help="weights of the first and last layer (default: int8)"
    )
    ranges = parser.add_argument_group("activations")
    ranges.add_argument("--activations", type=int, default=4, metavar="BITS", help="2 to 8 (default: 4)")
    ranges.add_argument("--calibration", type=Path, metavar="X.npz", help="arrays keyed by the model's input names")
    ranges.add_argument(
        "--method",
        choices=["percentile", "minmax"],
        default="percentile",
        help="how the range of an activation is found (default: percentile)",
    )
    ranges.add_argument(
        "--percentile", type=float, default=99.9, metavar="P", help="share of the values kept, in %% (default: 99.9)"
    )
    parser.add_argument(
        "--exact", action="store_true", help="round scales so that float32 inference equals integer arithmetic"
    )
    ranges.add_argument(
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
    with progress("quantising") as update:
        update(0, 0, "reading the model")
        quantised = quantize_model(
            _read(args.model),
            weights=args.weights,
            activations=args.activations,
            first_last=args.first_last,
            calibration=read_npz(args.calibration) if args.calibration else None,
            method=args.method,
            percentile=args.percentile,
            exact=args.exact,
            seed=args.seed,
            progress=update,
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
    from apc.report.tables import Column, Row, fitted

    columns = [
        Column("layer", text=True),
        Column("operator", text=True, rank=2),
        Column("weights", text=True),
        Column("zeros", rank=1),
        Column("weight error"),
        Column("output"),
        Column("scale", rank=3),
        Column("output error"),
    ]
    rows: list[Row] = []
    for layer in quantised.layers:
        kind = "" if layer["activation"] is None else f"{'s' if layer['activation_signed'] else 'u'}"
        rows.append(
            [
                layer["layer"],
                layer["op"],
                layer["weights"] or "",
                _percent(layer["sparsity"]),
                _percent(layer["weight_error"]),
                f"{kind}{layer['activation_bits'] or ''}",
                "" if layer["activation_scale"] is None else f"{layer['activation_scale']:.4g}",
                _percent(layer["activation_error"]),
            ]
        )
    table = fitted(columns, rows, console.result_console().width)
    console.show([*table, f"{output}: errors are relative, of the weights and of the calibration data"])


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
