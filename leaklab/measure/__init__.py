"""One target is started, sampled from outside, and ended: it becomes a trace."""
