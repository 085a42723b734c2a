"""The RFC 6962 Merkle tree over a log's lines: roots, inclusion and consistency proofs. Pure.

A leaf is one line of the log without its newline. Leaf and node hashes are prefixed (RFC 6962 section 2.1),
so that no node can pass for a leaf. A ``Frontier`` is all that an append needs to know of the tree: one hash
for each bit of its size, so that an entry costs the same in a log of a hundred or of a million lines.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: The root of the empty tree (RFC 6962 section 2.1).
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(line: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\x00" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The roots of the complete subtrees of a tree of ``size`` leaves, the largest first.

    Examples
    --------
    >>> tree = Frontier().append(leaf_hash(b"first")).append(leaf_hash(b"second"))
    >>> tree.root == root_of([leaf_hash(b"first"), leaf_hash(b"second")])
    True
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.hashes) != self.size.bit_count():
            raise ValueError("a frontier has one hash for each bit of its size")

    def append(self, leaf: bytes) -> Frontier:
        """Return the frontier with one leaf hash more."""
        hashes, size = [*self.hashes, leaf], self.size
        while size & 1:
            right = hashes.pop()
            hashes.append(node_hash(hashes.pop(), right))
            size >>= 1
        return Frontier(self.size + 1, tuple(hashes))

    @property
    def root(self) -> bytes:
        """The root of the whole tree."""
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


def frontier_of(leaves: Iterable[bytes]) -> Frontier:
    """Return the frontier of the tree over these leaf hashes."""
    tree = Frontier()
    for leaf in leaves:
        tree = tree.append(leaf)
    return tree


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root of the tree over these leaf hashes (RFC 6962 section 2.1)."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    # pairing neighbours and carrying an odd last one up gives the same tree as splitting at powers of two
    while len(level) > 1:
        paired = [node_hash(*level[at : at + 2]) for at in range(0, len(level) - 1, 2)]
        level = paired + level[-1:] if len(level) % 2 else paired
    return level[0]


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of one leaf, the sibling next to it first (RFC 6962 section 2.1.1).

    Raises
    ------
    ValueError
        There is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise ValueError(f"there is no leaf {index} in a tree of {len(leaves)}")
    path: list[bytes] = []
    level, at = list(leaves), index
    while len(level) > 1:
        if at ^ 1 < len(level):
            path.append(level[at ^ 1])
        paired = [node_hash(*level[one : one + 2]) for one in range(0, len(level) - 1, 2)]
        level = paired + level[-1:] if len(level) % 2 else paired
        at >>= 1
    return path


def root_from_inclusion(leaf: bytes, *, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that a proof leads to, or None where it does not fit the tree (RFC 9162 2.1.3.2).

    Parameters
    ----------
    leaf : bytes
        Hash of the leaf.
    index, size : int
        Which leaf, in a tree of how many.
    path : sequence of bytes
        The proof.

    Examples
    --------
    >>> leaves = [leaf_hash(text) for text in (b"a", b"b", b"c")]
    >>> path = inclusion_proof(leaves, 2)
    >>> root_from_inclusion(leaves[2], index=2, size=3, path=path) == root_of(leaves)
    True
    """
    if not 0 <= index < size:
        return None
    at, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            root = node_hash(sibling, root)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            root = node_hash(root, sibling)
        at >>= 1
        last >>= 1
    return root if last == 0 else None


def consistency_proof(leaves: Sequence[bytes], earlier: int) -> list[bytes]:
    """Return the proof that the first ``earlier`` leaves are a prefix of all (RFC 6962 section 2.1.2).

    Raises
    ------
    ValueError
        The earlier tree is empty or larger than this one.
    """
    if not 0 < earlier <= len(leaves):
        raise ValueError(f"a tree of {earlier} is no prefix of one of {len(leaves)}")
    return _subproof(earlier, leaves, is_whole=True)


def is_consistent(
    *, earlier: int, earlier_root: bytes, later: int, later_root: bytes, path: Sequence[bytes]
) -> bool:
    """Tell whether a later tree holds an earlier one unchanged (RFC 9162 section 2.1.4.2).

    Examples
    --------
    >>> leaves = [leaf_hash(text) for text in (b"a", b"b", b"c")]
    >>> is_consistent(
    ...     earlier=2,
    ...     earlier_root=root_of(leaves[:2]),
    ...     later=3,
    ...     later_root=root_of(leaves),
    ...     path=consistency_proof(leaves, 2),
    ... )
    True
    """
    if not 0 < earlier <= later:
        return False
    if earlier == later:
        return not path and earlier_root == later_root
    hashes = [earlier_root, *path] if earlier & (earlier - 1) == 0 else list(path)
    if not hashes:
        return False
    at, last = earlier - 1, later - 1
    while at & 1:
        at >>= 1
        last >>= 1
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            new = node_hash(new, sibling)
        at >>= 1
        last >>= 1
    return last == 0 and old == earlier_root and new == later_root


def _subproof(earlier: int, leaves: Sequence[bytes], *, is_whole: bool) -> list[bytes]:
    size = len(leaves)
    if earlier == size:
        return [] if is_whole else [root_of(leaves)]
    half = 1 << ((size - 1).bit_length() - 1)
    if earlier <= half:
        return [*_subproof(earlier, leaves[:half], is_whole=is_whole), root_of(leaves[half:])]
    return [*_subproof(earlier - half, leaves[half:], is_whole=False), root_of(leaves[:half])]
