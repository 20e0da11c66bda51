"""The event log in this process: reading it, the room memory that it feeds, heartbeats, and appending callbacks."""
