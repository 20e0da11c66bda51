"""Validates and runs GraphQL documents."""
