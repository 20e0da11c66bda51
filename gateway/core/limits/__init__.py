"""Rates, points, queues, retries and the circuit breaker. Does no I/O."""
