"""What holds for all tests."""

from hypothesis import settings

# How long one example takes is the machine's affair: no test of these is about time.
settings.register_profile("leaklab", deadline=None)
settings.load_profile("leaklab")
