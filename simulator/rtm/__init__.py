"""The racetrack-memory machine: a reference engine to be read and a fast one."""
