"""The simulated rooms and what can happen to them."""
