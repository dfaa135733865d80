"""One network on racetrack-memory associative processors, crossbars and SRAM arrays: cost, accuracy, where they tie,
and why."""
