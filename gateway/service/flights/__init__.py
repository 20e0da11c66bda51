"""Waiting for calls: sharing them, and their deadlines."""
