"""SRAM analog compute-in-memory: bit planes of weights, digits of inputs, and the converters between them."""
