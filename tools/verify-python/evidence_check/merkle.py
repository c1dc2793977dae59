"""Sections 3 and 10: hashes with their domains, and the RFC 6962 tree."""

from hashlib import sha256

from . import Fault, require
from .canonical import b64

MAX_PROOF = 64


def leaf_hash(header):
    return sha256(b"\x00" + header).digest()


def node_hash(left, right):
    return sha256(b"\x01" + left + right).digest()


def stream_id(descriptor):
    return sha256(b"counterfoil/v1/stream\n" + descriptor).hexdigest()


def commitment(salt, part):
    return sha256(b"counterfoil/v1/part\n" + salt + part).hexdigest()


class Tree:
    """The roots of the perfect subtrees, largest first."""

    def __init__(self):
        self.size = 0
        self.frontier = []

    def push(self, leaf):
        frontier = self.frontier
        size = self.size
        self.size = size + 1
        while size & 1:
            leaf = sha256(b"\x01" + frontier.pop() + leaf).digest()
            size >>= 1
        frontier.append(leaf)

    def root(self):
        if not self.frontier:
            return sha256(b"").digest()
        root = self.frontier[-1]
        for left in reversed(self.frontier[:-1]):
            root = node_hash(left, root)
        return root


def roots_at(leaves, sizes, tree=None):
    """The roots of the tree at each of these sizes, all of them at most the number of leaves; `tree`
    is what stands before them."""
    tree, roots, wanted = tree or Tree(), {}, sorted(set(sizes), reverse=True)
    for leaf in leaves:
        if not wanted:
            break
        tree.push(leaf)
        while wanted and wanted[-1] == tree.size:
            roots[wanted.pop()] = tree.root()
    return roots


def tree_before(index, size, proof):
    """The tree of size `index`, out of the checked inclusion proof of entry `index` at `size`: the
    hashes on the left of its path are the roots of the perfect subtrees before it."""
    tree, left, last, at = Tree(), index, size - 1, 0
    while last:
        if left & 1 or left != last:
            if left & 1:
                tree.frontier.insert(0, proof[at])
            at += 1
        left, last = left >> 1, last >> 1
    tree.size = index
    return tree


def decode_proof(texts):
    """The bytes of the hashes of a proof, not yet their length."""
    require(type(texts) is list and all(type(text) is str for text in texts),
            "E_FORMAT", "a proof is a list of strings")
    require(len(texts) <= MAX_PROOF, "E_PROOF_LEN", "a proof has at most 64 hashes")
    return [b64(text) for text in texts]


def _lengths(proof):
    for item in proof:
        require(len(item) == 32, "E_HASH_LEN", "a hash of a proof is not 32 bytes long")


def check_inclusion(leaf, index, size, proof, root):
    """RFC 9162 section 2.1.3.2, with the exact length of the path."""
    require(index < size, "E_PROOF_INDEX", "entry %d is not under a seal of size %d", index, size)
    _lengths([*proof, leaf, root])
    left, last, at = index, size - 1, 0
    path = 0
    while last:  # every level up to the root, except where the node has no sibling
        if left & 1 or left != last:
            path += 1
        left, last = left >> 1, last >> 1
    require(len(proof) == path, "E_PROOF_LEN",
            "the path of entry %d has %d hashes, the proof %d", index, path, len(proof))
    left, last, node = index, size - 1, leaf
    while last:
        if left & 1:
            node = node_hash(proof[at], node)
            at += 1
        elif left != last:
            node = node_hash(node, proof[at])
            at += 1
        left, last = left >> 1, last >> 1
    require(node == root, "E_INCLUSION", "entry %d is not in the sealed tree", index)


def check_consistency(first, first_root, second, second_root, proof):
    """RFC 9162 section 2.1.4.2: the tree of size `first` is a prefix of that of size `second`."""
    require(0 < first <= second, "E_PROOF_INDEX", "a proof from size 0, or backwards, proves nothing")
    _lengths([*proof, first_root, second_root])
    if first == second:
        require(not proof, "E_PROOF_LEN", "equal sizes need no hashes")
        require(first_root == second_root, "E_INCLUSION", "equal sizes, different roots")
        return
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    require(path, "E_PROOF_LEN", "the proof is too short")
    left, last = first - 1, second - 1
    while left & 1:
        left, last = left >> 1, last >> 1
    one = two = path[0]
    for item in path[1:]:
        require(last, "E_PROOF_LEN", "the proof is too long")
        if left & 1 or left == last:
            one, two = node_hash(item, one), node_hash(item, two)
            while left and not left & 1:
                left, last = left >> 1, last >> 1
        else:
            two = node_hash(two, item)
        left, last = left >> 1, last >> 1
    require(not last, "E_PROOF_LEN", "the proof is too short")
    if one != first_root or two != second_root:
        raise Fault("E_INCLUSION", "size %d is not a prefix of size %d", first, second)
