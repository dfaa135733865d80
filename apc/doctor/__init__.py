"""What `apc doctor` checks. Nothing is imported before its check: what is broken is a finding, not a traceback."""
