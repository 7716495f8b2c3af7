"""The commands: each parses, calls and renders; what they share of it stands in options.py and output.py."""
