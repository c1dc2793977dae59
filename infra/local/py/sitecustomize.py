# Found through PYTHONPATH by the emulator only. Its runtime API writes headers and body apart; with Nagle's algorithm
# that costs one delayed ACK (40 ms) on every function call.
import os
import socketserver

socketserver.StreamRequestHandler.disable_nagle_algorithm = True

if os.environ.get("AUTH") == "true":
    import conditions

    # Not for the functions, which inherit the emulator's environment.
    conditions.install(os.environ.pop("COUNTERFOIL_CALLS", None))
