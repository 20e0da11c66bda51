"""Twilio's REST API over the simulated rooms."""
