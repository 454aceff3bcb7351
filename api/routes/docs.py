"""/docs: the description of the service as a page, with leave for the one script it needs."""

import base64
import hashlib
import re

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

_FROM = "https://cdn.jsdelivr.net"
_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


@router.get("/docs")
def show_docs(request: Request) -> HTMLResponse:
    """Swagger UI over /openapi.json; its code comes from a content network."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json", title=request.app.title, swagger_favicon_url="data:,"
    )
    digests = (hashlib.sha256(script).digest() for script in _SCRIPT.findall(bytes(page.body)))
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    page.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src {_FROM} {hashes}; style-src {_FROM} 'unsafe-inline'; "
        "img-src data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'"
    )
    return page
