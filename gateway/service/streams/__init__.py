"""What subscribers receive: event streams, timelines and live views."""
