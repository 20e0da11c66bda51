"""Callers: how they are identified, and what they may spend."""
