"""Health: what says that the desk is well, and what says that it is not."""
