"""What a user can mend about a conversion."""

from __future__ import annotations

from ir.errors import UserError


class ConversionError(UserError):
    """A model, a layer or an option that cannot be simulated; the line names it and says what to do."""
