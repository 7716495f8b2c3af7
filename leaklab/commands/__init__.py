"""The commands: each parses, calls and renders.

What they share of it is in options.py, output.py and task.py; foresight.py comes before them.
"""
