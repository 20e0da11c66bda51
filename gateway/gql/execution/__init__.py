"""Checking and running GraphQL documents."""
