"""Halves in Go: finds the toolchain, builds a half with the worker that runs it, and reads Go's stacks."""
