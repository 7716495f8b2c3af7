"""leaklab: paired leaky and fixed programs, each run in a process of its own and measured from outside."""

__version__ = "0.1.0"
