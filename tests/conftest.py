"""Shared by all tests: reproducible hypothesis runs, no limit on an example's time on a loaded machine, and nothing of
the terminal that they are started from."""

import os

from hypothesis import HealthCheck, settings

for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(name, None)

settings.register_profile(
    "apc", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("apc")
