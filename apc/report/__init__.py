"""Tables and texts made from programs and runs."""
