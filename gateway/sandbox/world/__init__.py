"""The simulated rooms and everything that can happen to them."""
