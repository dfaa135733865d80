"""Checks of the machine and of what is kept on it: processors, kernels that Numba compiled, the files of apc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from apc.doctor.findings import Finding

HOME = Path(__file__).resolve().parent.parent.parent
_KERNELS = ("ir", "backends", "simulator")
"""The packages with compiled kernels."""


def threads() -> Iterator[Finding]:
    """How many processors there are, and how many threads the libraries use."""
    import numba
    import torch

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    text = f"{usable} processors; Numba {numba.get_num_threads()}, PyTorch {torch.get_num_threads()} threads"
    yield Finding("ok", "threads", f"{text}; `apc run` takes two unless told (--threads)")


def processor() -> Iterator[Finding]:
    """What the processor can do that the kernels gain by: counting the bits of many words at once."""
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    if features.get("avx512vpopcntdq"):
        yield Finding("ok", "processor", f"{binding.get_host_cpu_name()}, counts bits by AVX-512 VPOPCNTDQ")
    else:
        text = (
            f"{binding.get_host_cpu_name()}, without AVX-512 VPOPCNTDQ: simulation takes longer, results are the same"
        )
        yield Finding("ok", "processor", text)


def kernel_cache() -> Iterator[Finding]:
    """Where Numba keeps compiled kernels, how much they take, and whether they are older than their sources."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        folders, place = [Path(chosen)], chosen
    else:
        folders = sorted({path.parent for name in _KERNELS for path in (HOME / name).rglob("*.py")})
        folders, place = [folder / "__pycache__" for folder in folders], f"__pycache__ of {HOME}"
    files = [file for folder in folders if folder.is_dir() for file in _kernels(folder, deep=bool(chosen))]
    size = sum(file.stat().st_size for file in files)
    indices = [file for file in files if file.suffix == ".nbi"]
    text = f"{len(indices)} compiled kernels, {size / 1e6:.1f} MB, in {place}"
    closed = [folder for folder in folders if not os.access(_existing(folder), os.W_OK)]
    stale = [] if chosen else [file for file in indices if _older_than_source(file)]
    if closed:
        remedy = "set NUMBA_CACHE_DIR to a folder of yours, or kernels are compiled anew in every run"
        yield Finding("warn", "Numba cache", f"{text}; not writable: {closed[0]}", remedy)
    elif stale:
        text += f"; {len(stale)} older than their source"
        yield Finding("warn", "Numba cache", text, "nothing: the next run compiles them again, which takes a minute")
    elif not indices:
        yield Finding("ok", "Numba cache", f"{text}: the first run compiles them, which takes a minute")
    else:
        yield Finding("ok", "Numba cache", text)


def _kernels(folder: Path, deep: bool) -> Iterator[Path]:
    for suffix in ("nbi", "nbc"):
        yield from folder.rglob(f"*.{suffix}") if deep else folder.glob(f"*.{suffix}")


def _existing(folder: Path) -> Path:
    """``folder``, or the nearest one above it that exists."""
    return folder if folder.exists() else _existing(folder.parent)


def _older_than_source(index: Path) -> bool:
    """Whether a kernel is older than the module that it is of: Numba's names begin with the module's."""
    source = index.parent.parent / f"{index.name.partition('.')[0]}.py"
    return source.exists() and source.stat().st_mtime > index.stat().st_mtime


def presets() -> Iterator[Finding]:
    """Whether every target that comes with apc can be read."""
    from apc.target_files import TARGETS, load_one_of, names_of

    names = names_of(TARGETS)
    figures = sum(len(load_one_of(TARGETS, name).figures()) for name in names)
    yield Finding("ok", "targets", f"{len(names)} presets with {figures} figures")


def report_page() -> Iterator[Finding]:
    """Whether the program of the page that `apc report` writes is there."""
    from apc.inspector.page import read_bundle
    from ir.errors import UserError

    try:
        bundle = read_bundle()
    except UserError as error:
        what, _, remedy = str(error).partition("; ")
        yield Finding("warn", "report page", what, remedy)
        return
    yield Finding("ok", "report page", f"its program takes {len(bundle.script) / 1e3:.0f} kB")
