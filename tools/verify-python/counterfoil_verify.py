#!/usr/bin/env python3
"""Second verifier of Counterfoil evidence packages; the command line of section 13.

    counterfoil_verify.py PACKAGE --key PEM --stream ID [...]

Exit status: 0 accepted at the required level, 3 rejected, 2 not decided. See README.md.
"""

import argparse
import base64
import datetime
import gc
import hashlib
import json
import os
import signal
import sys

from evidence_check import Fault, Undecided, reading, seals, steps
from evidence_check.canonical import is_hex64, is_uint
from evidence_check.signatures import Checker, Key, Witness, read_pem

_LINES = ("stream", "format", "level", "size", "seal_hash", "sealed_at", "governance", "open", "holds",
          "hold_status", "lost_under_hold", "anchors", "witnesses", "timestamp")
_TRUST_FIELDS = {"format", "keys", "stream", "origin", "anchors", "witnesses", "quorum", "level"}


def options(arguments):
    parser = argparse.ArgumentParser(prog="counterfoil_verify.py", allow_abbrev=False,
                                     description="Verifies an evidence package offline.")
    add = parser.add_argument
    add("package", metavar="PACKAGE", help="a JSON document, a folder, a tar or a gzipped tar")
    add("--key", metavar="PEM", action="append", default=[], help="a pinned sealing key")
    add("--stream", metavar="ID", help="the pinned stream id")
    add("--origin", metavar="PREFIX", help="the origin prefix of the deployment")
    add("--cap", metavar="KEYHASH=N", action="append", default=[],
        help="trust this key up to size N only")
    add("--min-seal", metavar="FILE", action="append", default=[], help="an anchor: a seal you hold")
    add("--prior", metavar="PACKAGE", action="append", default=[], help="an anchor: an earlier package")
    add("--seal-dir", metavar="DIR", help="every version of every seal, one file each")
    add("--witness", metavar="VKEY", action="append", default=[], help="a pinned witness")
    add("--quorum", metavar="K", type=int, help="how many witnesses; all when absent")
    add("--tsa-ca", metavar="PEM", help="certificate of the time-stamp authority")
    add("--output", metavar="REF=FILE", action="append", default=[], help="an output of a run")
    add("--trust", metavar="FILE", help="a counterfoil.trust/1 file")
    add("--level", metavar="N", type=int, choices=(1, 2, 3, 4), help="the required level; default 2")
    add("--max-bytes", metavar="N", type=int, default=reading.GIB, help="largest package, unpacked")
    add("--json", action="store_true", help="the verdict as one JSON object")
    add("--pure", action="store_true", help="check P-256 in Python instead of with openssl")
    return parser.parse_args(arguments)


def load(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Undecided("%s cannot be read: %s" % (path, error.strerror)) from None


def load_text(path):
    try:
        return load(path).decode("utf-8")
    except UnicodeDecodeError:
        raise Undecided("%s is not UTF-8 text" % path) from None


def pair(text, what):
    left, mark, right = text.rpartition("=")
    if not mark:
        raise Undecided("%s is written as %s" % (text, what))
    return left, right


def trust_of(given):
    """What the auditor holds: the options and the trust file together."""
    limits = reading.Limits(given.max_bytes)
    trust = steps.Trust([Key(read_pem(load_text(path))) for path in given.key], given.stream)
    trust.limits = limits
    if given.trust:
        read_trust(load(given.trust), trust)
    if given.stream:
        trust.stream = given.stream
    if not trust.keys or not trust.stream:
        raise Undecided("a pinned key (--key) and the pinned stream id (--stream) are both needed")
    if not is_hex64(trust.stream):
        raise Undecided("a stream id is 64 lower-case hexadecimal digits")
    trust.prefix = given.origin or trust.prefix
    if not seals.is_prefix(trust.prefix):
        raise Undecided("an origin prefix is visible ASCII without '+' and ends in /s/")
    for text in given.cap:
        key_hash, size = pair(text, "KEYHASH=N")
        capped = [key for key in trust.keys if key.hash == key_hash]
        if not capped or not size.isdecimal():
            raise Undecided("--cap %s: no pinned key has this hash, or N is no number" % text)
        for key in capped:
            key.max_size = int(size)
    for note in trust.anchors:
        seal_of("--trust: an element of anchors", note)
    trust.anchors += [seal_of("--min-seal " + path, load_text(path)) for path in given.min_seal]
    for path in given.prior:
        data, files, _ = reading_of(path, limits)
        trust.anchors += steps.seals_of(data, files, limits)
    if given.seal_dir:
        trust.versions = [load_text(path) for path in below(given.seal_dir)]
        if not trust.versions:
            raise Undecided("--seal-dir %s is empty; give the folder with every version of every seal, "
                            "one file each" % given.seal_dir)
    trust.witnesses += [Witness(text) for text in given.witness]
    if given.quorum is not None:
        trust.quorum = given.quorum
    if trust.quorum is not None and not 1 <= trust.quorum <= len(trust.witnesses):
        raise Undecided("the quorum is between 1 and the number of witnesses")
    trust.authority = given.tsa_ca
    if given.tsa_ca:
        load(given.tsa_ca)
    for text in given.output:
        ref, path = pair(text, "REF=FILE")
        trust.outputs.append((ref, hashlib.sha256(load(path)).hexdigest()))
    trust.level = given.level or trust.level
    return trust


def read_trust(data, trust):
    """The trust file is closed: a misspelt cap must not be overlooked."""
    try:
        fields = reading.read_document(data)
        right = (type(fields) is dict and set(fields) <= _TRUST_FIELDS
                 and fields["format"] == "counterfoil.trust/1" and is_hex64(fields["stream"])
                 and all(set(key) <= {"spki", "max_size"} and is_uint(key.get("max_size", 0))
                         for key in fields["keys"])
                 and fields.get("level", 2) in (1, 2, 3, 4) and is_uint(fields.get("quorum", 0)))
        trust.keys += [Key(base64.b64decode(key["spki"], validate=True), key.get("max_size"))
                       for key in fields["keys"]]
        trust.anchors += fields.get("anchors", [])
    except (Fault, KeyError, TypeError, AttributeError, ValueError):
        right = False
    if not right:
        raise Undecided("the trust file has an unknown field, or a field is missing or ill-typed")
    trust.stream = fields["stream"]
    trust.prefix = fields.get("origin", trust.prefix)
    trust.witnesses += [Witness(text) for text in fields.get("witnesses", [])]
    trust.quorum = fields.get("quorum")
    trust.level = fields.get("level", 2)


def below(folder):
    try:
        names = sorted(os.path.join(place, name) for place, _, names in os.walk(folder) for name in names)
        os.listdir(folder)
    except OSError as error:
        raise Undecided("%s cannot be read: %s" % (folder, error.strerror)) from None
    return names


def seal_of(name, note):
    """The note, if it is one by its grammar; whether it is genuine is a question of the steps."""
    try:
        seals.read(note)
    except (Fault, UnicodeError, AttributeError):
        raise Undecided("%s is no seal; give its exact bytes, body, empty line and signatures, as "
                        "`jq -j .note` prints them" % name) from None
    return note


def reading_of(path, limits):
    try:
        return reading.read_path(path, limits)
    except Fault as fault:
        raise Undecided("%s: %s" % (path, fault.code)) from None


def show(verdict, trust, of_delivery, as_json):
    verdict["required_level"] = trust.level
    verdict["result"] = "ok"
    if as_json:
        del verdict["entries"]
        show_json(verdict, of_delivery)
        return
    print("OK L%(level)d %(format)s: %(entries)d entries, sealed at size %(size)d" % verdict)
    print(sentence(verdict, bool(trust.anchors or trust.versions)))
    if of_delivery:
        print(_OF_DELIVERY)
    for name in _LINES:
        print("%s: %s" % (name, json.dumps(verdict[name], separators=(",", ":"), ensure_ascii=False)))
    for what in verdict["not_checked"]:
        print("not_checked: " + json.dumps(what, ensure_ascii=False))


def show_json(verdict, of_delivery):
    if of_delivery:
        verdict["member"] = reading.EVIDENCE
    print(json.dumps(verdict, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def show_fault(fault, trust, of_delivery, as_json):
    if as_json:
        show_json({"code": fault.code, "detail": fault.text, "result": "fail", "required_level": trust.level},
                  of_delivery)
        return
    print("FAIL %s %s" % (fault.code, fault.text))
    if of_delivery:
        print(_OF_DELIVERY)


# Sentences for people: no colon with a space behind it, so that they are no `name: value`.
_OF_DELIVERY = ("This is the evidence.tar of a delivery; the files beside it are not evidence and were not "
                "checked.")


def sentence(verdict, gave_anchor):
    if verdict["level"] < 3 and gave_anchor:
        anchored = "Not anchored - nothing links the newest seal that you gave; see not_checked."
    elif verdict["level"] < 3:
        anchored = ("Not anchored - give --min-seal, --prior, --seal-dir or --witness to exclude a second "
                    "history.")
    elif verdict["anchors"]:
        anchored = "Anchored in a seal of size %d that you kept." % verdict["anchors"][-1]
    else:
        anchored = "Anchored by %d witnesses." % verdict["witnesses"]
    return "Intact since %s, the time of its seal. %s" % (utc(verdict["sealed_at"]), anchored)


def utc(ms):
    try:
        time = datetime.datetime.fromtimestamp(ms // 1000, datetime.timezone.utc)
    except (ValueError, OverflowError, OSError):
        return "%dms" % (ms // 1000 * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def main(arguments):
    if arguments == ["--batch"]:  # private: for the tests of the product's own verifier
        return batch()
    try:
        return decide(options(arguments))
    except Undecided as reason:
        print("not decided: %s" % reason, file=sys.stderr)
    except MemoryError:
        print("not decided: not enough memory for this package", file=sys.stderr)
    except OSError as error:
        print("not decided: the answer could not be written to standard output: %s" % error.strerror,
              file=sys.stderr)
        os.close(1)  # what is left in the buffer cannot be written either
    return 2


def decide(given):
    trust = trust_of(given)
    of_delivery = False
    try:
        data, files, of_delivery = reading.read_path(given.package, trust.limits)
        verdict = steps.verify(data, files, trust, Checker(given.pure))
    except Fault as fault:
        show_fault(fault, trust, of_delivery or fault.of_delivery, given.json)
        sys.stdout.flush()
        return 3
    show(verdict, trust, of_delivery, given.json)
    sys.stdout.flush()
    if verdict["level"] < trust.level:
        print("not decided: level %d is required" % trust.level, file=sys.stderr)
        return 2
    return 0


# Private mode of the tests: one JSON request a line, one JSON answer a line.

_checker = Checker(pure=True)


def batch():
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
    return 0


def answer(request):
    try:
        verdict = judge(request)
    except Fault as fault:
        return {"exit": 3, "code": fault.code, "detail": fault.text}
    except Undecided as reason:
        return {"exit": 2, "code": "undecided", "detail": str(reason)}
    verdict["exit"] = 0 if verdict["level"] >= request["level"] else 2
    return verdict


def judge(request):
    unpack = base64.b64decode
    trust = steps.Trust([Key(unpack(key["spki"]), key["max_size"]) for key in request["keys"]],
                        request["stream"])
    trust.prefix = request["prefix"]
    trust.anchors, trust.versions = request["anchors"], request["versions"]
    trust.outputs = [(ref, digest) for ref, digest in request["outputs"]]
    trust.witnesses = [Witness(text) for text in request["witnesses"]]
    trust.quorum = request["quorum"] or None
    trust.level = request["level"]
    trust.limits = reading.Limits(request["max_bytes"], request["max_files"])
    data = files = None
    if "files" in request:
        files = {name: unpack(content) for name, content in request["files"].items()}
    elif request["tar"]:
        files = reading.untar(unpack(request["bytes"]), trust.limits)
    else:
        data, files = reading.sniff(unpack(request["bytes"]), trust.limits)
    return steps.verify(data, files, trust, _checker)


if __name__ == "__main__":
    gc.disable()  # nothing here makes cycles, and large packages are faster so
    sys.stdout.reconfigure(encoding="utf-8")
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `... | head` ends quietly
    sys.exit(main(sys.argv[1:]))
