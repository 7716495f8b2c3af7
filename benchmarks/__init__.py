"""Benchmarks: print ratios, judge nothing."""
