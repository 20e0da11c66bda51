"""Twilio's status callbacks and their retries."""
