"""/ and /web: the page and its files, for a browser. They hold nothing of any tenant's.

The modules are served as they are, with an ETag; plotly, which is large and never changes under
its version, is compressed once and kept by the browser for good.
"""

import hashlib
import re
from functools import cache, lru_cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from api.routes.packed import pack, packed_response

router = APIRouter(include_in_schema=False)

_FOLDER = Path(__file__).parents[1] / "web"
_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
# Names of ours only: no dot but the last, so that no path leads out of the folder.
_NAME = re.compile(r"(?:[a-z0-9_-]+/)*[a-z0-9_-]+\.(?P<ending>[a-z]+)", re.ASCII)
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)


class _Content(NamedTuple):
    body: bytes
    tag: str


@router.get("/")
def show_page(request: Request) -> Response:
    """The page; which view of it is shown is behind the # of its address."""
    page = _answer(request, "index.html")
    page.headers["Content-Security-Policy"] = _POLICY
    return page


@router.get("/web/plotly-{number}.js")
def show_plotly(number: str, request: Request) -> Response:
    """plotly.js of the installed package, under the version that the page names."""
    if number != version("plotly"):
        raise HTTPException(404)
    return packed_response(request, _plotly(), _TYPES["js"])


@router.get("/web/{name:path}")
def show_file(name: str, request: Request) -> Response:
    """A module, a style sheet or an image of the page."""
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    match, path = _NAME.fullmatch(name), _FOLDER / name
    if match is None or match["ending"] not in _TYPES or not path.is_file():
        raise HTTPException(404)
    content = _read(path, path.stat().st_mtime_ns)
    headers = {"ETag": content.tag, "Cache-Control": "no-cache"}
    if content.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content.body, headers=headers, media_type=_TYPES[match["ending"]])


@lru_cache(maxsize=100)
def _read(path: Path, _changed_at: int) -> _Content:
    body = path.read_bytes()
    if path.suffix == ".html":
        body = body.replace(b"PLOTLY_VERSION", version("plotly").encode())
    return _Content(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


@cache
def _plotly() -> bytes:
    script = files("plotly") / "package_data" / "plotly.min.js"
    return pack(script.read_bytes())
