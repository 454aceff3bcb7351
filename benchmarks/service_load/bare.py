"""The least that answers such a post: FastAPI reads the same body and sends the same bytes.

    python -m benchmarks.service_load.bare PORT FILE

serves the bytes of a file to POST /v1/recommendations, keeps nothing and checks nothing else.
"""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response

from api.schemas import RecommendationRequest


def bare_app(answer: bytes) -> FastAPI:
    """One post, in a thread as ours is, because ours waits for a database."""
    app = FastAPI()

    @app.post("/v1/recommendations", status_code=201)
    def create(body: RecommendationRequest) -> Response:
        return Response(answer, 201, media_type="application/json")

    return app


if __name__ == "__main__":
    uvicorn.run(bare_app(Path(sys.argv[2]).read_bytes()), port=int(sys.argv[1]))
