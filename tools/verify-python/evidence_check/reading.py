"""Section 12 and steps 1 to 3: a package in any of its forms becomes one document, within limits."""

import io
import os
import re
import zlib

from . import Fault, Undecided, require
from .canonical import MAX_DEPTH, b64, brackets, is_hex64, is_uint, jcs, read_document, read_line
from .facts import RUN_ID
from .merkle import decode_proof
from .seals import place

GIB = 1 << 30
MAX_FILES = 100000
MAX_SEAL_LINE = 33024
REQUIRED = ("package.json", "descriptor.json", "headers.jsonl", "parts.jsonl", "seals.jsonl")
_TOKEN = re.compile(r"timestamps/([0-9a-f]{64})\.tsr").fullmatch

EXPORT, RANGE, RUN = "counterfoil.export/1", "counterfoil.range/1", "counterfoil.run/1"
_MUST = {"descriptor", "entries", "format", "seals"}
_FIELDS = {  # format: (fields that must be there, fields that may)
    EXPORT: (_MUST, {"timestamps"}),
    RANGE: (_MUST | {"from", "to"},
            {"after", "before", "consistency", "extra", "from_at", "timestamps", "to_at"}),
    RUN: (_MUST | {"run"}, {"consistency", "timestamps"}),
}
_IN_FILES = {"descriptor", "entries", "seals", "timestamps"}


class Limits:
    def __init__(self, max_bytes=GIB, max_files=MAX_FILES):
        self.max_bytes, self.max_files = max_bytes, max_files


class Document:
    """What all forms become. `entries` holds the JSON objects of a document, or, for a folder, pairs
    of a header line and its parts lines (`raw`)."""

    def __init__(self):
        self.fields = {}
        self.raw = False
        self.descriptor = None
        self.entries = []
        self.seals = []
        self.timestamps = []  # (seal hash, token)

    @property
    def format(self):
        return self.fields["format"]


# Files, folders, archives.

def read_path(path, limits):
    """The package at a path: bytes of a document or the files of a folder or archive, and whether it
    is the evidence.tar of a delivery."""
    try:
        if os.path.isdir(path):
            return _read_folder(path, limits)
        with open(path, "rb") as file:
            return _read_file(file, path, limits)
    except OSError as error:
        raise Undecided("%s cannot be read: %s", path, error.strerror) from None


def _read_file(file, path, limits):
    start = file.read(512)
    file.seek(0)
    if start[:2] == b"\x1f\x8b":
        file = io.BytesIO(_gunzip(_within(file, limits), limits.max_bytes))
    elif start[257:262] != b"ustar":
        _could_be_document(start, path)
        return _within(file, limits), None, False
    inner = _evidence_of(file, path, limits)
    if inner:
        file.seek(inner[0])
        return None, _untar_inner(io.BytesIO(file.read(min(inner[1], limits.max_bytes + 1))), limits), True
    file.seek(0)
    return None, untar(_within(file, limits), limits), False


def _within(file, limits):
    data = file.read(limits.max_bytes + 1)
    require(len(data) <= limits.max_bytes, "E_LIMIT", _OVER, limits.max_bytes)
    return data


_OVER = "the package has more than %d bytes; --max-bytes N sets the limit"


def _could_be_document(start, path):
    body = start.lstrip(b" \t\n\r")
    if body[:1] == b"{" or not body and len(start) == 512:
        return
    what = "it is neither a JSON object nor an archive"
    if not body:
        what = "it is empty"
    elif start.startswith(b"%PDF"):
        what = "it is a PDF, which is for people"
    raise Undecided("%s is not an evidence package: %s. Give a run package (JSON), evidence.tar, its folder, "
                    "or the delivery that holds it", path, what)


def _read_folder(path, limits):
    def is_file(name):
        name = os.path.join(path, name)
        return os.path.isfile(name) and not os.path.islink(name)

    if is_file(EVIDENCE) and is_file(MANIFEST):
        with open(os.path.join(path, EVIDENCE), "rb") as file:
            return None, _untar_inner(file, limits), True
    if is_file(MANIFEST):
        runs = os.path.join(path, "runs")
        if os.path.isdir(runs) and any(_is_run("runs/" + name) for name in os.listdir(runs)):
            raise Undecided("%s is a customer's ledger; verify each runs/*.json in it", path)
    if not any(os.path.exists(os.path.join(path, name)) for name in REQUIRED):
        raise Undecided("%s is not an evidence package: no file of one is in it. Give the folder with "
                        "package.json, or an unpacked delivery with evidence.tar and manifest.json", path)
    return None, _folder(path, limits), False


# Section 12.5: a delivery is recognised by its members; only evidence.tar is evidence.

EVIDENCE, MANIFEST = "evidence.tar", "manifest.json"


def _untar_inner(file, limits):
    try:
        return untar(_within(file, limits), limits)
    except Fault as fault:
        fault.of_delivery = True
        raise


def _is_run(name):
    return name.startswith("runs/") and name.endswith(".json")


def _evidence_of(file, path, limits):
    """Where the evidence.tar of a delivery lies in an archive: (offset, size), or None for any other."""
    members = _plain_members(file, limits.max_files + 1)
    names = [name for name, _, _ in members]
    if names.count(MANIFEST) == 1 and names.count(EVIDENCE) == 1:
        return members[names.index(EVIDENCE)][1:]
    if names.count(MANIFEST) == 1 and EVIDENCE not in names and any(map(_is_run, names)):
        raise Undecided("%s is a customer's ledger; unpack it and verify each runs/*.json", path)
    return None


def _plain_members(file, most):
    """(name, offset, size) of regular files, up to the end or to the first member that is not one."""
    length, at, members = file.seek(0, os.SEEK_END), 0, []
    while len(members) < most and length - at >= 512:
        file.seek(at)
        block = file.read(512)
        if (block[257:265] != b"ustar\x0000" or block[156:157] not in (b"0", b"\0")
                or any(block[345:500])):
            break
        try:
            name, size = block[:100].split(b"\0")[0].decode("utf-8"), _octal(block[124:136])
            if _octal(block[148:156]) != sum(block[:148] + b" " * 8 + block[156:]):
                break
        except (Fault, UnicodeDecodeError):
            break
        at += 512
        if at + size <= length:
            members.append((name, at, size))
        at += (size + 511) // 512 * 512
    return members


def sniff(data, limits):
    """The package in bytes: a document, or the files of an archive."""
    require(len(data) <= limits.max_bytes, "E_LIMIT", _OVER, limits.max_bytes)
    if data[:2] == b"\x1f\x8b":
        return None, untar(_gunzip(data, limits.max_bytes), limits)
    if data[257:262] == b"ustar":
        return None, untar(data, limits)
    return data, None


def _folder(path, limits):
    names = []
    for entry in os.scandir(path):
        require(not entry.is_symlink(), "E_LIMIT", "a link in the folder")
        if entry.name == "timestamps" and entry.is_dir():
            names += ["timestamps/" + inner.name for inner in os.scandir(entry.path)
                      if inner.is_file(follow_symlinks=False) or _no(inner.name)]
        else:
            require(entry.is_file(), "E_LIMIT", "not a regular file: " + entry.name)
            names.append(entry.name)
        require(len(names) <= limits.max_files, "E_LIMIT", "too many files")
    files, left = {}, limits.max_bytes
    for name in names:
        _allowed(name)
        with open(os.path.join(path, *name.split("/")), "rb") as file:
            files[name] = file.read(left + 1)
        left -= len(files[name])
        require(left >= 0, "E_LIMIT", _OVER, limits.max_bytes)
    return files


def _no(name):
    raise Fault("E_LIMIT", "not a regular file: timestamps/" + name)


def _allowed(name):
    require(name in REQUIRED or _TOKEN(name), "E_LIMIT", "a file that does not belong: %r", name)


def _gunzip(data, limit):
    """One gzip member and nothing after it. Unpacking stops one byte above the limit."""
    inflate = zlib.decompressobj(31)
    try:
        out = inflate.decompress(data, limit + 1)
    except zlib.error:
        raise Fault("E_LIMIT", "damaged gzip data") from None
    require(len(out) <= limit, "E_LIMIT", _OVER, limit)
    require(inflate.eof and not inflate.unused_data, "E_LIMIT",
            "gzip data that is cut off, or something after it")
    return out


def _octal(field):
    text = field.rstrip(b"\0 ").lstrip(b" ")
    require(re.fullmatch(rb"[0-7]{1,12}", text), "E_LIMIT", "a number of the archive is not octal")
    return int(text, 8)


def untar(data, limits):
    """ustar: regular files of known names, each once; after them only zero bytes."""
    files, at, total = {}, 0, 0
    while at < len(data):
        block = data[at:at + 512]
        if not any(block):
            break
        require(len(block) == 512 and block[257:263] == b"ustar\0" and block[263:265] == b"00",
                "E_LIMIT", "not a ustar header")
        blank = block[:148] + b" " * 8 + block[156:]
        require(sum(blank) == _octal(block[148:156]), "E_LIMIT", "a wrong checksum in the archive")
        name = block[:100].split(b"\0")[0].decode("latin-1")
        kind, size = block[156:157], _octal(block[124:136])
        require(not any(block[345:500]), "E_LIMIT", "a directory prefix in the archive")
        at += 512
        if kind == b"5" and name in ("timestamps", "timestamps/") and size == 0:
            continue
        require(kind in (b"0", b"\0"), "E_LIMIT", "not a regular file: %r", name)
        _allowed(name)
        require(name not in files, "E_LIMIT", "a file twice: " + name)
        total += size
        require(total <= limits.max_bytes, "E_LIMIT", _OVER, limits.max_bytes)
        require(at + size <= len(data), "E_LIMIT", "a file that is cut off: %s", name)
        files[name] = data[at:at + size]
        require(len(files) <= limits.max_files, "E_LIMIT", "too many files")
        end = at + (size + 511) // 512 * 512
        require(end <= len(data) and not any(data[at + size:end]), "E_LIMIT",
                "the padding of %s is cut off or not zero", name)
        at = end
    require(not any(memoryview(data)[at:]), "E_LIMIT", "bytes after the end of the archive")
    return files


# The two kinds of package.

def from_document(data):
    document = Document()
    fields = document.fields = read_document(data)
    _closed(fields, set(), set())
    document.descriptor = fields["descriptor"]
    document.entries, document.seals = fields["entries"], fields["seals"]
    document.timestamps = _timestamps(fields.get("timestamps", []))
    return document


def from_files(files, limits):
    require(len(files) <= limits.max_files, "E_LIMIT", "too many files")
    require(sum(map(len, files.values())) <= limits.max_bytes, "E_LIMIT", "too many bytes")
    for name in files:
        _allowed(name)
    for name in REQUIRED:
        require(name in files, "E_FORMAT", "a file is missing: " + name)
    document = Document()
    document.raw = True
    document.descriptor = read_line(files["descriptor.json"])
    document.seals = [_seal_line(line) for line in _lines(files["seals.jsonl"], "seals.jsonl")]
    headers = _lines(files["headers.jsonl"], "headers.jsonl")
    document.entries = _join(headers, _lines(files["parts.jsonl"], "parts.jsonl"))
    fields = document.fields = read_document(files["package.json"])
    _closed(fields, _IN_FILES, {"proofs"})
    require(document.format != RUN, "E_FORMAT", "a run package has no folder form")
    document.timestamps = [(_TOKEN(name).group(1), files[name]) for name in sorted(files)
                           if _TOKEN(name)]
    return document


def _lines(data, name):
    lines = data.split(b"\n")
    require(not lines.pop(), "E_CANON", name + " does not end in a line feed")
    return lines


def _seal_line(line):
    require(len(line) <= MAX_SEAL_LINE, "E_LIMIT", "a line of seals.jsonl over 33,024 bytes")
    fields = read_line(line)
    require(type(fields) is dict, "E_FORMAT", "a seal line is an object")
    require(set(fields) == {"at", "note", "size"}, "E_CANON",
            "a seal line has exactly at, note, size")
    note = fields["note"]
    require(type(note) is str, "E_FORMAT", "the note of a seal line is a string")
    size, at = place(note)
    require(is_uint(fields["size"]) and is_uint(fields["at"])
            and (fields["size"], fields["at"]) == (size, at), "E_CANON",
            "size and at of a seal line are those of the note")
    return note


_TAIL = re.compile(rb',"part":"(facts|subject)","s":"([0-9a-f]{64})","seq":(0|[1-9][0-9]{0,14})\}'
                   ).fullmatch
_PART_NAMES = {b"facts": "facts", b"subject": "subject"}
# A header line that has this form is canonical and has the right fields and types.
HEADER = re.compile(
    r'\{"alg":"sha256","at":(0|[1-9][0-9]{0,14}),"kind":"([a-z.]+)",'
    r'"parts":\{"facts":"([0-9a-f]{64})"(?:,"subject":"([0-9a-f]{64})")?\},"prev":"([0-9a-f]{64})",'
    r'(?:"run":\{"id":"([A-Za-z0-9_-]{1,64})","n":(0|[1-9][0-9]{0,14}),"prev":"([0-9a-f]{64})"\},)?'
    r'"seq":(0|[1-9][0-9]{0,14}),"stream":"([0-9a-f]{64})","v":1\}').fullmatch


def _join(headers, parts):
    """Gives every header its parts lines: strictly ascending by (seq, part), none left over."""
    entries, waiting, last = [], {}, (-1, "")
    for line in parts:
        seq, name, part = _part_line(line)
        if seq > last[0]:
            waiting[seq] = {name: part}
        else:
            require((seq, name) > last, "E_PART_SET", "parts.jsonl is not strictly ascending")
            waiting[seq][name] = part
        last = (seq, name)
    seen = set()
    for line in headers:
        found = HEADER(line.decode("latin-1"))
        header = None
        if found:
            seq = int(found.group(9))
        else:
            header = read_line(line)
            seq = header.get("seq") if type(header) is dict else None
            seq = seq if is_uint(seq) else -1
        seen.add(seq)
        entries.append((line, found, header, waiting.get(seq, {})))
    for seq in waiting:
        require(seq in seen, "E_PART_SET", "parts of an entry that is not there: %d", seq)
    return entries


def _part_line(line):
    """(seq, name, part): a part is (content, its bytes, salt, whether it may nest too deep), or the
    number of its redact entry."""
    # The usual line: a canonical value between the first field and a tail that is canonical by its
    # pattern. Its bytes are hashed as they stand.
    cut = line.rfind(b',"part":"')
    tail = _TAIL(line, cut) if cut > 0 and line.startswith(b'{"d":') else None
    if tail:
        try:
            name, salt, seq = tail.groups()
            content = line[5:cut]
            counted = brackets(content)
            value = read_line(content, counted)
            return int(seq), _PART_NAMES[name], (
                value, content, bytes.fromhex(salt.decode()), counted > MAX_DEPTH)
        except Fault:
            pass  # the scanner is asked about the whole line
    value = read_line(line)
    require(type(value) is dict, "E_FORMAT", "a line of parts.jsonl is an object")
    names = set(value)
    require(names in ({"d", "part", "s", "seq"}, {"part", "seq", "x"}) and is_uint(value["seq"])
            and type(value["part"]) is str, "E_FORMAT", "a line of parts.jsonl has another shape")
    require(value["part"] in ("facts", "subject"), "E_PART_SET", "an unknown part")
    if "x" in value:
        return value["seq"], value["part"], value["x"]
    return value["seq"], value["part"], (value["d"], jcs(value["d"]), salt_of(value["s"]), True)


def salt_of(value):
    return bytes.fromhex(value) if is_hex64(value) else None


# Step 3.

def _closed(fields, elsewhere, added):
    require(type(fields) is dict and type(fields.get("format")) is str
            and fields["format"] in _FIELDS, "E_FORMAT", "no known format")
    must, may = _FIELDS[fields["format"]]
    if added and fields["format"] == RANGE:
        must = must | added
    names = set(fields)
    for name in names - ((must | may) - elsewhere):
        raise Fault("E_PACKAGE_FIELDS", "an unknown field: " + name)
    for name in (must - elsewhere) - names:
        raise Fault("E_FORMAT", "a missing field: " + name)
    for name in ("entries", "seals", "extra", "consistency", "timestamps"):
        require(type(fields.get(name, [])) is list, "E_FORMAT", name + " is an array")
    for note in fields.get("seals", []):
        require(type(note) is str, "E_FORMAT", "a seal is a string")
    run = fields.get("run", "-")
    require(type(run) is str and RUN_ID(run), "E_FORMAT", "run is a run id")
    for name in ("from", "to", "from_at", "to_at"):
        require(is_uint(fields.get(name, 0)), "E_FORMAT", name + " is a number")
    fields["consistency"] = _consistency(fields.get("consistency", []))
    if "proofs" in fields:
        proofs = fields["proofs"]
        require(type(proofs) is dict and set(proofs) == {"first", "last"}, "E_FORMAT",
                "proofs has first and last")


def _consistency(items):
    """(size, proof) of each item, sizes ascending."""
    links = {}
    for item in items:
        require(type(item) is dict, "E_FORMAT", "an item of consistency is an object")
        require(set(item) <= {"proof", "size"}, "E_PACKAGE_FIELDS", "an unknown field in consistency")
        require(set(item) == {"proof", "size"} and is_uint(item["size"]), "E_FORMAT",
                "an item of consistency has proof and size")
        require(not links or item["size"] > max(links), "E_PACKAGE_FIELDS",
                "the sizes of consistency ascend")
        links[item["size"]] = decode_proof(item["proof"])
    return links


def _timestamps(items):
    tokens = []
    for item in items:
        require(type(item) is dict, "E_FORMAT", "a time-stamp is an object")
        require(set(item) <= {"seal", "tsr"}, "E_PACKAGE_FIELDS", "an unknown field in a time-stamp")
        require(set(item) == {"seal", "tsr"} and is_hex64(item["seal"]) and type(item["tsr"]) is str,
                "E_FORMAT", "a time-stamp has seal and tsr")
        tokens.append((item["seal"], b64(item["tsr"])))
    return tokens
