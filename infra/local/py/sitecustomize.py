# Found through PYTHONPATH by the emulator only.
import asyncio
import os
import socketserver

# The runtime API writes headers and body apart; with Nagle's algorithm that costs one delayed ACK (40 ms) on every
# function call.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True

if os.environ.get("AUTH") == "true":
    import conditions

    # Not for the functions, which inherit the emulator's environment.
    conditions.install(os.environ.pop("COUNTERFOIL_CALLS", None))

# One event loop serves everything that tests ask for. It is only speed: without it the rights hold, too.
try:
    import uvloop

    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
except (AttributeError, ImportError):
    pass
