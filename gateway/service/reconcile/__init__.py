"""Comparing the log with Twilio's REST and appending what is missing."""
