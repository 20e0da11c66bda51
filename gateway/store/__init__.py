"""All that knows Redis. Every key of an account carries its hash tag, so scripts also run on a cluster."""
