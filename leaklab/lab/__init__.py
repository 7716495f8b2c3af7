"""A pair is run and judged: services up, each half measured, services down."""
