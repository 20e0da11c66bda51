"""The event log: reading it, what memory learns from it, and appending callbacks."""
