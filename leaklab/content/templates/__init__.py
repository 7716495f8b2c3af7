"""The files that `leaklab new` starts a scenario from."""
