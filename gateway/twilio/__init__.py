"""Everything that knows Twilio: its wire format, signatures, callbacks and tokens.

Only `client` does I/O.
"""
