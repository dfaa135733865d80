"""What executes programs and counts events."""
