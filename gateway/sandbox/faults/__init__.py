"""Faults that tests can order."""
