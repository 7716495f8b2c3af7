"""From a trace to a verdict: pure functions over numbers."""
