"""What subscribers receive: event streams and live views."""
