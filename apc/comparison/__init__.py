"""One network on racetrack-memory associative processors and on crossbars: cost, accuracy, where they tie, and why."""
