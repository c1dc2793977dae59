"""Sections 6, 8 and 9: what entries may say about each other (steps 11 and 13 to 15)."""

from . import Fault, require

MOST_LOST = 10000  # section 20: losses under holds that a verdict lists

ACTIONS = ("run.action", "repair.started", "repair.executed", "repair.failed")
RESULTS = ("run.action", "repair.executed", "repair.failed")


class Decision:
    """A run.decision with what was resolved about it so far; `inside` counts its own run only."""

    def __init__(self, entry):
        self.seq, self.run, self.action = entry.seq, entry.run, entry.facts["action_hash"]
        self.effect = entry.facts["effect"]
        self.needed = entry.facts.get("approvals", 1)
        self.approvers, self.approvers_inside = set(), set()
        self.denied = self.denied_inside = self.override = False

    def resolve(self, entry):
        facts, inside = entry.facts, entry.run == self.run
        if facts["effect"] == "DENY":
            self.denied = True
            self.denied_inside |= inside
        else:
            self.approvers.add(facts["approver"])
            if inside:
                self.approvers_inside.add(facts["approver"])
            self.override |= facts.get("override", False)

    @property
    def approved(self):
        return not self.denied and len(self.approvers) >= self.needed

    @property
    def unresolved_inside(self):
        return not self.denied_inside and len(self.approvers_inside) < self.needed


class Run:
    def __init__(self, whole):
        self.whole = whole  # its run.open is in the package
        self.next, self.prev, self.closed = 0, None, False
        self.decisions, self.overrides = [], 0
        self.started, self.results = set(), set()

    def governance(self):
        if not self.whole:
            return "unknown"
        if self.overrides:
            return "overridden"
        unresolved = any(decision.effect == "REQUIRE" and decision.unresolved_inside
                         for decision in self.decisions)
        return "unresolved" if unresolved or self.started - self.results else "clean"


class Runs:
    """Section 9, entry after entry in stream order. `midway`: runs may have begun before."""

    def __init__(self, stream, midway):
        self.stream, self.midway = stream, midway
        self.runs, self.decisions = {}, {}
        self.refused = {}   # action hash: the decision that stays refused
        self.held = {}      # action hash: its REQUIRE decisions
        self.begun, self.done = set(), set()

    def add(self, entry):
        run = self.runs.get(entry.run)
        if run is None:
            run = self.runs[entry.run] = Run(entry.n == 0)
            if entry.n and self.midway:
                run.next, run.prev = entry.n, entry.run_prev
            else:
                run.prev = self.stream
        require(not run.closed, "E_RUN_AFTER_CLOSE", "%s: its run is closed", entry)
        require(entry.n == run.next and entry.run_prev == run.prev, "E_RUN_LINK",
                "%s: does not continue its run", entry)
        kind = entry.kind
        require((kind == "run.open") == (entry.n == 0), "E_RUN_OPEN",
                "%s: run.open is exactly the first entry of a run", entry)
        run.next, run.prev = entry.n + 1, entry.hash
        if kind == "run.decision":
            self._decision(entry, run)
        elif kind == "run.resolution":
            self._resolution(entry, run)
        elif kind in ACTIONS:
            self._action(entry, run)
        elif kind == "run.close":
            self._close(entry, run)

    def _decision(self, entry, run):
        decision = self.decisions[entry.hash] = Decision(entry)
        run.decisions.append(decision)
        if decision.effect == "DENY":
            self.refused[decision.action] = decision
        elif decision.effect == "REQUIRE":
            self.held.setdefault(decision.action, []).append(decision)

    def _resolution(self, entry, run):
        run.overrides += entry.facts.get("override", False)
        decision = self.decisions.get(entry.facts["decision"])
        if decision is None:
            return  # step 13 says whether it may be missing
        require(decision.effect == "REQUIRE", "E_REF", "%s: resolves what needs no approval", entry)
        decision.resolve(entry)
        if decision.denied:
            self.refused[decision.action] = decision

    def _action(self, entry, run):
        action = entry.facts["action_hash"]
        decision = self.decisions.get(entry.facts["decision"])
        if decision is None and not run.whole:
            pass  # decided before the range
        else:
            require(decision and decision.run == entry.run and decision.action == action,
                    "E_ACTION_BEFORE_DECISION", "%s: no earlier decision of its run", entry)
            require(decision.effect == "ALLOW" or decision.effect == "REQUIRE" and decision.approved,
                    "E_UNAUTHORIZED_ACTION", "%s: not allowed by its decision", entry)
            if decision.effect == "ALLOW":
                for held in self.held.get(action, ()):
                    require(held.seq > decision.seq or held.approved or held.override,
                            "E_UNAUTHORIZED_ACTION", "%s: held before and never approved", entry)
        require(action not in self.refused, "E_UNAUTHORIZED_ACTION", "%s: refused before", entry)
        require(action not in self.done and not (entry.kind == "repair.started"
                                                 and action in self.begun),
                "E_UNAUTHORIZED_ACTION", "%s: one action, one effect", entry)
        if entry.kind == "repair.started":
            self.begun.add(action)
            run.started.add(action)
        else:
            self.done.add(action)
            run.results.add(action)

    def _close(self, entry, run):
        run.closed = True
        if not run.whole:
            return
        effects = [decision.effect for decision in run.decisions]
        counts = {
            "decisions": len(effects), "allow": effects.count("ALLOW"),
            "require": effects.count("REQUIRE"), "deny": effects.count("DENY"),
            "unresolved": sum(decision.effect == "REQUIRE" and decision.unresolved_inside
                              for decision in run.decisions),
            "overrides": run.overrides}
        for name, count in counts.items():
            require(entry.facts[name] == count, "E_RUN_COUNT",
                    "%s: %s is %d", entry, name, count)


def references(entries, by_hash, by_seq, full, not_checked):
    """Step 13. A target that is not in the package is an error in a full export only."""
    for entry in entries:
        facts, kind = entry.facts, entry.kind
        if kind == "run.open":
            cause = facts.get("cause")
            if cause is not None:
                _reference(entry, "cause", cause["entry"], None, by_hash, full, not_checked)
                named = by_seq.get(cause["seq"])
                require(cause["seq"] < entry.seq and (named is None or named.hash == cause["entry"])
                        and (cause["entry"] not in by_hash
                             or by_hash[cause["entry"]].seq == cause["seq"]),
                        "E_REF", "%s: cause names another entry", entry)
            if "prior_run" in facts:
                _reference(entry, "prior_run", facts["prior_run"], "run.close", by_hash, full,
                           not_checked)
        elif kind == "run.resolution":
            target = _reference(entry, "decision", facts["decision"], "run.decision", by_hash, full,
                                not_checked)
            require(target is None or target.facts["effect"] == "REQUIRE", "E_REF",
                    "%s: resolves what needs no approval", entry)
        elif kind == "repair.verified":
            _reference(entry, "repair", facts["repair"], "repair.executed", by_hash, full, not_checked)


def _reference(entry, name, hash, kind, by_hash, full, not_checked):
    target = by_hash.get(hash)
    if target is None:
        require(not full, "E_REF", "%s: %s names no entry", entry, name)
        not_checked.append("%s of %s: its target is not in the package" % (name, entry))
        return None
    require(target.seq < entry.seq and kind in (None, target.kind), "E_REF",
            "%s: %s names a wrong entry", entry, name)
    return target


def redactions(entries, by_seq):
    """Step 14: absent parts first, then redact entries."""
    for entry in entries:
        if entry.redacted_by is None:
            continue
        by = by_seq.get(entry.redacted_by)
        require(by, "E_TOMBSTONE_ABSENT", "%s: redact entry %d is not here", entry, entry.redacted_by)
        require(by.kind == "redact", "E_TOMBSTONE_KIND", "%s: explained by %s", entry, by)
        require(by.facts["seq"] == entry.seq and by.facts["entry"] == entry.hash
                and by.facts["commit"] == entry.commits["subject"],
                "E_TOMBSTONE_TARGET", "%s: %s is about another entry", entry, by)
    for entry in entries:
        if entry.kind != "redact":
            continue
        facts = entry.facts
        require(facts["seq"] < entry.seq, "E_TOMBSTONE_TARGET", "%s: its target is not earlier", entry)
        target = by_seq.get(facts["seq"])
        if target is None:
            continue
        require(facts["entry"] == target.hash and facts["commit"] == target.commits.get("subject"),
                "E_TOMBSTONE_TARGET", "%s: its target is another entry", entry)
        require(target.redacted_by == entry.seq, "E_REDACTED_PRESENT",
                "%s: its target is present, or redacted by another entry", entry)


class Holds:
    """Step 15. `midway`: a hold may have been set before the first entry, so the first thing said
    about it is believed."""

    def __init__(self, midway):
        self.midway = midway
        self.active, self.known = {}, set()
        self.lost = []

    def replay(self, entries, by_seq):
        for entry in entries:
            facts = entry.facts
            if entry.kind == "hold.set":
                require(facts["hold"] not in self.active, "E_HOLD_STATE", "%s: already active", entry)
                self.active[facts["hold"]] = facts["target"]
                self.known.add(facts["hold"])
            elif entry.kind == "hold.release":
                known = facts["hold"] in self.active
                require(known or self.midway and facts["hold"] not in self.known, "E_HOLD_STATE",
                        "%s: not active", entry)
                self.active.pop(facts["hold"], None)
                self.known.add(facts["hold"])
            elif entry.kind == "redact":
                self._redact(entry, by_seq.get(facts["seq"]))

    def _redact(self, entry, target):
        seq = entry.facts["seq"]
        for hold in sorted(self.active):
            scope = self.active[hold]
            if "run" in scope:
                inside = target is not None and target.run == scope["run"]
            else:
                inside = "all" in scope or scope["from"] <= seq < scope["to"]
            if inside and entry.facts["reason"] != "lost":
                raise Fault("E_HOLD", "%s: under the hold %s", entry, hold)
            if inside:
                require(len(self.lost) < MOST_LOST, "E_LIMIT", "%s: more than %d losses under holds",
                        entry, MOST_LOST)
                self.lost.append({"hold": hold, "redact": entry.seq, "seq": seq})
