"""What a check of the installation found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

Status = Literal["ok", "warn", "FAIL"]


class Finding(NamedTuple):
    """``text``: what is so; ``remedy``: what to do about it, in one line; empty where all is well."""

    status: Status
    name: str
    text: str
    remedy: str = ""


Check = Callable[[], Iterable[Finding]]


def findings(name: str, check: Check) -> Iterator[Finding]:
    """What ``check`` finds; an error that escapes it is found too."""
    try:
        yield from check()
    except Exception as error:  # whatever breaks here is what the doctor is for
        reason = " ".join(str(error).split()) or "no message"
        yield Finding(
            "FAIL", name, f"{type(error).__name__}: {reason}", "mend the lines above first, then install again"
        )
