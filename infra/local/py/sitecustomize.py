# Found through PYTHONPATH by the emulator only.
import asyncio
import os
import socketserver

import uvloop

# One event loop serves everything that tests ask for.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
# The runtime API writes headers and body apart; with Nagle's algorithm that costs one delayed ACK (40 ms) on every
# function call.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True

if os.environ.get("AUTH") == "true":
    import conditions

    # Not for the functions, which inherit the emulator's environment.
    conditions.install(os.environ.pop("COUNTERFOIL_CALLS", None))
