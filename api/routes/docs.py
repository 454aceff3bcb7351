"""/docs: the description of the service as a page; all that it runs comes from here.

Swagger UI lies in the fastapi-offline package, of which nothing else is used. Its files are served
under that package's version, so that a browser keeps them for good.
"""

from functools import cache
from importlib.metadata import version
from importlib.resources import files

from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from api.routes.packed import pack, packed_response

router = APIRouter(include_in_schema=False)

_PACKAGE = "fastapi_offline"
_TYPES = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "start.js": "text/javascript; charset=utf-8",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/{number}/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/{number}/swagger-ui-bundle.js"></script>
<script src="/docs/{number}/start.js"></script>
</body>
</html>
"""
_START = b"""SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  layout: "BaseLayout",
  deepLinking: true,
  showExtensions: true,
  showCommonExtensions: true,
  validatorUrl: null,
});
"""


@router.get("/docs")
def show_docs(request: Request) -> Response:
    """Swagger UI over /openapi.json."""
    page = _PAGE.format(title=request.app.title, number=version(_PACKAGE))
    return Response(page, media_type="text/html", headers={"Content-Security-Policy": _POLICY})


@router.get("/docs/{number}/{name}")
def show_part(number: str, name: str, request: Request) -> Response:
    """A script or the style of that page."""
    if number != version(_PACKAGE) or name not in _TYPES:
        raise HTTPException(404)
    return packed_response(request, _packed(name), _TYPES[name])


@cache
def _packed(name: str) -> bytes:
    return pack(_START if name == "start.js" else (files(_PACKAGE) / "static" / name).read_bytes())
