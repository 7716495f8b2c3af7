"""Runs one half as its user would, without the lab: `plain.py HALF WORKLOAD`, the workload as JSON."""

import json
import runpy
import sys


def main() -> None:
    """Load the half and call its `run`."""
    runpy.run_path(sys.argv[1])["run"](**json.loads(sys.argv[2]))


if __name__ == "__main__":
    main()
