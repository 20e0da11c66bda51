"""Twilio's REST API, served from the simulated rooms."""
