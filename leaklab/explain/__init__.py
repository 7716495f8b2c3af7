"""Looks inside: which line opened what a finding counts, and what keeps it alive. Never while anything is measured."""
