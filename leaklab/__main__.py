"""`python -m leaklab` is `leaklab`."""

from leaklab.cli import main

main()
