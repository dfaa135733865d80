"""Shared by all tests: reproducible hypothesis runs, and no limit on an example's time on a loaded machine."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "apc", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("apc")
