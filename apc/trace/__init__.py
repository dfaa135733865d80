"""A run over time, as a Chrome trace that Perfetto opens: layers, waves, tiles, groups, phases; power and use."""

from apc.trace.events import trace_events, write_trace

__all__ = ["trace_events", "write_trace"]
