"""`python -m tests.benchmarks.bare PORT`: the least that an application of Starlette does with a callback.

Served as the bot is: uvicorn on uvloop, without an access log.
"""

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def callback(request: Request) -> Response:
    await request.body()
    return Response()


if __name__ == "__main__":
    application = Starlette(routes=[Route("/smile-id/callback/{token}", callback, methods=["POST"])])
    port = int(sys.argv[1])
    uvicorn.run(application, port=port, loop="uvloop", access_log=False, log_config=None, lifespan="off")
