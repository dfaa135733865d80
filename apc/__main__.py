"""`python -m apc`."""

import sys

from apc.cli import main

if __name__ == "__main__":
    sys.exit(main())
