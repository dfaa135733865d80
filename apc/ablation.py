"""What each pass is worth: the model compiled again with one pass off, for several passes in turn."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from apc.driver import CompileOptions, compile_model
from apc.options import Progress
from apc.passes import choose_passes
from apc.report.compilation import compile_report
from backends.rtm_ap.layout import CapacityError


@dataclass(frozen=True)
class Ablation:
    """One compilation. ``off``: the pass that was off, or None; ``report``: of `apc compile`, None where a layer does
    not fit an array without that pass; ``refused``: why, else ""."""

    off: str | None
    report: dict[str, Any] | None
    refused: str = ""


def ablate(
    source: Any, options: CompileOptions, off: Iterable[str | None], progress: Progress, example: Any = None
) -> list[Ablation]:
    """Compile once for every pass of ``off``, with that one off (None: with all on) and the others as ``options`` has
    them.

    ``progress`` counts compilations. Raises UserError as ``compile_model`` does, but not for what does not fit.
    """
    passes = choose_passes(options.level, options.passes, options.pass_options)
    names = list(off)
    results = []
    for index, name in enumerate(names):
        remaining = passes if name is None else passes.without(name)
        without = replace(options, passes=",".join(remaining.texts), pass_options=(), after_pass=None)
        what = "all passes" if name is None else f"without {name}"

        def update(done: int, total: int, label: str, index: int = index, what: str = what) -> None:
            progress(index, len(names), f"{what}: {label}")

        started = time.perf_counter()
        try:
            compilation = compile_model(source, without, example=example, progress=update)
        except CapacityError as error:
            results.append(Ablation(name, None, str(error)))
            continue
        compile_s = time.perf_counter() - started
        results.append(Ablation(name, compile_report(compilation.program, compile_s, compilation.warnings)))
    return results
