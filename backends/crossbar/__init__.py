"""Crossbar chips: mapping, periphery and prices of compute-in-memory arrays of resistive or SRAM cells."""
