"""Problems: every error leaves as application/problem+json (RFC 9457), in one clear sentence."""

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from starlette.exceptions import HTTPException

from advisor.errors import (
    AdvisorError,
    DataInvalidError,
    InUseError,
    KeyInvalidError,
    KeyReusedError,
    LeaseLostError,
    NotAcceptableError,
    NotElsewhereError,
    NotFoundError,
    PageInvalidError,
    StorageFullError,
    TaskInvalidError,
    TellInvalidError,
    TooManyOpenError,
    UnknownLossError,
    UploadTooLargeError,
)
from api.auth import CHALLENGE, KeyMissingError, ScopeMissingError
from api.jobs import EngineNotReadyError
from api.limits import RateExceededError
from api.origins import HostRefusedError, OriginRefusedError
from api.schemas import Fault, Problem

MEDIA_TYPE = "application/problem+json"
_TYPE_PREFIX = "urn:softmax-advisor:problem:"
_SCHEMAS = "#/components/schemas/"
_GIVEN_LENGTH_MAX = 200
# Most special first: the first class that an error is an instance of names its problem.
_KNOWN: dict[type[AdvisorError], tuple[str, str, int]] = {
    NotFoundError: ("not-found", "There is no such thing here", 404),
    UnknownLossError: ("unknown-loss", "No loss of that name is in the catalogue", 422),
    DataInvalidError: ("data-invalid", "The data does not hold what the task says", 422),
    TaskInvalidError: ("task-invalid", "The task is not usable as given", 422),
    PageInvalidError: ("page-invalid", "The page token or size is not one of ours", 422),
    UploadTooLargeError: ("upload-too-large", "The file is larger than what may be sent", 413),
    NotAcceptableError: ("not-acceptable", "The answer cannot be had like that", 406),
    KeyReusedError: ("key-reused", "The Idempotency-Key belongs to another request", 422),
    InUseError: ("in-use", "Something that runs needs this", 409),
    StorageFullError: ("storage-full", "The disk of the service is full", 507),
    NotElsewhereError: ("not-elsewhere", "The legs of this calibration run here", 409),
    LeaseLostError: ("lease-lost", "Another trainer has this leg now", 409),
    TellInvalidError: ("tell-invalid", "What was told cannot be of that leg", 422),
    EngineNotReadyError: ("not-ready", "The service is not ready", 503),
    KeyMissingError: ("key-missing", "A key is needed here", 401),
    KeyInvalidError: ("key-invalid", "The key does not let anyone in", 401),
    ScopeMissingError: ("scope-missing", "The key does not allow this", 403),
    HostRefusedError: ("host-refused", "This server is not asked by that name", 403),
    OriginRefusedError: ("origin-refused", "Pages of other sites may not use this server", 403),
    RateExceededError: ("rate-exceeded", "There were too many requests", 429),
    TooManyOpenError: ("too-many-calibrations", "Too many calibrations wait or run", 429),
}
# Where the framework says no more than that it could not parse a body.
_NOT_JSON: dict[type[Exception], str] = {
    UnicodeDecodeError: "it is not UTF-8 text",
    RecursionError: "it is nested too deeply",
}
_HTTP_NAMES = {413: "body-too-large"}
_OTHERS = (
    ("request-invalid", "The request is not what this operation takes", 422),
    ("body-too-large", HTTPStatus(413).phrase, 413),
    ("method-not-allowed", HTTPStatus(405).phrase, 405),
    ("bad-request", HTTPStatus(400).phrase, 400),
    ("unavailable", "Unavailable", 503),
    ("internal", "Unexpected error", 500),
)
"""Problems that no error of ours stands for: name, title, status."""
_log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Let every error of this app leave as a problem."""
    app.add_exception_handler(AdvisorError, _on_advisor_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(OperationalError, _on_outage)
    app.add_exception_handler(InterfaceError, _on_outage)
    app.add_exception_handler(Exception, _on_unexpected)


def answer(request: Request, error: Exception) -> Response:
    """What an error leaves as, where no handler of the app's sees it."""
    if isinstance(error, AdvisorError):
        return _on_advisor_error(request, error)
    if isinstance(error, HTTPException):
        return _on_http_error(request, error)
    if isinstance(error, OperationalError | InterfaceError):
        return _on_outage(request, error)
    return _on_unexpected(request, error)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of an operation, for its OpenAPI description."""
    schema = {"$ref": _SCHEMAS + "Problem"}
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def described(openapi: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The description of an app's operations, with the schema that their problems refer to."""
    description = openapi()
    schema = Problem.model_json_schema(ref_template=_SCHEMAS + "{model}")
    description["components"]["schemas"] |= schema.pop("$defs") | {"Problem": schema}
    return description


class ProblemKind(NamedTuple):
    """A type of problem, and what one of it looks like."""

    name: str
    title: str
    status: int
    example: dict[str, Any]


def examples() -> tuple[ProblemKind, ...]:
    """Every type of problem with an example."""
    kinds = [(*known, error.__doc__ or "") for error, known in _KNOWN.items()]
    kinds += [(name, title, status, title) for name, title, status in _OTHERS]
    fault = Fault(field="task.metric", given="auc", problem="unknown metric 'auc'")
    return tuple(
        ProblemKind(
            name,
            title,
            status,
            Problem(
                type=_TYPE_PREFIX + name,
                title=title,
                status=status,
                detail=" ".join(detail.split()),
                instance="/v1/recommendations",
                errors=(fault,) if name == "request-invalid" else (),
            ).model_dump(mode="json", exclude_defaults=True),
        )
        for name, title, status, detail in kinds
    )


def _on_advisor_error(request: Request, error: Exception) -> Response:
    for known, (name, title, status) in _KNOWN.items():
        if isinstance(error, known):
            headers = _headers(error, status)
            return _problem(request, name, title, status, str(error), headers=headers)
    return _on_unexpected(request, error)


def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [_fault(fault) for fault in error.errors()]
    detail = "; ".join(f"{fault.field}: {fault.problem}" for fault in faults)
    return _problem(request, *_OTHERS[0], detail, errors=faults)


def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    for cause, reason in _NOT_JSON.items():
        if isinstance(error.__cause__, cause):
            fault = Fault(field="body", given=None, problem=f"this is not JSON: {reason}")
            detail = f"{fault.field}: {fault.problem}"
            return _problem(request, *_OTHERS[0], detail, errors=[fault])
    phrase = HTTPStatus(error.status_code).phrase
    name = _HTTP_NAMES.get(error.status_code, phrase.lower().replace(" ", "-"))
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"there is nothing at {request.url.path}"
    elif error.status_code == 405:
        detail = f"{request.method} is not allowed at {request.url.path}"
    return _problem(request, name, phrase, error.status_code, detail, headers=error.headers)


def _on_outage(request: Request, error: Exception) -> Response:
    _log.error("the database does not answer: %s", error)
    detail = "the database does not answer; try again in a while"
    return _problem(request, "unavailable", "Unavailable", 503, detail)


def _on_unexpected(request: Request, error: Exception) -> Response:
    # Starlette raises it again after the answer has gone, and the server logs it then.
    detail = "something went wrong in the service; its log says what"
    return _problem(request, "internal", "Unexpected error", 500, detail)


def _problem(
    request: Request,
    name: str,
    title: str,
    status: int,
    detail: str,
    *,
    errors: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    problem = Problem(
        type=_TYPE_PREFIX + name,
        title=title,
        status=status,
        detail=_printable(detail),
        instance=_printable(request.url.path),
        errors=tuple(errors),
    )
    # ASCII, because what was given may hold half a character that UTF-8 cannot.
    body = json.dumps(problem.model_dump(mode="json", exclude_defaults=True), ensure_ascii=True)
    return Response(body, status, headers=headers, media_type=MEDIA_TYPE)


def _headers(error: AdvisorError, status: int) -> dict[str, str]:
    if status == HTTPStatus.UNAUTHORIZED:
        return CHALLENGE
    seconds = getattr(error, "retry_after_seconds", None)
    return {} if seconds is None else {"Retry-After": str(math.ceil(seconds))}


def _fault(fault: Mapping[str, Any]) -> Fault:
    location = [str(part) for part in fault["loc"]]
    if fault["type"] == "json_invalid":
        reason = fault.get("ctx", {}).get("error", fault["msg"])
        return Fault(field="body", given=None, problem=f"this is not JSON: {reason}")
    place = location[1:] if len(location) > 1 else location
    given = None if fault["type"] == "missing" else _shown(fault.get("input"))
    problem = fault["msg"].removeprefix("Value error, ")
    return Fault(field=_printable(".".join(place)), given=given, problem=_printable(problem))


def _shown(given: object) -> str:
    text = given if isinstance(given, str) else repr(given)
    if len(text) > _GIVEN_LENGTH_MAX:
        text = f"{text[:_GIVEN_LENGTH_MAX]}..."
    return _printable(text)


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()
