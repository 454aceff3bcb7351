"""Many listeners on one calibration, each on a connection of its own."""

import asyncio

import httpx
import httpx_sse


def events_heard(base_url: str, calibration_id: str, n_listeners: int) -> list[list[int]]:
    """The numbers of the events that each listener got until the calibration had ended."""
    return asyncio.run(_listen(base_url, calibration_id, n_listeners))


async def _listen(base_url: str, calibration_id: str, n_listeners: int) -> list[list[int]]:
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=base_url, timeout=300, limits=limits) as client:

        async def numbers() -> list[int]:
            path = f"/v1/calibrations/{calibration_id}/events"
            async with httpx_sse.aconnect_sse(client, "GET", path) as source:
                return [int(sent.id) async for sent in source.aiter_sse() if sent.data]

        return await asyncio.gather(*(numbers() for _ in range(n_listeners)))
