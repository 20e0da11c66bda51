"""Builds the gateway, runs it and stops it; several processes on one port."""
