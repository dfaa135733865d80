"""Faults of nanowires: what can go wrong, when it does, and what it does to a tile."""
