"""What the examples with drawn weights share: drawing, settling, export, and their command line.

Weights are drawn, not trained: ternary at a given density of nonzeros x a positive scale per output channel; batch
norm statistics and activation scales are measured on crops of two photos, so that values spread as in a trained
network. The first and the last layer are int8 unless they are made ternary too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from apc.quantize import quantize_model
from examples.common import one_thread, onnxruntime_outputs, photo_crops, save_npz, save_onnx, to_onnx

CALIBRATION_IMAGES = 4
INPUT_SEED_OFFSET = 1000


def draw(
    model: nn.Module, *, size: int, density: float, ternary_ends: bool, seed: int, branches: tuple[str, ...] = ()
) -> np.ndarray:
    """Fill and settle ``model``, a network of RGB images; returns the photo crops that it was settled on.

    ``branches``: last parts of the names of batch norms whose output is added to something.
    """
    images = photo_crops(CALIBRATION_IMAGES, size, seed)
    draw_weights(model, density, ternary_ends, seed, branches)
    settle(model, images)
    return images


def draw_weights(
    model: nn.Module, density: float, ternary_ends: bool, seed: int, branches: tuple[str, ...] = ()
) -> None:
    """Fill every layer: levels in {-1, 0, 1}, each channel with the same count of nonzeros, x 0.5 to 1.5 of He's scale.

    The ends are normal floats unless ``ternary_ends``. Batch norm gets a seeded gain, half as large in ``branches``,
    and a shift; its statistics follow from ``settle``.
    """
    generator = np.random.default_rng(seed)
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            channels, inputs = module.weight.shape[0], module.weight[0].numel()
            if module in (layers[0], layers[-1]) and not ternary_ends:
                values = generator.standard_normal((channels, inputs)) / np.sqrt(inputs)
            else:
                nonzeros = max(1, round(density * inputs))
                places = generator.permuted(np.tile(np.arange(inputs) < nonzeros, (channels, 1)), axis=1)
                levels = places * generator.choice([-1.0, 1.0], (channels, inputs))
                values = levels * generator.uniform(0.5, 1.5, (channels, 1)) * np.sqrt(2 / nonzeros)
            module.weight.data = torch.from_numpy(values.astype(np.float32)).reshape(module.weight.shape)
        elif isinstance(module, nn.BatchNorm2d):
            branch = name.rpartition(".")[2] in branches
            gain = generator.uniform(0.3, 0.7, module.num_features) * (1 if branch else 2)
            shift = generator.normal(0, 0.2, module.num_features)
            module.weight.data = torch.from_numpy(gain.astype(np.float32))
            module.bias.data = torch.from_numpy(shift.astype(np.float32))
    for module in layers:
        if module.bias is not None:
            bias = generator.normal(0, 0.1, module.bias.shape)
            module.bias.data = torch.from_numpy(bias.astype(np.float32))


def settle(model: nn.Module, images: np.ndarray) -> None:
    """Give batch norm the mean and variance that it meets on ``images``."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    model.train()
    with torch.no_grad(), one_thread():
        model(torch.from_numpy(images))
    model.eval()


def export(
    model: nn.Module, images: np.ndarray, *, batch: int = 1, activations: int = 4, exact: bool = True, seed: int = 0
) -> tuple[onnx.ModelProto, np.ndarray]:
    """Quantised ONNX with a fixed batch, and ``batch`` photo crops that were not calibrated on.

    ``exact``: scales with which onnxruntime's float32 equals exact arithmetic. Untrained weights amplify differences
    from layer to layer: with arbitrary scales, the few early values that float32 rounds otherwise reach the logits.
    """
    size = images.shape[-1]
    inputs = photo_crops(batch, size, seed + INPUT_SEED_OFFSET)
    proto = to_onnx(model, torch.from_numpy(inputs))
    quantised = quantize_model(
        proto,
        weights="keep",
        activations=activations,
        first_last="int8",
        calibration={"input": images},
        exact=exact,
    )
    return quantised.model, inputs


def command_line(network: str, *, output: str, size: int, width: int, classes: int) -> argparse.ArgumentParser:
    """The options of every such example, with their defaults; ``network``: for people."""
    parser = argparse.ArgumentParser(description=f"write a ternary {network} as QDQ ONNX, with an input")
    parser.add_argument("-o", "--output", type=Path, default=Path(output))
    parser.add_argument("--input", type=Path, help="where the input .npz goes (default: OUTPUT's name + _input.npz)")
    parser.add_argument("--size", type=int, default=size, help="height and width of the image")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--density", type=float, default=0.2, help="share of nonzero weights")
    parser.add_argument("--width", type=int, default=width, help="channels of the first stage")
    parser.add_argument("--classes", type=int, default=classes)
    parser.add_argument("--activations", type=int, default=4, help="bits of an activation")
    parser.add_argument("--ternary-ends", action="store_true", help="ternary first and last layer instead of int8")
    parser.add_argument("--float-scales", action="store_true", help="arbitrary scales, which float32 rounds")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def write(args: argparse.Namespace, build: Callable[..., tuple[nn.Module, np.ndarray]], **options: object) -> None:
    """Write the network that ``build`` makes of ``command_line``'s and further ``options``, and an input for it."""
    start = time.perf_counter()
    model, images = build(
        size=args.size,
        width=args.width,
        num_classes=args.classes,
        density=args.density,
        ternary_ends=args.ternary_ends,
        seed=args.seed,
        **options,
    )
    exact = not args.float_scales
    proto, inputs = export(model, images, batch=args.batch, activations=args.activations, exact=exact, seed=args.seed)
    input_path = args.input or args.output.with_name(f"{args.output.stem}_input.npz")
    save_onnx(proto, args.output)
    save_npz(input_path, "input", inputs)
    logits = onnxruntime_outputs(proto, inputs)
    top = ", ".join(str(index) for index in logits.argmax(axis=1))
    size_mb = args.output.stat().st_size / 1e6
    print(f"{args.output}: {size_mb:.1f} MB; {input_path}: {list(inputs.shape)}; onnxruntime's top class: {top}")
    print(f"{time.perf_counter() - start:.1f} s")
