"""Changes at Twilio, and creating a room once."""
