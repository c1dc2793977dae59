"""Sections 1 and 2: JSON in the restricted subset, hexadecimal, base64.

`scan` is the judge: it reads one JSON text character by character and names what is wrong with it.
`quick` is only a fast way of saying yes. It lets the C code of the standard library read the text,
and answers nothing whenever that alone would not prove what `scan` proves. Every no is from `scan`.
"""

import base64
import json
import re

from . import Fault

MAX_INT = 2**53 - 1
MAX_DEPTH = 16
MAX_DOCUMENT_DEPTH = 24

KEY = re.compile(r"[a-z][a-z0-9_]{0,63}").fullmatch
HEX64 = re.compile(r"[0-9a-f]{64}").fullmatch
DIGEST = re.compile(r"sha256:[0-9a-f]{64}").fullmatch

_SPACE = re.compile(r"[ \t\n\r]*").match
_PLAIN = re.compile(r'[^"\\\x00-\x1f]*').match
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?(?![0-9.eE+-])").match
_NOT_FINITE = re.compile(r"NaN|-?Infinity").match
_HEX4 = re.compile(r"[0-9a-fA-F]{4}").match
_SHORT = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_CANONICAL_ESCAPE = {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
                     '"': '\\"', "\\": "\\\\"}
_LITERALS = (("true", True), ("false", False), ("null", None))


def is_uint(value):
    """True and false are no numbers here, although Python says so."""
    return type(value) is int and 0 <= value <= MAX_INT


def is_hex64(value):
    return type(value) is str and HEX64(value) is not None


def is_digest(value):
    return type(value) is str and DIGEST(value) is not None


class _Scanner:
    def __init__(self, text, max_depth):
        self.text = text
        self.max_depth = max_depth
        self.deviation = None  # what is JSON, but not written canonically

    def fail(self, code, at, why):
        raise Fault(code, "%s at character %d" % (why, at))

    def deviates(self, at, why):
        if self.deviation is None:
            self.deviation = "%s at character %d" % (why, at)

    def space(self, at):
        end = _SPACE(self.text, at).end()
        if end != at:
            self.deviates(at, "white space")
        return end

    def document(self):
        value, at = self.value(self.space(0), 0)
        at = self.space(at)
        if at != len(self.text):
            self.fail("E_JSON", at, "something follows the value")
        return value

    def value(self, at, depth):
        if depth > self.max_depth:
            self.fail("E_DEPTH", at, "nested deeper than %d" % self.max_depth)
        first = self.text[at:at + 1]
        if first == '"':
            return self.string(at + 1)
        if first == "{":
            return self.object(at + 1, depth)
        if first == "[":
            return self.array(at + 1, depth)
        for word, value in _LITERALS:
            if self.text.startswith(word, at):
                return value, at + len(word)
        return self.number(at)

    def number(self, at):
        if _NOT_FINITE(self.text, at):
            self.fail("E_FLOAT", at, "not a finite number")
        found = _NUMBER(self.text, at)
        if not found:
            self.fail("E_JSON", at, "no JSON value")
        if found.group(1) or found.group(2):
            self.fail("E_FLOAT", at, "a fraction or an exponent")
        digits = found.group()
        if digits == "-0" or len(digits) > 17 or abs(int(digits)) > MAX_INT:
            self.fail("E_INT_RANGE", at, "an integer outside the range")
        return int(digits), found.end()

    def string(self, at):
        pieces = []
        while True:
            end = _PLAIN(self.text, at).end()
            pieces.append(self.text[at:end])
            stop = self.text[end:end + 1]
            if stop == '"':
                break
            if stop != "\\":
                self.fail("E_JSON", end, "a string that does not end, or a control character in it")
            character, at = self.escape(end)
            pieces.append(character)
        text = "".join(pieces)
        if "\x00" in text or "\x7f" in text:
            self.fail("E_STRING", end, "U+0000 or U+007F in a string")
        return text, end + 1

    def escape(self, at):
        letter = self.text[at + 1:at + 2]
        if letter == "u":
            number, end = self.code_unit(at)
            if 0xDC00 <= number < 0xE000:
                self.fail("E_SURROGATE", at, "a lone surrogate")
            if 0xD800 <= number < 0xDC00:
                low = 0
                if self.text[end:end + 2] == "\\u":
                    low, end = self.code_unit(end)
                if not 0xDC00 <= low < 0xE000:
                    self.fail("E_SURROGATE", at, "a lone surrogate")
                number = 0x10000 + ((number - 0xD800) << 10) + (low - 0xDC00)
            character = chr(number)
        elif letter in _SHORT and letter:
            character, end = _SHORT[letter], at + 2
        else:
            self.fail("E_JSON", at, "an unknown escape")
        canonical = _CANONICAL_ESCAPE.get(character)
        if canonical is None and character < " ":
            canonical = "\\u%04x" % ord(character)
        if self.text[at:end] != canonical:
            self.deviates(at, "an escape that JCS does not write")
        return character, end

    def code_unit(self, at):
        if not _HEX4(self.text, at + 2):
            self.fail("E_JSON", at, "an unknown escape")
        return int(self.text[at + 2:at + 6], 16), at + 6

    def array(self, at, depth):
        items = []
        at = self.space(at)
        if self.text[at:at + 1] == "]":
            return items, at + 1
        while True:
            item, at = self.value(self.space(at), depth + 1)
            items.append(item)
            at = self.space(at)
            stop = self.text[at:at + 1]
            if stop == "]":
                return items, at + 1
            if stop != ",":
                self.fail("E_JSON", at, "no comma and no end of the array")
            at += 1

    def object(self, at, depth):
        fields = {}
        last = ""
        at = self.space(at)
        if self.text[at:at + 1] == "}":
            return fields, at + 1
        while True:
            at = self.space(at)
            if self.text[at:at + 1] != '"':
                self.fail("E_JSON", at, "no key")
            key, end = self.string(at + 1)
            if not KEY(key):
                self.fail("E_KEY", at, "a key outside the pattern")
            if key in fields:
                self.fail("E_DUP_KEY", at, "a key twice")
            if key < last:
                self.deviates(at, "keys out of order")
            last = key
            at = self.space(end)
            if self.text[at:at + 1] != ":":
                self.fail("E_JSON", at, "no colon after a key")
            fields[key], at = self.value(self.space(at + 1), depth + 1)
            at = self.space(at)
            stop = self.text[at:at + 1]
            if stop == "}":
                return fields, at + 1
            if stop != ",":
                self.fail("E_JSON", at, "no comma and no end of the object")
            at += 1


def _utf8(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Fault("E_JSON", "not UTF-8 at byte %d" % error.start) from None


def scan(data, canonical, max_depth=MAX_DEPTH):
    """Reads one JSON value. `canonical`: the bytes must be those that JCS would write (E_CANON)."""
    scanner = _Scanner(_utf8(data), max_depth)
    value = scanner.document()
    if canonical and scanner.deviation:
        raise Fault("E_CANON", scanner.deviation)
    return value


# The fast yes.

class _Unsure(Exception):
    pass


_good_keys = set()


def _pairs(pairs):
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _Unsure
    if not fields.keys() <= _good_keys:
        for key in fields:
            if not KEY(key):
                raise _Unsure
        if len(_good_keys) < 10000:
            _good_keys.update(fields)
    return fields


def _integer(digits):
    if len(digits) > 15 or digits == "-0":
        raise _Unsure
    return int(digits)


def _refuse(_):
    raise _Unsure


_decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_int=_integer,
                            parse_float=_refuse, parse_constant=_refuse)
_decode = _decoder.decode
_scan_once = _decoder.scan_once  # one value at a place, without the white space around it
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
if json.encoder.c_make_encoder:
    # The same encoder, made once and not for every value.
    _chunks = json.encoder.c_make_encoder(None, None, json.encoder.encode_basestring, None, ":", ",",
                                          True, False, False)

    def _encode(value):
        return "".join(_chunks(value, 0))


def jcs(value):
    """The canonical bytes of a value of the subset (section 2 says why this is right)."""
    return _encode(value).encode("utf-8")


def depth(value):
    """The depth of the deepest value; the value itself has depth 0."""
    level, deep = [value], -1
    while level:
        deep += 1
        inner = []
        for item in level:
            kind = type(item)
            if kind is dict:
                inner.extend(item.values())
            elif kind is list:
                inner.extend(item)
        level = inner
    return deep


def brackets(data):
    """Opening brackets. Seventeen are needed to nest deeper than 16."""
    return data.count(b"{") + data.count(b"[")


def read_line(data, counted=None):
    """A canonical line: the value, or the fault that `scan` names. `counted`: its brackets."""
    # What the encoder writes back unchanged has canonical order, escapes and numbers, and no white
    # space; the hooks see keys and numbers.
    counted = brackets(data) if counted is None else counted
    if counted <= MAX_DEPTH and b"\x7f" not in data:
        try:
            text = data.decode("utf-8")
            value = _scan_once(text, 0)[0]  # what follows it would not be written back
            if _encode(value) == text and ("\\" not in text or "\\u0000" not in text):
                return value
        except (_Unsure, ValueError, RecursionError, StopIteration):
            pass
    return scan(data, True, MAX_DOCUMENT_DEPTH)


def _bounded(data):
    """Section 20: what would take more than 1 GiB of memory, by an estimate from its marks."""
    marks = data.count(b"[") + data.count(b",") + data.count(b":")
    if len(data) + 640 * data.count(b"{") + 64 * marks > 1 << 30:
        raise Fault("E_LIMIT", "it would take more than 1 GiB of memory; a large export has the folder form")


def read_document(data):
    """The document of a package: any white space and escapes, the rules 2 to 4, depth 24."""
    _bounded(data)
    # Without \u escapes every character of a string stands in the text as it is, so a text without
    # U+007F has none in its strings; raw U+0000 and surrogates do not get through the decoders.
    if b"\x7f" not in data and b"\\u" not in data:
        try:
            value = _decode(data.decode("utf-8"))
            if depth(value) <= MAX_DOCUMENT_DEPTH:
                return value
        except (_Unsure, ValueError, RecursionError):
            pass
    return scan(data, False, MAX_DOCUMENT_DEPTH)


# Base64.

_B64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?").fullmatch


def b64(text):
    """Canonical base64 (section 1): E_B64, E_B64_NONCANONICAL."""
    if not _B64(text):
        raise Fault("E_B64", "not base64")
    data = base64.b64decode(text)
    if base64.b64encode(data).decode() != text:
        raise Fault("E_B64_NONCANONICAL", "unused bits of the base64 are set")
    return data
