"""Logs: one JSON object per line where that is asked for, with the ids of request and calibration.

Without it logs stay what uvicorn and Python make of them. Nothing here logs a header or a body,
where keys and data are.
"""

from typing import Any

import structlog
from structlog.contextvars import merge_contextvars
from structlog.processors import JSONRenderer, TimeStamper, format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level, add_logger_name
from uvicorn.config import LOGGING_CONFIG

from api.settings import Settings

REQUESTS = "api.requests"
"""The logger that is told of every request."""


def logging_config(settings: Settings) -> dict[str, Any]:
    """What `logging.config.dictConfig` takes for these settings."""
    if settings.log_format == "text":
        return LOGGING_CONFIG
    ours = {"handlers": ["json"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": _formatter}},
        "handlers": {"json": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["json"], "level": "WARNING"},
        "loggers": {
            REQUESTS: {"level": "INFO"},
            "uvicorn": {**ours, "level": "INFO"},
            # Our own line of a request says more.
            "uvicorn.access": {**ours, "level": "WARNING"},
            "dbos": ours,
        },
    }


def _formatter() -> ProcessorFormatter:
    return ProcessorFormatter(
        foreign_pre_chain=[
            merge_contextvars,
            add_log_level,
            add_logger_name,
            ExtraAdder(allow=("method", "path", "status", "seconds", "operation", "key", "tenant")),
            TimeStamper(fmt="iso", utc=True),
            format_exc_info,  # as text: the other way shows the values of variables, too
        ],
        processors=[ProcessorFormatter.remove_processors_meta, JSONRenderer()],
    )


def about(**ids: str) -> Any:
    """A context in which every line says these ids."""
    return structlog.contextvars.bound_contextvars(**ids)
