"""Compares the event log with Twilio's REST API and appends what is missing."""
