"""The commands: each parses, calls and renders; what they share of it is in options.py, output.py and task.py."""
