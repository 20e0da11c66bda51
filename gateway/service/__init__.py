"""The use cases: reading and changing rooms, taking callbacks in, feeding subscribers.
One set of them per Twilio account."""
