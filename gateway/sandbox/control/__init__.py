"""The control API, through which tests drive the sandbox."""
