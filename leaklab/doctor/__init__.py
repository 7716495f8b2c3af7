"""Whether leaklab works on this machine: `examination` gathers the figures, `diagnoses` says what they mean."""
