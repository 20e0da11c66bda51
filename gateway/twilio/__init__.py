"""All that knows Twilio: its wire format, its signatures, its callbacks. Only `client` touches the network."""
