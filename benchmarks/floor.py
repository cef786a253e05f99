"""The floor: an aiohttp server whose handler reads the request and answers a constant.

Started as a module, `python -m benchmarks.floor PORT`. The answer is about as long as the manager's
answer to `queue`.
"""

import asyncio
import signal
import sys

from aiohttp import web

from benchmarks.processes import HOST

TASK = (
    b'{"id":"019ab2c3-d4e5-7f60-8a9b-0c1d2e3f4a5b","name":"queue","parameters":{"order":4711,"express":'
    b'true},"result":null,"status":"queued","error":null,"priority":0,"attempts":0,"max_attempts":5,'
    b'"lost":0,"max_lost":3,"run_at":"2026-01-01T00:00:00.000000Z","progress":null,"worker":null,'
    b'"lease_expires_at":null,"cancel_requested":false,"unique_key":null,"metadata":{},"created_at":'
    b'"2026-01-01T00:00:00.000000Z","updated_at":"2026-01-01T00:00:00.000000Z","started_at":null,'
    b'"finished_at":null}'
)
ANSWER = b'{"jsonrpc":"2.0","result":' + TASK + b',"id":1}'


async def constant(request: web.Request) -> web.Response:
    """The handler."""
    await request.read()
    return web.Response(body=ANSWER, content_type="application/json")


async def serve(port: int) -> None:
    """Answer until SIGTERM, with the settings that the manager's server has."""
    app = web.Application()
    app.router.add_post("/rpc", constant)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, HOST, port, backlog=4096).start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
