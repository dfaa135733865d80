"""The error that the command line and the Python API show to a user, under the name the API documents."""

from __future__ import annotations

from ir.errors import UserError as ApcError

__all__ = ["ApcError"]
