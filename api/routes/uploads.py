"""/v1/uploads: files that are sent, to be named by tasks as `upload:ID`."""

from collections.abc import AsyncIterator
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response

from advisor.summary import DataPreview
from api.problems import responses
from api.routes.context import Id, PageSize, PageToken, Tenant, TheService
from api.routes.resource import ResourceRoute
from api.schemas import Listing
from api.stories import uploads
from api.stories.service import Service
from store.uploads import Upload

router = APIRouter(prefix="/v1/uploads", tags=["uploads"], route_class=ResourceRoute)

_PIECE_BYTES = 2**20
# The body as it is; limits of our own, which depend on who sends, take the place of the app's.
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_ANY_SIZE = 2**62
Name = Annotated[str, Query(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*$")]
Sha256 = Annotated[str | None, Query(pattern=r"^[0-9a-fA-F]{64}$")]
Rows = Annotated[int, Query(ge=1, le=100)]


@router.post(
    "",
    status_code=201,
    max_body_size=_ANY_SIZE,
    openapi_extra=_BODY,
    responses=responses(413, 422, 507),
)
async def create_upload(
    request: Request,
    service: TheService,
    tenant: Tenant,
    response: Response,
    name: Name = "upload",
    sha256: Sha256 = None,
) -> Upload:
    """Send a file as the body, whatever its content type; a task names it as `upload:ID`.

    What it is is told by its content, not by its name. With `sha256` the file is kept only if it
    arrived as it was sent.
    """
    upload = await _received(request, service, tenant, name, sha256)
    response.headers["Location"] = f"/v1/uploads/{upload.id}"
    return upload


@router.get("", responses=responses(422))
def list_uploads(
    service: TheService, tenant: Tenant, page_size: PageSize = 50, page_token: PageToken = None
) -> Listing[Upload]:
    """Uploads, newest first."""
    return Listing[Upload].of(service.store.uploads.list(tenant, page_size, page_token))


@router.get("/{upload_id}", responses=responses(404, 422))
def get_upload(upload_id: Id, service: TheService, tenant: Tenant) -> Upload:
    """What is known of an upload: format, size, checksum."""
    return service.store.uploads.get(tenant, upload_id)


@router.delete("/{upload_id}", status_code=204, responses=responses(404, 409, 422))
def delete_upload(upload_id: Id, service: TheService, tenant: Tenant) -> None:
    """Delete a file and all that was made of it; not while a calibration of it waits or runs."""
    uploads.delete(service, tenant, upload_id)


@router.get("/{upload_id}/preview", responses=responses(404, 422))
def preview_upload(
    upload_id: Id, service: TheService, tenant: Tenant, rows: Rows = 20
) -> DataPreview:
    """The first rows, the columns with their types, and what each would be taken for."""
    return uploads.look(service, tenant, upload_id, rows)


async def _received(
    request: Request, service: Service, tenant: str, name: str, sha256: str | None
) -> Upload:
    in_thread = anyio.to_thread.run_sync
    said = request.headers.get("content-length", "")
    n_bytes = int(said) if said.isdecimal() else None
    receipt = await in_thread(uploads.Receipt, service, tenant, name, n_bytes)
    try:
        async for piece in _pieces(request):
            await in_thread(receipt.write, piece)
        return await in_thread(receipt.finish, sha256)
    except BaseException:
        receipt.abandon()  # at once: where the client has gone, nothing can be awaited
        raise


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    """The body in pieces of a size that is worth a thread's time."""
    waiting = bytearray()
    async for chunk in request.stream():
        waiting += chunk
        if len(waiting) >= _PIECE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
