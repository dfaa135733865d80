"""The racetrack-memory associative processor: tiling, layout, emission, cost."""
