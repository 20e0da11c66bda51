"""Calls to Twilio, within its quota."""
