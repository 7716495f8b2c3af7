"""What the lab starts for a half to talk to, and the process that owns it."""
