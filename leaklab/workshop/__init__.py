"""A learner's exercises: their files, their progress, and the check that measures a fix."""
