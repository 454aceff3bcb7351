"""Packed: a large file of an installed package, compressed once and kept by browsers for good."""

import gzip

from fastapi import Request, Response

_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}


def pack(body: bytes) -> bytes:
    """The same bytes for the same file, whenever."""
    return gzip.compress(body, mtime=0)


def packed_response(request: Request, packed: bytes, media_type: str) -> Response:
    """What was packed, as it is or unpacked for who cannot; its address must name its version."""
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(
            packed, headers={**_HEADERS, "Content-Encoding": "gzip"}, media_type=media_type
        )
    return Response(gzip.decompress(packed), headers=_HEADERS, media_type=media_type)
