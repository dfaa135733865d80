"""The fast engine alone, on random ternary layers that no compiler made."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.kernel_throughput import RESNET18, WORDS, seconds, ternary_layer
from benchmarks.results import Result
from benchmarks.workload import Workload


def kernels(workload: Workload) -> Iterator[Result]:
    """Nanoseconds an instruction by row words, and the inner convolutions of ResNet-18 at 224x224."""
    size = workload.size
    repeat = 3 if size.repetitions > 1 else 1
    for words in WORDS if size.repetitions > 1 else WORDS[:2]:
        program = ternary_layer((words, 64), 1, 128, 128, 3)
        count = len(program.layers[0].tiles[0].instructions)
        nanoseconds = 1e9 * seconds(program, 1, 1, repeat) / count
        note = f"one thread, 4-bit operands into 12-bit sums; {nanoseconds / words:.2f} ns a word"
        yield Result(f"instruction on {words} words of 64 rows", nanoseconds, "ns", note=note)
    if size.repetitions > 1:
        for batch in (1, size.batch):
            total = sum(
                times * seconds(ternary_layer((edge, edge), stride, cin, cout, kernel), batch, size.threads, repeat)
                for edge, stride, cin, cout, kernel, times in RESNET18
            )
            note = f"an image, batch {batch}, {size.threads} threads, random weights of density 0.2"
            yield Result(f"ResNet-18's inner convolutions, batch {batch}", 1e3 * total / batch, "ms", note=note)
