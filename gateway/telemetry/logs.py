"""Logs: one JSON object per line for machines, or coloured text for a terminal.

Every log call names its fields one by one. No body, header, token, signature, name or
identity is ever logged.
"""

import logging
import sys

import structlog


def configure(*, is_json: bool) -> None:
    """Sends the logs of this process to standard error."""
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if is_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
