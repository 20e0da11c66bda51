"""Changes at Twilio, and creating a room only once per idempotency key."""
