# Found through PYTHONPATH by the emulator only.
import asyncio
import functools
import gc
import os
import socketserver

from ministack.services import dynamodb

# The runtime API writes headers and body apart; with Nagle's algorithm that costs one delayed ACK (40 ms) on every
# function call.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True

# What the emulator keeps is not garbage, and is looked through again and again otherwise.
gc.set_threshold(100_000, 50, 50)

# A query reads its condition anew for every row that it looks at. Both go by nothing but the text.
for reads in ("_tokenize", "_condition_syntax_error"):
    setattr(dynamodb, reads, functools.lru_cache(maxsize=4096)(getattr(dynamodb, reads)))

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
