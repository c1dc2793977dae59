"""Tests of the second verifier: `python3 -m unittest` in this folder (Python 3.9 or newer, openssl).

The vectors are those of the product's own verifier; their origin is in SOURCES.md beside them.
"""

import base64
import glob
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import unittest

from evidence_check import Fault, canonical, merkle, reading, seals, signatures, steps

HERE = os.path.dirname(os.path.abspath(__file__))
VECTORS = os.path.join(HERE, "..", "..", "shared", "evidence", "tests", "vectors")


def path(name):
    return os.path.join(VECTORS, *name.split("/"))


def load(name):
    with open(path(name), "rb") as file:
        return file.read()


def text(name):
    return load(name).decode().strip()


def key(name):
    return signatures.Key(signatures.read_pem(text(name)))


def verify(name, keys, stream, pure=False):
    trust = steps.Trust([key(one) for one in keys], text(stream))
    data, files, _ = reading.read_path(path(name), trust.limits)
    return steps.verify(data, files, trust, signatures.Checker(pure))


def example(name, pure=False):
    return verify(name, ["example-run/sealer.pem"], "example-run/stream.txt", pure)


def rich(name):
    keys = ["packages/sealer-1.pem", "packages/sealer-2.pem"]
    return verify("packages/rich." + name, keys, "packages/rich.stream.txt")


def command(*arguments):
    script = os.path.join(HERE, "counterfoil_verify.py")
    return subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True,
                          encoding="utf-8", check=False)


class Packages(unittest.TestCase):
    def test_the_example_is_accepted_as_run_and_as_folder(self):
        for name, holds in (("example-run/run.json", "unchecked"), ("example", "kept")):
            for pure in (False, True):
                verdict = example(name, pure)
                self.assertEqual((verdict["level"], verdict["hold_status"]), (2, holds))
                self.assertEqual(verdict["governance"], {"run_1": "clean"})

    def test_the_rich_stream_is_accepted_in_every_form(self):
        whole = rich("export.json")
        self.assertEqual(whole, rich("export.tar"))
        self.assertEqual(whole["governance"], {"r_a": "clean", "r_b": "unresolved", "r_c": "clean"})
        self.assertEqual(rich("run.json")["governance"], {"r_a": "clean"})
        part = rich("range.json")
        self.assertEqual(part["governance"], {"r_a": "unknown", "r_b": "unresolved"})
        self.assertEqual(part["open"], ["r_c"])

    def test_the_command_line_has_the_exit_status_and_first_line_of_section_13(self):
        pins = ["--key", path("example-run/sealer.pem"), "--stream", text("example-run/stream.txt")]
        good = command(path("example"), *pins)
        self.assertEqual((good.returncode, good.stdout[:6]), (0, "OK L2 "))
        self.assertEqual(command(path("example"), *pins, "--level", "3").returncode, 2)
        self.assertEqual(command(path("example")).returncode, 2)
        self.assertEqual(command(path("nothing"), *pins).returncode, 2)
        bad = command(path("example"), *pins[:2], "--stream", "0" * 64)
        self.assertEqual((bad.returncode, bad.stdout.split()[:2]), (3, ["FAIL", "E_STREAM_PIN"]))

    def test_the_trust_file_is_closed_and_anchors_give_level_3(self):
        spki = base64.b64encode(signatures.read_pem(text("example-run/sealer.pem"))).decode()
        note = json.loads(load("example-run/run.json"))["seals"][0]
        trust = {"format": "counterfoil.trust/1", "keys": [{"spki": spki}], "level": 3,
                 "stream": text("example-run/stream.txt"), "anchors": [note]}
        for fields, status in ((trust, 0), ({**trust, "max_sizes": 1}, 2)):
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                json.dump(fields, file)
                file.flush()
                done = command(path("example"), "--trust", file.name)
            self.assertEqual(done.returncode, status, done.stderr)

    def test_archives_are_read_within_limits(self):
        files = {name: load("example/" + name) for name in reading.REQUIRED}

        def archive(mode, **more):
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode=mode, format=tarfile.USTAR_FORMAT) as tar:
                for name, content in {**files, **more}.items():
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
            return out.getvalue()

        limits = reading.Limits()
        self.assertEqual(reading.sniff(archive("w:gz"), limits)[1], files)
        bomb = {"timestamps/%s.tsr" % ("0" * 64): bytes(2000000)}
        for data in (archive("w:gz", **bomb), archive("w", **{"../x": b""})):
            with self.assertRaises(Fault) as caught:
                reading.sniff(data, reading.Limits(1000000))
            self.assertEqual(caught.exception.code, "E_LIMIT")


class Parts(unittest.TestCase):
    def test_canonical_cases(self):
        for case in json.loads(load("canonical/cases.json")):
            data = bytes.fromhex(case["hex"])
            got = []
            for read in (canonical.read_line, lambda data: canonical.scan(data, True)):
                try:
                    value = read(data)
                    self.assertEqual(canonical.jcs(value), data, case)
                    self.assertEqual(merkle.leaf_hash(data).hex(), case["leaf"])
                    got.append("ok")
                except Fault as fault:
                    got.append(fault.code)
            self.assertEqual(got, [case["want"]] * 2, case)

    def test_quick_readers_never_accept_what_the_scanner_refuses(self):
        for name in ("example/parts.jsonl", "example/headers.jsonl"):
            for line in load(name).splitlines():
                for at in range(len(line)):
                    for bit in (0, 1, 5):
                        bad = bytearray(line)
                        bad[at] ^= 1 << bit
                        for quick, exact in ((canonical.read_line, True), (canonical.read_document, False)):
                            self.assertEqual(_result(quick, bytes(bad)), _result(
                                lambda data, exact=exact: canonical.scan(data, exact, 24), bytes(bad)))

    def test_general_json_is_refused(self):
        for name in glob.glob(path("jcs/input/*.json")):
            with open(name, "rb") as file, self.assertRaises(Fault):
                canonical.read_document(file.read())

    def test_rfc_6962_proofs_are_judged_as_listed(self):
        files = [name for name in glob.glob(path("rfc6962/**/*.json"), recursive=True)
                 if not name.endswith("roots-8leaves.json")]
        self.assertEqual(len(files), 130)
        for name in files:
            with open(name, encoding="utf-8") as file:
                case = json.load(file)
            self.assertEqual(_proves(case), not case["wantErr"], name)

    def test_rfc_6962_roots_are_reproduced(self):
        listed = json.loads(load("rfc6962/roots-8leaves.json"))
        leaves = [merkle.leaf_hash(bytes.fromhex(item)) for item in listed["leaf_inputs_hex"]]
        for size, root in listed["roots_by_size"].items():
            self.assertEqual(merkle.roots_at(leaves, {int(size)}).get(int(size), merkle.Tree().root()).hex(),
                             root)

    def test_notes_of_other_logs_are_no_seals(self):
        for name in glob.glob(path("notes/*.txt")):
            with open(name, encoding="utf-8") as file, self.assertRaises(Fault):
                seals.read(file.read())

    def test_both_p256_checks_agree(self):
        pinned = key("example-run/sealer.pem")
        note = seals.read(json.loads(load("example-run/run.json"))["seals"][0])
        good = note.lines[0][1][4:]
        r, s = signatures.der_integers(good)
        cases = [(note.body, good), (note.body + b"x", good), (note.body, _der(r, signatures.ORDER - s)),
                 (note.body, _der(r, s + 1)), (note.body, _der(s, r)), (note.body, _der(r, 1)),
                 (note.body, _der(1, 1))]
        cases += [(hashlib.sha256(bytes([n])).digest(), good) for n in range(8)]
        answers = []
        for body, signature in cases:
            one, two = (signatures.Checker(pure).p256(pinned, body, signature) for pure in (False, True))
            self.assertEqual(one, two)
            answers.append(one)
        self.assertEqual(answers[:3], [True, False, True])
        self.assertEqual(sum(answers), 2)

    def test_the_der_form_is_strict(self):
        r, s = 2**255 + 5, 7
        good = _der(r, s)
        self.assertEqual(signatures.der_integers(good), [r, s])
        bad = [good + b"\0", good[:-1], b"\x30\x81" + good[1:], _der(0, s), _der(signatures.ORDER, s),
               b"", b"\x30\x00", bytes.fromhex("30070202000702010700"[:18]),
               bytes.fromhex("3006020187020107")]
        for signature in bad:
            with self.assertRaises(Fault) as caught:
                signatures.der_integers(signature)
            self.assertEqual(caught.exception.code, "E_SIG")

    def test_witness_cosignatures_are_checked_by_openssl(self):
        with tempfile.TemporaryDirectory() as folder:
            secret, message, out = (os.path.join(folder, name) for name in ("key", "message", "out"))
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", secret], check=True)
            spki = subprocess.run(["openssl", "pkey", "-in", secret, "-pubout", "-outform", "DER"],
                                  check=True, capture_output=True).stdout
            raw = b"\x04" + spki[-32:]
            key_id = hashlib.sha256(b"witness\n" + raw).digest()[:4]
            witness = signatures.Witness("witness+%s+%s" % (key_id.hex(), base64.b64encode(raw).decode()))
            with open(message, "wb") as file:
                file.write(b"cosignature/v1\ntime 5\nbody\n")
            subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", secret, "-in", message,
                            "-out", out], check=True)
            with open(out, "rb") as file:
                payload = key_id + (5).to_bytes(8, "big") + file.read()
        checker = signatures.Checker()
        self.assertTrue(signatures.cosigned(checker, witness, payload, b"body\n"))
        self.assertFalse(signatures.cosigned(checker, witness, payload, b"other\n"))

    def test_time_stamp_tokens_are_checked_by_openssl(self):
        config = """
[tsa]
default_tsa = one
[one]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256
[req]
distinguished_name = name
x509_extensions = ext
prompt = no
[name]
CN = test authority
[ext]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
"""
        package = json.loads(load("example-run/run.json"))
        note = seals.read(package["seals"][0])
        with tempfile.TemporaryDirectory() as folder:
            def run(*arguments):
                subprocess.run(["openssl", *arguments], check=True, cwd=folder, capture_output=True)

            for name, content in (("conf", config.encode()), ("note", note.reduced), ("serial", b"01\n")):
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(content)
            run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "ca.pem",
                "-config", "conf", "-days", "3650")
            run("ts", "-query", "-data", "note", "-sha256", "-cert", "-out", "query")
            run("ts", "-reply", "-config", "conf", "-queryfile", "query", "-signer", "ca.pem",
                "-inkey", "key", "-out", "token")
            with open(os.path.join(folder, "token"), "rb") as file:
                token = file.read()
            package["timestamps"] = [{"seal": note.hash, "tsr": base64.b64encode(token).decode()}]
            for damage, expected in ((None, (0, "OK")), (-5, (3, "FAIL"))):
                if damage:
                    bad = bytearray(token)
                    bad[damage] ^= 1
                    package["timestamps"][0]["tsr"] = base64.b64encode(bytes(bad)).decode()
                stamped, anchor = (os.path.join(folder, name) for name in ("stamped.json", "anchor"))
                with open(stamped, "w", encoding="utf-8") as file:
                    json.dump(package, file)
                with open(anchor, "w", encoding="utf-8") as file:
                    file.write(note.note)
                done = command(stamped, "--key", path("example-run/sealer.pem"), "--stream",
                               text("example-run/stream.txt"), "--tsa-ca",
                               os.path.join(folder, "ca.pem"), "--min-seal", anchor, "--level",
                               "4" if damage is None else "2")
                self.assertEqual((done.returncode, done.stdout.split()[0]), expected,
                                 done.stdout + done.stderr)


def _der(r, s):
    numbers = b""
    for number in (r, s):
        body = number.to_bytes(number.bit_length() // 8 + 1, "big")
        numbers += b"\x02" + bytes([len(body)]) + body
    return b"\x30" + bytes([len(numbers)]) + numbers


def _result(read, data):
    try:
        return read(data)
    except Fault as fault:
        return fault.code


def _proves(case):
    def decode(item):
        return base64.b64decode(item) if item else b""

    proof = [decode(item) for item in case["proof"] or []]
    try:
        if "leafHash" in case:
            merkle.check_inclusion(decode(case["leafHash"]), case["leafIdx"], case["treeSize"], proof,
                                   decode(case["root"]))
        else:
            merkle.check_consistency(case["size1"], decode(case["root1"]), case["size2"],
                                     decode(case["root2"]), proof)
    except Fault:
        return False
    return True


if __name__ == "__main__":
    unittest.main()
