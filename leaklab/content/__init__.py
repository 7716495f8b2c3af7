"""The scenarios: what an author declares, and how a scenario is found, loaded and validated."""
