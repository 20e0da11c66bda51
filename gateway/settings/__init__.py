"""What the operator configures."""
