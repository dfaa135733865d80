"""The public names of ``apc.nn``."""

from __future__ import annotations

import inspect
from importlib import import_module

import pytest

import apc


@pytest.mark.parametrize(
    "name", ["convert", "calibrate", "restart", "export", "fold_batch_norm", "summary", "predict_errors", "resolve"]
)
def test_public_functions_are_not_hidden_by_modules_of_their_name(name: str) -> None:
    module = inspect.getmodule(getattr(apc.nn, name))
    assert module is not None
    import_module(module.__name__)
    assert callable(getattr(apc.nn, name)) and name in apc.nn.__all__
