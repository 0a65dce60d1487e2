"""`python -m jobs.train --inputs FILE [--outputs FILE]`."""

import sys

from jobs.contract import main

if __name__ == "__main__":
    sys.exit(main("train"))
