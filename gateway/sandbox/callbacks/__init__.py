"""Status callbacks and their retries."""
