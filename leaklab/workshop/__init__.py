"""The exercises of a learner: their files, their state, and the check that measures a fix."""
