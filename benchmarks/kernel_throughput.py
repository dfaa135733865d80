"""Speed of the fast engine alone, on random ternary layers that no compiler made.

    python -m benchmarks.kernel_throughput [--threads 2] [--repeat 3]

First ns an instruction for several numbers of row words, then the 3x3 and 1x1 layers of ResNet-18 at 224x224.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np

from ir.isa import FLAG_COLUMNS, RECORD, Op
from ir.program import FIELD, GATHER, ROW_MAP, LayerProgram, Program, StoredTensor, Tile
from simulator.rtm.engine import FastEngine
from simulator.rtm.prepared import Prepared

COLUMNS, DOMAINS = 256, 64
INPUT_BITS, SUM_BITS = 4, 12
TARGET = {"array": {"rows": 256, "columns": COLUMNS, "domains": DOMAINS, "row_gate_rows": 64}}
WORDS = (1, 4, 13, 49, 196)
#: ResNet-18's convolutions but the first: (output size, stride, input channels, output channels, kernel, how many)
RESNET18 = (
    (56, 1, 64, 64, 3, 4),
    (28, 2, 64, 128, 3, 1),
    (28, 1, 128, 128, 3, 3),
    (28, 2, 64, 128, 1, 1),
    (14, 2, 128, 256, 3, 1),
    (14, 1, 256, 256, 3, 3),
    (14, 2, 128, 256, 1, 1),
    (7, 2, 256, 512, 3, 1),
    (7, 1, 512, 512, 3, 3),
    (7, 2, 256, 512, 1, 1),
)


def ternary_layer(
    size: tuple[int, int], stride: int, inputs: int, outputs: int, kernel: int, density: float = 0.2, seed: int = 0
) -> Program:
    """One random convolution, padded to keep ``size`` x stride, its sums stored as they are.

    Channel by channel, the patch is gathered and added to the sums or subtracted from them.
    """
    generator = np.random.default_rng(seed)
    taps = kernel * kernel
    signs = generator.choice([-1, 0, 1], (inputs * taps, outputs), p=[density / 2, 1 - density, density / 2])
    a_columns, a_domains = _places(FLAG_COLUMNS, taps * 16, INPUT_BITS)
    r_columns, r_domains = _places(int(a_columns[-1]) + 1, outputs, SUM_BITS)
    records = np.zeros(outputs + len(signs) + np.count_nonzero(signs), RECORD)
    start = records[:outputs]
    start["op"], start["r_width"], start["r_column"], start["r_domain"] = Op.CONST, SUM_BITS, r_columns, r_domains
    at = outputs
    for tap, row in enumerate(signs):
        slot = tap % len(a_columns)
        place = a_columns[slot], a_domains[slot]
        records[at] = (Op.GATHER, 0, 0, 0, INPUT_BITS, 0, 0, place[1], 0, 0, place[0], tap)
        targets = np.flatnonzero(row)
        block = records[at + 1 : at + 1 + len(targets)]
        block["op"] = np.where(row[targets] > 0, Op.ADD, Op.SUB)
        block["a_width"], block["r_width"] = INPUT_BITS, SUM_BITS
        block["a_column"], block["a_domain"] = place
        block["r_column"], block["r_domain"] = r_columns[targets], r_domains[targets]
        at += 1 + len(targets)
    channels, offsets = np.divmod(np.arange(inputs * taps), taps)
    gathers = np.zeros(inputs * taps, GATHER)
    gathers["channel"], gathers["row_map"] = channels, offsets
    dy, dx = np.divmod(np.arange(taps), kernel)
    row_maps = np.zeros(taps, ROW_MAP)
    row_maps["stride_y"] = row_maps["stride_x"] = stride
    row_maps["offset_y"], row_maps["offset_x"] = dy - kernel // 2, dx - kernel // 2
    source, target = np.zeros(inputs, FIELD), np.zeros(outputs, FIELD)
    source["width"] = INPUT_BITS
    target["width"], target["signed"], target["column"], target["domain"] = SUM_BITS, 1, r_columns, r_domains
    tensors = [
        StoredTensor("x", (inputs, size[0] * stride, size[1] * stride), -1, source),
        StoredTensor("y", (outputs, *size), 0, target),
    ]
    layer = LayerProgram("conv", "Conv", 1, row_maps, [Tile(records, np.zeros(1, np.int64), gathers)], {})
    return Program("conv", "", "O0", [], TARGET, tensors, [layer], [], [])


def _places(column: int, count: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """(columns, domains) of ``count`` fields packed along the wires from ``column`` on."""
    per_column = DOMAINS // width
    offset, slot = np.divmod(np.arange(count), per_column)
    return column + offset, slot * width


def seconds(program: Program, batch: int, threads: int, repeat: int) -> float:
    """The best of ``repeat`` runs of the program's layer on random inputs."""
    source = program.tensors[0]
    rows = -(-batch * source.positions // 64) * 64
    values = np.random.default_rng(1).integers(0, 1 << INPUT_BITS, (source.channels, rows)).astype(np.int32)
    prepared, best = Prepared(program), float("inf")
    with ThreadPoolExecutor(threads) if threads > 1 else nullcontext() as pool:
        for _ in range(repeat):
            engine = FastEngine(prepared, batch, threads, pool)
            begin = time.perf_counter()
            engine.run_layer(0, {0: values})
            best = min(best, time.perf_counter() - begin)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()

    print(f"{INPUT_BITS}-bit operands into {SUM_BITS}-bit sums, gathers included, one thread")
    for words in WORDS:
        program = ternary_layer((words, 64), 1, 128, 128, 3)
        count = len(program.layers[0].tiles[0].instructions)
        elapsed = seconds(program, 1, 1, options.repeat)
        print(
            f"  {words:4d} words  {elapsed / count * 1e9:7.1f} ns an instruction"
            f"  {elapsed / count / words * 1e9:6.2f} a word"
        )

    for batch in (1, 16):
        print(f"ResNet-18's inner convolutions, density 0.2, batch {batch}, {options.threads} threads")
        total = 0.0
        for size, stride, inputs, outputs, kernel, times in RESNET18:
            program = ternary_layer((size, size), stride, inputs, outputs, kernel)
            count = len(program.layers[0].tiles[0].instructions)
            elapsed = seconds(program, batch, options.threads, options.repeat)
            total += elapsed * times
            print(
                f"  {size:3d}x{size:<3d} {inputs:3d} -> {outputs:3d} {kernel}x{kernel}  {count:7d} instructions"
                f"  {elapsed * 1e3:8.2f} ms  {elapsed / count * 1e9:7.1f} ns an instruction"
            )
        print(f"  all {total * 1e3:.1f} ms, {total / batch * 1e3:.1f} ms an image")


if __name__ == "__main__":
    main()
