"""SRAM compute-in-memory chips: mapping, converters, digital cycles and prices of arrays that add up charges."""
