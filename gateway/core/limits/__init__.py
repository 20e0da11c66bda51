"""Rates, points, queues, retries and the circuit breaker, as arithmetic. No I/O."""
