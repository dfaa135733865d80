"""The one base class of every mistake a user can make."""

from __future__ import annotations


class UserError(ValueError):
    """A mistake in what the user gave. The message is one line: file, node or line; the reason; what to do."""
