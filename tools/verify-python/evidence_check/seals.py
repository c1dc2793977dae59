"""Section 11: the seal, a signed note."""

import re
from hashlib import sha256

from . import Fault, require
from .canonical import MAX_INT, b64

DEFAULT_PREFIX = "evidence.counterfoil.example/s/"
FIRST_PREV = "0" * 64
MAX_NOTE = 16384
MAX_LINES = 16

_BODY = re.compile(r"([\x21-\x2a\x2c-\x7e]+)\n([1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n"
                   r"at ([1-9][0-9]{0,15})\nhead ([0-9a-f]{64})\nprev ([0-9a-f]{64})\n").fullmatch
_PLACE = re.compile(r"[^\n]*\n([1-9][0-9]{0,15})\n[^\n]*\nat ([1-9][0-9]{0,15})\n").match
_PREFIX = re.compile(r"[\x21-\x2a\x2c-\x7e]{0,125}/s/").fullmatch
# Unicode White_Space (PropList.txt), U+0000 to U+0020, U+007F and the plus sign.
_NAME = re.compile("[^+\u0000-\u0020\u007f\u0085\u00a0\u1680\u2000-\u200a"
                   "\u2028\u2029\u202f\u205f\u3000]+").fullmatch


def is_prefix(text):
    return _PREFIX(text) is not None


def place(note):
    """The size and time that a note states, without any other check."""
    found = _PLACE(note)
    require(found, "E_NOTE_SYNTAX", "a seal without size and time")
    return int(found.group(1)), int(found.group(2))


class Seal:
    """A note that was read; `verified` are the keys whose signatures were right."""

    __slots__ = ("body", "origin", "size", "root", "at", "head", "prev", "lines", "hash", "reduced",
                 "verified", "note")


def read(note):
    """The grammar: E_LIMIT, E_NOTE, E_NOTE_LINES, E_NOTE_SYNTAX, E_SIG_SYNTAX, E_B64…."""
    data = note.encode("utf-8")
    require(len(data) <= MAX_NOTE, "E_LIMIT", "a note over 16,384 bytes")
    require(note.count("\n\n") == 1 and "\n\n\n" not in note
            and note.endswith("\n") and not note.startswith("\n") and not note.endswith("\n\n"),
            "E_NOTE", "a note has exactly one empty line and ends in LF")
    body, lines = note.split("\n\n")
    body += "\n"
    lines = lines[:-1].split("\n")
    require(len(lines) <= MAX_LINES, "E_LIMIT", "more than 16 signature lines")
    require(body.count("\n") == 6, "E_NOTE_LINES", "the body has six lines")
    found = _BODY(body)
    require(found, "E_NOTE_SYNTAX", "a line of the body does not match")
    seal = Seal()
    seal.origin, size, root, at, seal.head, seal.prev = found.groups()
    seal.size, seal.at = int(size), int(at)
    require(seal.size <= MAX_INT and seal.at <= MAX_INT, "E_NOTE_SYNTAX", "a number out of range")
    try:
        seal.root = b64(root)
    except Fault:
        raise Fault("E_NOTE_SYNTAX", "the root is not canonical base64") from None
    seal.note, seal.body = note, body.encode("ascii")
    seal.lines = [_line(line) for line in lines]
    own = [line + "\n" for line in lines if line.split(" ")[1] == seal.origin]
    seal.reduced = (body + "\n" + "".join(own)).encode("utf-8")
    seal.hash = sha256(seal.reduced).hexdigest()
    seal.verified = []
    return seal


def _line(line):
    words = line.split(" ")
    require(len(words) == 3 and words[0] == "\u2014" and _NAME(words[1]) and words[2],
            "E_SIG_SYNTAX", "a signature line is: dash, name, base64")
    payload = b64(words[2])
    require(len(payload) > 4, "E_SIG_SYNTAX", "a signature line without a signature")
    return words[1], payload


def verify(checker, note, origin, keys):
    """Step 5 for one note: grammar, origin, and the signatures of the usable keys."""
    seal = read(note)
    require(seal.origin == origin, "E_ORIGIN", "a seal of another stream or deployment")
    for name, payload in seal.lines:
        if name != origin:
            continue
        named = [key for key in keys if key.id == payload[:4]]
        right = [key for key in named if checker.p256(key, seal.body, payload[4:])]
        if named and not right:
            raise Fault("E_SIG", "a signature of a pinned key is wrong (seal of size %d)", seal.size)
        seal.verified += right
    require(seal.verified, "E_NO_TRUSTED_SIG", "no signature of a usable pinned key")
    return seal
