"""The operating system: processes, limits, interrupts."""
