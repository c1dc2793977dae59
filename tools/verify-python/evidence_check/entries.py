"""Sections 5 and 7, and step 7: one entry after the other, until its leaf is known."""

from hashlib import sha256

from . import Fault, require
from .canonical import MAX_DEPTH, depth, is_hex64, is_uint, jcs, read_line
from .facts import KINDS, RUN_ID
from .merkle import commitment, decode_proof
from .reading import salt_of

MAX_HEADER = 2048
MAX_PART = {"facts": 65536, "subject": 262144}
ABSENT = object()  # no proof; null would be one of a wrong type
_HEADER_FIELDS = {"alg", "at", "kind", "parts", "prev", "seq", "stream", "v"}


class Entry:
    """One entry: `commits` from the header, `facts` always present, `redacted_by` the `x` of an
    absent subject. `leaf` is bytes, `hash` the same in hex."""

    __slots__ = ("seq", "at", "kind", "prev", "run", "n", "run_prev", "commits", "facts",
                 "redacted_by", "leaf", "hash", "proof")

    def __str__(self):
        return "entry %d (%s)" % (self.seq, self.kind)


def from_line(item, stream):
    """An entry of the folder form: (header line, its match with HEADER, or else the header, parts)."""
    line, found, header, parts = item
    if not found or found.group(2) not in KINDS or found.group(10) != stream:
        entry = _header(read_line(line) if found else header, line, stream)
    else:
        entry = Entry()
        at, entry.kind, facts, subject, entry.prev, entry.run, n, entry.run_prev, seq, _ = found.groups()
        entry.at, entry.seq = int(at), int(seq)
        entry.commits = {"facts": facts, "subject": subject} if subject else {"facts": facts}
        if n is not None:
            entry.n = int(n)
        _run_presence(entry.kind, n is not None, entry.seq)
        entry.leaf = sha256(b"\x00" + line).digest()
        entry.hash = entry.leaf.hex()
    entry.proof = ABSENT
    require(parts.keys() == entry.commits.keys(), "E_PART_SET", "%s: other parts than its header", entry)
    entry.redacted_by = None
    for name in ("facts", "subject"):
        if name in parts:
            _part(entry, name, parts[name])
    return entry


def from_json(item, stream, may_have_proof):
    """An entry of a JSON document."""
    require(type(item) is dict, "E_FORMAT", "an entry is an object")
    names = set(item)
    require(names <= ({"h", "p", "proof"} if may_have_proof else {"h", "p"}), "E_ENTRY_FIELDS",
            "an entry with a field that does not belong")
    require({"h", "p"} <= names, "E_ENTRY_FIELDS", "an entry without header or parts")
    entry = header_only(item["h"], stream)
    parts = item["p"]
    require(type(parts) is dict, "E_FORMAT", "%s: p is an object", entry)
    require(parts.keys() == entry.commits.keys(), "E_PART_SET", "%s: other parts than its header", entry)
    entry.redacted_by = None
    for name in ("facts", "subject"):
        if name not in parts:
            continue
        part = parts[name]
        shape = set(part) if type(part) is dict else None
        require(shape in ({"d", "s"}, {"x"}), "E_FORMAT", "%s: a part is d and s, or x", entry)
        _part(entry, name, part["x"] if "x" in part else (
            part["d"], jcs(part["d"]), salt_of(part["s"]), True))
    entry.proof = item.get("proof", ABSENT)
    return entry


def header_only(header, stream):
    require(type(header) is dict, "E_FORMAT", "a header is an object")
    entry = _header(header, jcs(header), stream)
    entry.proof = ABSENT
    return entry


def _header(header, data, stream):
    """Fields, v, alg, kind, stream, types, part names, run, length: in the order of step 7."""
    require(type(header) is dict, "E_FORMAT", "a header is an object")
    require(_HEADER_FIELDS <= set(header) <= _HEADER_FIELDS | {"run"}, "E_HDR_FIELDS",
            "a header with other fields")
    require(type(header["v"]) is int and header["v"] == 1, "E_VERSION", "v is not 1")
    require(header["alg"] == "sha256", "E_ALG", "alg is not sha256")
    kind = header["kind"]
    require(type(kind) is str and kind in KINDS, "E_KIND", "an unknown kind")
    require(header["stream"] == stream, "E_STREAM", "an entry of another stream")
    parts = header["parts"]
    require(is_uint(header["at"]) and is_uint(header["seq"]) and is_hex64(header["prev"])
            and type(parts) is dict and all(map(is_hex64, parts.values())), "E_TYPES",
            "at, seq, prev or parts of a header is ill-typed")
    require(set(parts) in ({"facts"}, {"facts", "subject"}), "E_PART_NAME",
            "parts are facts, and subject or not")
    entry = Entry()
    entry.at, entry.seq, entry.prev, entry.kind = header["at"], header["seq"], header["prev"], kind
    entry.commits = parts
    entry.run = None
    _run_presence(kind, "run" in header, entry.seq)
    if "run" in header:
        run = header["run"]
        require(type(run) is dict and set(run) == {"id", "n", "prev"} and type(run["id"]) is str
                and RUN_ID(run["id"]) and is_uint(run["n"]) and is_hex64(run["prev"]),
                "E_RUN_FIELD", "%s: run has id, n, prev", entry)
        entry.run, entry.n, entry.run_prev = run["id"], run["n"], run["prev"]
    require(len(data) <= MAX_HEADER, "E_LIMIT", "%s: a header over 2,048 bytes", entry)
    entry.leaf = sha256(b"\x00" + data).digest()
    entry.hash = entry.leaf.hex()
    return entry


def _run_presence(kind, has_run, seq):
    demanded = KINDS[kind][0]
    require(demanded is None or demanded == has_run, "E_RUN_FIELD",
            "entry %d (%s): run is missing or does not belong", seq, kind)


def _part(entry, name, part):
    """A part is (content, its canonical bytes, salt, whether it may nest too deep), or the number of
    the redact entry."""
    if type(part) is not tuple:
        require(is_uint(part), "E_FORMAT", "%s: x is a number", entry)
        require(part > entry.seq, "E_PART_MISSING", "%s: no later entry explains its %s", entry, name)
        require(name != "facts", "E_FACTS_PROTECTED", "%s: its facts are absent", entry)
        entry.redacted_by = part
        return
    content, data, salt, maybe_deep = part
    require(type(content) is dict, "E_FORMAT", "%s: %s is an object", entry, name)
    require(len(data) <= MAX_PART[name], "E_LIMIT", "%s: %s is too long", entry, name)
    if maybe_deep:
        require(depth(content) <= MAX_DEPTH, "E_DEPTH", "%s: %s nests too deep", entry, name)
    require(salt is not None and commitment(salt, data) == entry.commits[name],
            "E_PART_HASH", "%s: %s is not what the header commits to", entry, name)
    if name == "facts":
        entry.facts = content


def proof_of(entry):
    """The decoded proof of an entry that must have one."""
    require(entry.proof is not ABSENT, "E_ENTRY_FIELDS", "%s: no proof", entry)
    return decode_proof(entry.proof)


# Section 4.

def check_descriptor(descriptor):
    """E_DESCRIPTOR; answers the canonical bytes."""
    try:
        names = set(descriptor) if type(descriptor) is dict else set()
        before = descriptor.get("predecessor", _NO_PREDECESSOR) if names else None
        sealers = descriptor.get("sealers") if names else None
        data = jcs(descriptor)
        right = (
            {"created", "nonce", "sealers", "v", "workspace"} <= names
            <= {"created", "nonce", "predecessor", "sealers", "v", "workspace"}
            and is_uint(descriptor["created"]) and is_hex64(descriptor["nonce"])
            and type(descriptor["v"]) is int and descriptor["v"] == 1
            and is_hex64(descriptor["workspace"])
            and type(sealers) is list and 1 <= len(sealers) <= 8 and all(map(is_hex64, sealers))
            and len(set(sealers)) == len(sealers)
            and type(before) is dict and set(before) == {"root", "seal", "size", "stream"}
            and is_uint(before["size"]) and all(is_hex64(before[name])
                                                for name in ("root", "seal", "stream"))
            and len(data) <= 2048)
    except RecursionError:
        right = False
    if not right:
        raise Fault("E_DESCRIPTOR", "the descriptor has another shape")
    return data


_NO_PREDECESSOR = {"root": "0" * 64, "seal": "0" * 64, "size": 0, "stream": "0" * 64}
