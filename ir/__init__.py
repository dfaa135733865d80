"""The representations and their meaning: integer graph, adder DAG, microcode, assembly text."""
