"""`python -m jobs.ingest --inputs FILE [--outputs FILE]`."""

import sys

from jobs.contract import main

if __name__ == "__main__":
    sys.exit(main("ingest"))
