"""Waiting: calls that several callers share, and deadlines."""
