"""Reading through memory and Redis."""
