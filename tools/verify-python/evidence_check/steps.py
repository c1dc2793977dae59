"""Section 14: the steps of verification, in their order. The first failure ends with its code."""

from hashlib import sha256

from . import Fault, Undecided, require
from . import entries as entry_rules
from . import facts, merkle, reading, rules, seals
from .canonical import b64, jcs
from .signatures import cosigned

EXPORT, RANGE, RUN = reading.EXPORT, reading.RANGE, reading.RUN


class Trust:
    """Section 13: what the auditor holds."""

    def __init__(self, keys, stream):
        self.keys, self.stream = keys, stream
        self.prefix = seals.DEFAULT_PREFIX
        self.anchors = []     # notes
        self.versions = []    # notes of locked storage
        self.witnesses, self.quorum = [], None
        self.authority = None  # path of the certificate of the time-stamp authority
        self.outputs = []     # (ref, SHA-256 in hex)
        self.level = 2
        self.limits = reading.Limits()


class Verification:
    """One run of the steps over one document."""

    def __init__(self, document, trust, checker):
        self.document, self.trust, self.checker = document, trust, checker
        self.form = document.format
        self.not_checked = []
        self.start = document.fields["from"] if self.form == RANGE else 0
        self.anchor_sizes, self.anchored = [], False
        self.witnessed, self.timestamped = set(), False
        self.hold_status, self.open, self.governance = "unchecked", [], {}
        self.holds = rules.Holds(self.start > 0)

    def run(self):
        self.step_4_descriptor()
        self.step_5_seals()
        require(self.stream == self.trust.stream, "E_STREAM_PIN", "not the pinned stream")  # 6
        self.step_7_entries()
        self.step_8_seal_chain()
        {EXPORT: self.step_9_full, RUN: self.step_9_run, RANGE: self.step_9_range}[self.form]()
        for entry in self.all:  # 10
            facts.check(entry)
        if self.form == RANGE:
            self.step_9_neighbours()
        self.step_11_runs()
        self.step_12_keys()
        self.by_hash = {entry.hash: entry for entry in self.all}
        self.by_seq = {entry.seq: entry for entry in self.all}
        rules.references(self.all, self.by_hash, self.by_seq, self.form == EXPORT, self.not_checked)
        rules.redactions(self.all, self.by_seq)  # 14
        self.step_15_holds()
        self.step_16_outputs()
        self.step_17_anchors()
        self.step_18_external()
        return self.step_19_verdict()

    # Step 4, section 4.

    def step_4_descriptor(self):
        data = entry_rules.check_descriptor(self.document.descriptor)
        self.descriptor_bytes = data
        self.stream = merkle.stream_id(data)
        self.sealers = self.document.descriptor["sealers"]
        if "predecessor" in self.document.descriptor:
            self.not_checked.append("the predecessor that the descriptor claims")
        allowed = set(self.sealers) | set(self._added_keys())
        self.keys = [key for key in self.trust.keys if key.hash in allowed]
        require(self.keys, "E_KEY_NOT_IN_DESCRIPTOR", "no pinned key may seal this stream")

    def _added_keys(self):
        """`add` of the key.rotate entries, as far as the entries can be read at this point."""
        document = self.document
        extra = document.fields.get("extra", [])
        items = list(extra)
        if document.raw:
            for line, _, _, parts in document.entries:
                content = parts.get("facts")
                if b'"kind":"key.rotate"' in line and type(content) is tuple:
                    yield _text(content[0], "add")
        else:
            items += document.entries
        for item in items:
            if _text(item, "h", "kind") == "key.rotate":
                yield _text(item, "p", "facts", "d", "add")

    # Step 5, section 11.

    def step_5_seals(self):
        require(self.document.seals, "E_NO_SEAL", "no seal")
        self.origin = self.trust.prefix + self.stream
        self.seals = [seals.verify(self.checker, note, self.origin, self.keys)
                      for note in self.document.seals]
        self.last = self.seals[-1]

    # Step 7, sections 5 and 7.

    def step_7_entries(self):
        document, stream = self.document, self.stream
        fields = document.fields
        if document.raw:
            self.entries = [entry_rules.from_line(item, stream) for item in document.entries]
            if "proofs" in fields and self.entries:
                self.entries[-1].proof = fields["proofs"]["last"]
                self.entries[0].proof = fields["proofs"]["first"]
        else:
            proofs = self.form != EXPORT
            self.entries = [entry_rules.from_json(item, stream, proofs) for item in document.entries]
        self.extra = [entry_rules.from_json(item, stream, True) for item in fields.get("extra", [])]
        self.all = self.entries
        if self.extra:
            self.all = sorted(self.entries + self.extra, key=lambda entry: entry.seq)
        self.before, self.after = self._neighbour("before", {"h"}), self._neighbour("after", {"h", "proof"})

    def _neighbour(self, name, shape):
        item = self.document.fields.get(name)
        if name not in self.document.fields:
            return None
        require(type(item) is dict, "E_FORMAT", name + " is an object")
        require(set(item) <= shape, "E_ENTRY_FIELDS", name + " has a field that does not belong")
        require("h" in item, "E_ENTRY_FIELDS", name + " has no header")
        entry = entry_rules.header_only(item["h"], self.stream)
        entry.proof = item.get("proof", entry_rules.ABSENT)
        return entry

    # Step 8, section 11.

    def step_8_seal_chain(self):
        for one, two in zip(self.seals, self.seals[1:]):
            require(two.size >= one.size and two.at >= one.at and two.prev == one.hash,
                    "E_SEAL_CHAIN", "the seal of size %d does not follow the one before it", two.size)
            require(two.size > one.size or two.root == one.root, "E_EQUIVOCATION",
                    "two roots for size %d", two.size)

    # Step 9.

    def step_9_full(self):
        entries, size = self.entries, len(self.entries)
        for seq, entry in enumerate(entries):
            require(entry.seq == seq, "E_SEQ", "%s stands at %d", entry, seq)
        self._links(self.stream)
        self._genesis()
        self._close()
        require(self.seals[0].prev == seals.FIRST_PREV, "E_SEAL_FIRST", "the first seal names another")
        roots = merkle.roots_at((entry.leaf for entry in entries), {seal.size for seal in self.seals})
        for seal in self.seals:
            require(seal.size <= size, "E_TRUNCATED", "a seal covers %d entries, %d are here",
                    seal.size, size)
            require(roots[seal.size] == seal.root, "E_ROOT", "another root at size %d", seal.size)
            require(entries[seal.size - 1].hash == seal.head, "E_HEAD", "another head at size %d", seal.size)
        for seal in self.seals:
            self._times(seal)
        require(self.last.size == size, "E_UNSEALED_TAIL", "entries that no seal covers")

    def _links(self, prev):
        at = 0
        for entry in self.entries:
            if prev is not None and entry.prev != prev:
                raise Fault("E_PREV", "%s does not follow", entry)
            if entry.at < at:
                raise Fault("E_TIME", "%s is older than the entry before it", entry)
            prev, at = entry.hash, entry.at

    def _genesis(self):
        for entry in self.entries:
            require((entry.kind == "genesis") == (entry.seq == 0), "E_GENESIS",
                    "genesis is entry 0 and nowhere else")
        if self.start == 0:
            require(self.entries, "E_GENESIS", "no genesis")
            named = self.entries[0].facts.get("descriptor")
            require(named is not None and jcs(named) == self.descriptor_bytes, "E_GENESIS",
                    "genesis names another descriptor")

    def _close(self):
        for entry in self.entries[:-1]:
            require(entry.kind != "stream.close", "E_AFTER_CLOSE", "something follows %s", entry)

    def _times(self, seal):
        """Entries of the package around one seal."""
        last, following = seal.size - 1 - self.start, seal.size - self.start
        if 0 <= last < len(self.entries):
            require(seal.at >= self.entries[last].at, "E_BACKDATED_SEAL",
                    "the seal of size %d is older than its last entry", seal.size)
        if 0 <= following < len(self.entries):
            require(self.entries[following].at >= seal.at, "E_BACKDATED",
                    "%s is older than a seal that does not cover it", self.entries[following])

    def step_9_run(self):
        for entry in self.entries:
            self._included(entry)

    def _included(self, entry):
        proof = entry_rules.proof_of(entry)
        merkle.check_inclusion(entry.leaf, entry.seq, self.last.size, proof, self.last.root)

    def step_9_range(self):
        fields, entries = self.document.fields, self.entries
        start, end = fields["from"], fields["to"]
        require(start < end and len(entries) == end - start, "E_RANGE",
                "%d entries between %d and %d", len(entries), start, end)
        require(("from_at" in fields) == ("to_at" in fields), "E_RANGE", "half a period")
        for index, entry in enumerate(entries):
            require(entry.seq == start + index, "E_SEQ", "%s stands at %d", entry, start + index)
        for index, entry in enumerate(entries):
            border = index in (0, len(entries) - 1)
            require((entry.proof is not entry_rules.ABSENT) == border, "E_ENTRY_FIELDS",
                    "%s: the first and the last entry have a proof, no other", entry)
        self._links(self.stream if start == 0 else None)
        self._genesis()
        self._close()
        require(entries[-1].kind != "stream.close" or self.last.size <= end, "E_AFTER_CLOSE",
                "the stream goes on after stream.close")
        require(start < self.seals[0].size and self.last.size >= end
                and all(seal.size <= end for seal in self.seals[:-1]), "E_RANGE",
                "not the seals of this range")
        require(start or self.seals[0].prev == seals.FIRST_PREV, "E_SEAL_FIRST",
                "the first seal names another")
        for entry in [entries[0], entries[-1]]:
            self._included(entry)
        self._inside()
        for entry in self.extra:
            self._included(entry)
        self._extra(start, end)
        roots = self._roots({seal.size for seal in self.seals if seal.size <= end})
        for seal in self.seals:
            if seal.size <= end:
                require(roots[seal.size] == seal.root, "E_ROOT", "another root at size %d", seal.size)
                require(entries[seal.size - 1 - start].hash == seal.head, "E_HEAD",
                        "another head at size %d", seal.size)
        for seal in self.seals:
            self._times(seal)
        require(self.last.at >= entries[-1].at, "E_BACKDATED_SEAL", "the last seal is older than its entries")

    def _tree_before(self, entry):
        """The tree before an entry with a proof, as that proof states it."""
        return merkle.tree_before(entry.seq, self.last.size, entry_rules.proof_of(entry))

    def _inside(self):
        """The entries of a range between the first and the last are those of the sealed tree."""
        tree = self._tree_before(self.entries[0])
        for entry in self.entries[:-1]:
            tree.push(entry.leaf)
        require(tree.frontier == self._tree_before(self.entries[-1]).frontier, "E_INCLUSION",
                "the entries between the first and the last are not those of the sealed tree")

    def _roots(self, sizes):
        """Roots at sizes that the entries of a full export or of a range reach."""
        before = self._tree_before(self.entries[0]) if self.form == RANGE else None
        return merkle.roots_at((entry.leaf for entry in self.entries), sizes, before)

    def _extra(self, start, end):
        named = {entry.redacted_by for entry in self.entries}
        last = -1
        for entry in self.extra:
            right = (entry.kind == "redact" and entry.seq >= end and entry.seq in named
                     or entry.kind == "key.rotate" and not start <= entry.seq < end)
            require(right and entry.seq > last, "E_RANGE", "%s does not belong to extra", entry)
            last = entry.seq

    def step_9_neighbours(self):
        """Neighbours and period, after the facts."""
        fields, entries = self.document.fields, self.entries
        start, end = fields["from"], fields["to"]
        before, after, first, last = self.before, self.after, entries[0], entries[-1]
        if before:
            require(start and before.seq == start - 1, "E_RANGE", "before is not entry a - 1")
            require(before.hash == first.prev, "E_PREV", "%s does not follow before", first)
            require(before.at <= first.at, "E_TIME", "%s is older than before", first)
            require((before.kind == "genesis") == (before.seq == 0), "E_GENESIS", "genesis is entry 0")
            require(before.kind != "stream.close", "E_AFTER_CLOSE", "the range follows stream.close")
        if after:
            require(after.seq == end, "E_RANGE", "after is not entry b")
            require(last.kind != "stream.close", "E_AFTER_CLOSE", "after follows stream.close")
            require(after.kind != "stream.close" or self.last.size == end + 1, "E_AFTER_CLOSE",
                    "the stream goes on after stream.close")
            require(after.prev == last.hash, "E_PREV", "after does not follow %s", last)
            require(after.at >= last.at, "E_TIME", "after is older than %s", last)
            require(after.kind != "genesis", "E_GENESIS", "genesis is entry 0")
            self._included(after)
            for seal in self.seals:
                require(seal.size > end or after.at >= seal.at, "E_BACKDATED",
                        "%s is older than a seal that does not cover it", after)
            require(after.at <= self.last.at or self.last.size <= end, "E_BACKDATED_SEAL",
                    "the last seal is older than its entries")
        if "from_at" in fields:
            from_at, to_at = fields["from_at"], fields["to_at"]
            left = start == 0 or before and before.at < from_at
            right = (after.at >= to_at if after
                     else self.last.size == end and self.last.at >= to_at)
            require(from_at <= first.at and last.at < to_at and left and right, "E_RANGE",
                    "the period is not proved complete")

    # Step 11, section 9.

    def step_11_runs(self):
        runs = rules.Runs(self.stream, self.start > 0)
        for entry in self.entries:
            if entry.run is not None:
                runs.add(entry)
        if self.form == RUN:
            self._one_run(runs)
        for name, run in runs.runs.items():
            if run.closed:
                self.governance[name] = run.governance()
            else:
                self.open.append(name)
            if not run.whole:
                self.not_checked.append("run %s: its open, its counts and decisions before the range" % name)

    def _one_run(self, runs):
        if len(self.seals) > 1:
            self.not_checked.append("size, root and head of the %d seals before the last one: nothing in "
                                    "a run package is under them" % (len(self.seals) - 1))
        name = self.document.fields["run"]
        require(name in runs.runs and runs.runs[name].closed, "E_RUN_INCOMPLETE", "the run is not complete")
        named = {entry.redacted_by for entry in self.entries}
        last, at = -1, 0
        for entry in self.entries:
            belongs = (entry.run == name or entry.kind == "key.rotate"
                       or entry.kind == "redact" and entry.seq in named)
            require(belongs, "E_RUN_FOREIGN", "%s does not belong to the run", entry)
        for entry in self.entries:
            require(entry.seq > last, "E_SEQ", "%s is out of order", entry)
            last = entry.seq
        for entry in self.entries:
            require(entry.at >= at, "E_TIME", "%s is older than the entry before it", entry)
            at = entry.at
        require(at <= self.last.at, "E_BACKDATED_SEAL", "the seal is older than its entries")

    # Step 12, section 17.

    def step_12_keys(self):
        self.rotations = [entry for entry in self.all if entry.kind == "key.rotate"]
        for entry in self.rotations:
            try:
                spki = b64(entry.facts["spki"])
            except Fault:
                spki = b""
            require(sha256(spki).hexdigest() == entry.facts["add"], "E_FACTS",
                    "%s: add is not the hash of spki", entry)
        valid = set(self.sealers)
        for entry in self.rotations:
            retire, add = entry.facts["retire"], entry.facts["add"]
            require(retire in valid and add not in valid, "E_KEY_ROTATE",
                    "%s: retires a key not in force, or adds one that is", entry)
            valid = valid - {retire} | {add}
        sizes = [seal.size for seal in self.seals]
        between = list(zip(sizes, sizes[1:]))
        if self.form != RUN and self.start == 0:
            between.insert(0, (0, sizes[0]))
        for low, high in between:
            require(sum(low <= entry.seq < high for entry in self.rotations) <= 1, "E_KEY_ROTATE",
                    "two rotations between the seals of sizes %d and %d", low, high)
        for seal in self.seals:
            self._in_force(seal)
        if self.form != RUN and self.start == 0:
            for entry in self.rotations:
                self._handover(entry)
        elif self.rotations:
            self.not_checked.append("the handover seals of key rotations")

    def _sealers_at(self, size):
        valid = set(self.sealers)
        for entry in self.rotations:
            if entry.seq < size:
                valid = valid - {entry.facts["retire"]} | {entry.facts["add"]}
        return valid

    def _in_force(self, seal):
        valid = self._sealers_at(seal.size)
        require(any(key.hash in valid and (key.max_size is None or seal.size <= key.max_size)
                    for key in seal.verified), "E_KEY_RETIRED",
                "the seal of size %d: its keys are retired or capped", seal.size)

    def _handover(self, entry):
        seal = next((seal for seal in self.seals if seal.size > entry.seq), None)
        if seal is None:
            return
        signed = {key.hash for key in seal.verified}
        pinned = {key.hash for key in self.trust.keys}
        for name in ("add", "retire"):
            key = entry.facts[name]
            if key in pinned:
                require(key in signed, "E_KEY_ROTATE", "the handover seal of size %d lacks a key", seal.size)
            else:
                self.not_checked.append("handover seal of size %d: key %s is not pinned" % (seal.size, key))

    # Steps 15 and 16, sections 8 and 13.

    def step_15_holds(self):
        if self.form == RUN:
            self.not_checked.append("legal holds: a run package does not replay them")
            return
        self.holds.replay(self.entries, self.by_seq)
        self.hold_status = "violated" if self.holds.lost else "kept"

    def step_16_outputs(self):
        recorded = set()
        for entry in self.entries:
            if entry.kind == "run.close":
                recorded.update((item["ref"], item["hash"]) for item in entry.facts["outputs"])
        for ref, digest in self.trust.outputs:
            require((ref, "sha256:" + digest) in recorded, "E_OUTPUT_HASH",
                    "%s is not an output with this digest", ref)

    # Step 17, anchors.

    def step_17_anchors(self):
        anchors, versions = [], []
        for note in self.trust.anchors:
            anchors.append(self._anchor(note))
        for note in self.trust.versions:
            try:
                versions.append(self._anchor(note))
            except Fault as fault:
                self.not_checked.append("a seal version is ignored: %s" % fault.code)
        roots, names = {}, {}
        for seal in versions:
            require(roots.setdefault(seal.size, seal.root) == seal.root, "E_EQUIVOCATION",
                    "two seals of size %d with different roots", seal.size)
            require(names.setdefault(seal.prev, seal.body) == seal.body, "E_EQUIVOCATION",
                    "two seals that name the same previous one")
        anchors += versions
        links = self.document.fields["consistency"]
        for seal in anchors:
            require(seal.size <= self.last.size or seal.size in links, "E_ROLLBACK",
                    "an anchor of size %d, the package ends at %d", seal.size, self.last.size)
        linked = {seal.size for seal in anchors if self._linked(seal, links)}
        self.anchor_sizes = sorted(linked)
        self.anchored = bool(anchors) and max(seal.size for seal in anchors) in linked
        for size in sorted({seal.size for seal in anchors} - linked):
            self.not_checked.append("anchor of size %d: no proof links it" % size)
        if not anchors:
            self.not_checked.append("no anchor was given: a rollback or a second history cannot be seen")

    def _anchor(self, note):
        seal = seals.verify(self.checker, note, self.origin, self.keys)
        self._in_force(seal)
        return seal

    def _linked(self, seal, links):
        """A seal of equal size in the package is no link by itself: of a run package, nothing but the
        last seal is tied to the entries."""
        fork = "another history at size %d"
        for own in self.seals:
            if own.size == seal.size:
                require((own.root, own.head) == (seal.root, seal.head), "E_FORK", fork, seal.size)
        for entry in self.entries + self.extra:
            if entry.seq == seal.size - 1:
                require(entry.hash == seal.head, "E_FORK", fork, seal.size)
        first, last = self.entries[0].seq, self.entries[-1].seq
        if self.form != RUN and first < seal.size <= last + 1:
            root = self._roots({seal.size})[seal.size]
            require(root == seal.root, "E_FORK", fork, seal.size)
            return True
        if seal.size == self.last.size:
            return True
        if seal.size not in links:
            return False
        small, large = sorted((seal, self.last), key=lambda seal: seal.size)
        try:
            merkle.check_consistency(small.size, small.root, large.size, large.root, links[seal.size])
        except Fault:
            raise Fault("E_FORK", "no proof that size %d and %d are one history",
                        small.size, large.size) from None
        return True

    # Step 18, witnesses and time-stamps.

    def step_18_external(self):
        for witness in self.trust.witnesses:
            payloads = [payload for name, payload in self.last.lines if name == witness.name]
            if any(cosigned(self.checker, witness, payload, self.last.body) for payload in payloads):
                self.witnessed.add(witness.key)  # one key under two names is one witness
        by_hash = {seal.hash: seal for seal in self.seals}
        for name, token in self.document.timestamps:
            seal = by_hash.get(name)
            require(seal, "E_TIMESTAMP", "a time-stamp of a seal that is not here")
            require(bytes.fromhex(name) in token, "E_TIMESTAMP", "a time-stamp of another seal")
            if self.trust.authority is None:
                self.not_checked.append("time-stamp of the seal of size %d: no time-stamp authority "
                                        "is given" % seal.size)
                continue
            require(self.checker.timestamp(token, seal.reduced, self.trust.authority), "E_TIMESTAMP",
                    "a time-stamp that does not verify")
            self.timestamped |= seal is self.last

    # Step 19, section 15.

    def step_19_verdict(self):
        self.not_checked.append("actions that were never recorded, and facts that were recorded falsely")
        quorum = self.trust.quorum
        if quorum is None:
            quorum = len({witness.key for witness in self.trust.witnesses})
        witnessed = quorum > 0 and len(self.witnessed) >= quorum
        level = 2
        if self.anchored or witnessed:
            level = 3
        if witnessed or self.anchored and self.timestamped:
            level = 4
        return {
            "stream": self.stream, "format": self.form, "level": level, "entries": len(self.entries),
            "size": self.last.size, "seal_hash": self.last.hash, "sealed_at": self.last.at,
            "governance": dict(sorted(self.governance.items())), "open": sorted(self.open),
            "holds": sorted(self.holds.active), "hold_status": self.hold_status,
            "lost_under_hold": self.holds.lost, "anchors": self.anchor_sizes,
            "witnesses": len(self.witnessed), "timestamp": self.timestamped,
            "not_checked": self.not_checked,
        }


def _text(value, *path):
    for name in path:
        value = value.get(name) if type(value) is dict else None
    return value if type(value) is str else None


def verify(data, files, trust, checker):
    """Verifies a document (`data`) or the files of a folder or archive. Raises Fault."""
    if files is not None:
        document = reading.from_files(files, trust.limits)
    else:
        require(len(data) <= trust.limits.max_bytes, "E_LIMIT", "too many bytes")
        document = reading.from_document(data)
    return Verification(document, trust, checker).run()


def seals_of(data, files, limits):
    """The seals of an earlier package (section 13); they are verified as anchors."""
    try:
        document = reading.from_files(files, limits) if files is not None else reading.from_document(data)
    except Fault as fault:
        raise Undecided("an earlier package cannot be read: %s", fault.code) from None
    return document.seals
