"""The first of leaklab that runs, as `leaklab` and as `python -m leaklab`: it is there at once, and then imports."""

# The interpreter's own module: `signal` is Python, and takes some milliseconds to import.
import _signal


def main() -> None:
    """Run the command line; a Ctrl-C while it is still being imported ends it without a word."""
    # Nothing has been started yet that would have to be ended.
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from leaklab.cli import main as run

    run()


if __name__ == "__main__":
    main()
