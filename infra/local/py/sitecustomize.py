# Found through PYTHONPATH by the emulator only. Its runtime API writes headers and body apart; with Nagle's algorithm
# that costs one delayed ACK (40 ms) on every function call.
import socketserver

socketserver.StreamRequestHandler.disable_nagle_algorithm = True
