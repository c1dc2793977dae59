"""Section 11, signatures: strict DER, P-256, Ed25519 witnesses, RFC 3161 tokens.

Signatures are checked by the `openssl` command. `pure=True` checks P-256 with the arithmetic at the
end of this file instead; tests compare the two.
"""

import base64
import os
import re
import subprocess
import tempfile
from hashlib import sha256

from . import Undecided, require

# SubjectPublicKeyInfo of an uncompressed P-256 point, and of an Ed25519 key.
_P256_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_ED25519_PREFIX = bytes.fromhex("302a300506032b6570032100")


class Key:
    """A pinned sealing key; `max_size` is the largest size it is trusted for, or None."""

    def __init__(self, spki, max_size=None):
        point = spki[len(_P256_PREFIX):]
        if not spki.startswith(_P256_PREFIX) or len(point) != 64 or not _on_curve(_point(point)):
            raise Undecided("a pinned key is not a P-256 public key (SubjectPublicKeyInfo)")
        digest = sha256(spki)
        self.spki = spki
        self.hash = digest.hexdigest()
        self.id = digest.digest()[:4]
        self.max_size = max_size


def read_pem(text):
    found = re.search(r"-----BEGIN PUBLIC KEY-----\s+(.+?)\s+-----END PUBLIC KEY-----", text, re.S)
    try:
        return base64.b64decode("".join(found.group(1).split()), validate=True)
    except (AttributeError, ValueError):
        raise Undecided("a key file holds no PEM public key") from None


def der_integers(signature):
    """The numbers r and s of a strict DER signature: two minimal positive integers below the group
    order and nothing after them. openssl 3.0 overlooks bytes after 72, so this is checked here."""
    require(len(signature) >= 2 and signature[0] == 0x30 and signature[1] < 0x80
            and signature[1] == len(signature) - 2, "E_SIG", "not one DER SEQUENCE of this length")
    numbers, at = [], 2
    for _ in range(2):
        head = signature[at:at + 2]
        require(len(head) == 2 and head[0] == 0x02 and 0 < head[1] < 0x80, "E_SIG", "no DER INTEGER")
        body = signature[at + 2:at + 2 + head[1]]
        require(len(body) == head[1], "E_SIG", "a DER INTEGER is cut off")
        require(body[0] < 0x80, "E_SIG", "a negative number")
        require(body[0] or len(body) > 1 and body[1] >= 0x80, "E_SIG", "a number that is not minimal")
        number = int.from_bytes(body, "big")
        require(0 < number < ORDER, "E_SIG", "a number outside the group order")
        numbers.append(number)
        at += 2 + head[1]
    require(at == len(signature), "E_SIG", "bytes after the two numbers")
    return numbers


class Checker:
    """Says whether a signature is right, and remembers the answer."""

    def __init__(self, pure=False):
        self.pure = pure
        self._known = {}

    def p256(self, key, body, signature):
        r, s = der_integers(signature)
        question = (key.spki, body, signature)
        if question not in self._known:
            if len(self._known) > 100000:
                self._known.clear()
            if self.pure:
                answer = _verify(_point(key.spki[len(_P256_PREFIX):]), body, r, s)
            else:
                answer = self._openssl_p256(key.spki, body, signature)
            self._known[question] = answer
        return self._known[question]

    def _openssl_p256(self, spki, body, signature):
        with tempfile.TemporaryDirectory() as folder:
            pem = _write(folder, "key.pem", _pem(spki))
            signed = _write(folder, "signature", signature)
            return _openssl(["dgst", "-sha256", "-verify", pem, "-signature", signed], body)

    def ed25519(self, key, message, signature):
        with tempfile.TemporaryDirectory() as folder:
            pem = _write(folder, "key.pem", _pem(_ED25519_PREFIX + key))
            signed = _write(folder, "signature", signature)
            text = _write(folder, "message", message)
            return _openssl(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", pem,
                             "-in", text, "-sigfile", signed])

    def timestamp(self, token, note, authority):
        with tempfile.TemporaryDirectory() as folder:
            answer = _write(folder, "token.tsr", token)
            data = _write(folder, "note", note)
            return _openssl(["ts", "-verify", "-in", answer, "-data", data, "-CAfile", authority])


def _pem(spki):
    text = base64.b64encode(spki).decode()
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""]).encode()


def _write(folder, name, content):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(content)
    return path


def _openssl(arguments, data=b""):
    try:
        done = subprocess.run(["openssl", *arguments], input=data, check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError:
        raise Undecided("the openssl command is missing: install OpenSSL 3 (package openssl)") from None
    return done.returncode == 0


class Witness:
    """A pinned witness: `name+id+b64`, an Ed25519 key for cosignature/v1 (type 0x04)."""

    def __init__(self, text):
        try:
            name, key_id, key = text.strip().split("+", 2)
            raw = base64.b64decode(key, validate=True)
        except ValueError:
            raise Undecided("a witness is name+id+base64: %s" % text) from None
        wanted = sha256(name.encode() + b"\n" + raw).digest()[:4]
        if len(raw) != 33 or raw[0] != 0x04 or key_id != wanted.hex() or not name:
            raise Undecided("a witness key is not of type 0x04, or its id is wrong: %s" % text)
        self.name, self.id, self.key = name, wanted, raw[1:]


def cosigned(checker, witness, payload, body):
    """Whether the payload of a signature line is this witness's cosignature of the body."""
    if len(payload) != 4 + 8 + 64 or payload[:4] != witness.id:
        return False
    seconds = int.from_bytes(payload[4:12], "big")
    message = b"cosignature/v1\ntime %d\n" % seconds + body
    return checker.ed25519(witness.key, message, payload[12:])


# P-256 in plain Python: y^2 = x^3 - 3x + b over the field of PRIME (FIPS 186-5, SEC 1 section 4.1.4).
# Points are Jacobian, (X, Y, Z) for (X/Z^2, Y/Z^3); Z = 0 is the point at infinity. Only public
# values are handled, so nothing here has to take constant time.

PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_BASE = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
         0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def _point(data):
    return int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")


def _on_curve(point):
    x, y = point
    return x < PRIME and y < PRIME and (y * y - (x * x * x - 3 * x + _B)) % PRIME == 0


def _double(point):
    x, y, z = point
    if not z or not y:
        return (1, 1, 0)
    squared = y * y % PRIME
    s = 4 * x * squared % PRIME
    m = 3 * (x - z * z) * (x + z * z) % PRIME
    out = (m * m - 2 * s) % PRIME
    return out, (m * (s - out) - 8 * squared * squared) % PRIME, 2 * y * z % PRIME


def _add(left, right):
    x1, y1, z1 = left
    x2, y2, z2 = right
    if not z1:
        return right
    if not z2:
        return left
    q1, q2 = z1 * z1 % PRIME, z2 * z2 % PRIME
    u1, u2 = x1 * q2 % PRIME, x2 * q1 % PRIME
    s1, s2 = y1 * z2 * q2 % PRIME, y2 * z1 * q1 % PRIME
    if u1 == u2:
        return _double(left) if s1 == s2 else (1, 1, 0)
    h, r = u2 - u1, s2 - s1
    h2 = h * h % PRIME
    h3, v = h * h2 % PRIME, u1 * h2 % PRIME
    out = (r * r - h3 - 2 * v) % PRIME
    return out, (r * (v - out) - s1 * h3) % PRIME, h * z1 * z2 % PRIME


def _verify(key, body, r, s):
    inverse = pow(s, -1, ORDER)
    first = int.from_bytes(sha256(body).digest(), "big") * inverse % ORDER
    second = r * inverse % ORDER
    base, point = (*_BASE, 1), (*key, 1)
    table = (None, base, point, _add(base, point))
    total = (1, 1, 0)
    for bit in range(255, -1, -1):
        total = _double(total)
        pick = (first >> bit & 1) + 2 * (second >> bit & 1)
        if pick:
            total = _add(total, table[pick])
    x, _, z = total
    if not z:
        return False
    return x * pow(z * z, -1, PRIME) % PRIME % ORDER == r
