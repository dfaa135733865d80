"""The fast engine alone: an addition beside what the machine can load and store, and layers that no compiler made."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.kernel_throughput import RESNET18, WORDS, seconds, ternary_layer
from benchmarks.results import Limit, Result
from benchmarks.workload import Workload

LEAST = {1: 2e10, 49: 2e11}
"""Row words -> row-bits a second and core that an addition must reach."""


def kernels(workload: Workload) -> Iterator[Result]:
    """An addition and its load/store limit, nanoseconds an instruction, the inner convolutions of ResNet-18."""
    size = workload.size
    full = size.repetitions > 1
    yield from _roofline((1, 4, 13, 49, 196) if full else (1,), full)
    repeat = 3 if full else 1
    for words in WORDS if full else WORDS[:2]:
        program = ternary_layer((words, 64), 1, 128, 128, 3)
        count = len(program.layers[0].tiles[0].instructions)
        nanoseconds = 1e9 * seconds(program, 1, 1, repeat) / count
        note = f"one thread, 4-bit operands into 12-bit sums; {nanoseconds / words:.2f} ns a word"
        yield Result(f"instruction on {words} words of 64 rows", nanoseconds, "ns", note=note)
    if full:
        for batch in (1, size.batch):
            total = sum(
                times * seconds(ternary_layer((edge, edge), stride, cin, cout, kernel), batch, size.threads, repeat)
                for edge, stride, cin, cout, kernel, times in RESNET18
            )
            note = f"an image, batch {batch}, {size.threads} threads, random weights of density 0.2"
            yield Result(f"ResNet-18's inner convolutions, batch {batch}", 1e3 * total / batch, "ms", note=note)


def _roofline(words: tuple[int, ...], full: bool) -> Iterator[Result]:
    from benchmarks.roofline import OPERAND_BITS, SUM_BITS, addition_seconds, limit_seconds
    from simulator.rtm.engine import choose_lanes

    for count in words:
        lanes = choose_lanes(count, 1, 1)
        taken, least = addition_seconds(count, lanes), limit_seconds(count, lanes)
        rate = 64 * count * SUM_BITS / taken
        note = f"{OPERAND_BITS} bits into {SUM_BITS}, counted, one thread, {lanes} words at once; {1e9 * taken:.1f} ns"
        limit = Limit(">=", LEAST[count]) if full and count in LEAST else None
        yield Result(f"addition on {count} words of 64 rows, row-bits a second", rate, "", limit, note)
        note = f"its loads and stores alone: {1e9 * least:.1f} ns"
        yield Result(
            f"addition on {count} words of 64 rows, share of the load/store limit", least / taken, "x", note=note
        )
