"""The state of a room as the log tells it, and its comparison with Twilio's REST.

No I/O.
"""
