"""Calling Twilio within its quota."""
