"""`apc.compare` and `apc.crossbar` as users reach them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import apc

ROOT = Path(__file__).parent.parent.parent.parent


def test_the_crossbar_module_is_loaded_when_it_is_asked_for() -> None:
    script = (
        "import sys, apc; assert 'torch' not in sys.modules; print(apc.crossbar.CrossbarConfig(adc_bits=8).adc_bits)"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (result.stdout, result.stderr) == ("8\n", "")


def test_no_other_name_appears() -> None:
    with pytest.raises(AttributeError, match="module 'apc' has no attribute 'nothing'"):
        apc.nothing  # type: ignore[attr-defined]  # noqa: B018
    assert set(apc.__all__) <= set(dir(apc)) | {"crossbar", "acim", "nn"}
