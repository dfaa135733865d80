"""A tile's microcode, one micro-operation at a time, over bit planes: what faults act on and cells are worn by."""
