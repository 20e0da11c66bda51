"""The control API that tests drive the sandbox with."""
