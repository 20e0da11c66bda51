"""The state of a room as the log has it, and its comparison with Twilio's REST API.

Does no I/O.
"""
