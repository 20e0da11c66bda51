"""The schema: one module per type."""
