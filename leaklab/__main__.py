"""The first of leaklab that runs, as `leaklab` and as `python -m leaklab`: it is there at once, and then imports."""

# The interpreter's own module: `signal` is Python, and takes some milliseconds to import.
import _signal
import gc
import os
import sys

MEASURING = (["run"], ["compare"], ["check"], ["watch"])
"""The commands that need services."""


def main() -> None:
    """Run the command line; a Ctrl-C while it is still being imported ends it without a word."""
    # Nothing has been started yet that would have to be ended.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    # With `python -m leaklab`, Python looks for modules in this folder first: what lies in it is not leaklab's.
    if __name__ == "__main__" and not sys.flags.safe_path:
        del sys.path[0]
    # What is imported stays; looking through it for garbage would take 6 of the 130 ms that the imports take.
    gc.disable()
    if sys.argv[1:2] in MEASURING and "--help" not in sys.argv:
        from leaklab.commands import foresight

        foresight.start(sys.argv[1:])
    from leaklab.cli import main as run

    try:
        run()
    except SystemExit as left:
        # All is decided and ended. Python would still wait for threads, and run what is left to be run at its exit: an
        # author's code may have made both.
        for stream in (sys.stdout, sys.stderr):
            try:  # noqa: SIM105 # contextlib is an import
                stream.flush()
            except (OSError, ValueError):
                pass
        if "leaklab.lab.ahead" in sys.modules:
            sys.modules["leaklab.lab.ahead"].end()
        os._exit(left.code if isinstance(left.code, int) else 1)


if __name__ == "__main__":
    main()
