"""The tree of RFC 6962, against the vectors of the Certificate Transparency project and by its rules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisewatch.evidence import merkle

#: Inputs and roots that implementations of Certificate Transparency share.
LEAVES = [
    merkle.leaf_hash(bytes.fromhex(text))
    for text in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

sizes = st.integers(min_value=1, max_value=70)


def made(size: int) -> list[bytes]:
    return [merkle.leaf_hash(str(number).encode()) for number in range(size)]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert merkle.root_of(LEAVES[:size]).hex() == ROOTS[size - 1]
    assert merkle.frontier_of(LEAVES[:size]).root.hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    assert merkle.root_of([]) == merkle.Frontier().root == merkle.EMPTY_ROOT
    assert merkle.EMPTY_ROOT.hex().startswith("e3b0c44298fc1c14")


def test_a_proof_of_certificate_transparency_is_made_to_the_byte() -> None:
    assert [one.hex() for one in merkle.inclusion_proof(LEAVES[:5], 1)] == [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ]


@given(sizes, st.data())
def test_every_leaf_is_proven_and_no_other(size: int, data: st.DataObject) -> None:
    leaves = made(size)
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_proof(leaves, index)
    root = merkle.root_of(leaves)
    assert merkle.root_from_inclusion(leaves[index], index=index, size=size, path=path) == root
    other = merkle.leaf_hash(b"another")
    assert merkle.root_from_inclusion(other, index=index, size=size, path=path) != root
    assert merkle.root_from_inclusion(leaves[index], index=size, size=size, path=path) is None
    assert merkle.root_from_inclusion(leaves[index], index=index, size=size, path=[*path, root]) is None
    if size > 1:
        wrong = (index + 1) % size
        assert merkle.root_from_inclusion(leaves[index], index=wrong, size=size, path=path) != root
        assert merkle.root_from_inclusion(leaves[index], index=index, size=size, path=path[:-1]) is None


@given(sizes, st.data())
def test_a_tree_that_grew_is_consistent_and_one_that_was_rewritten_is_not(
    size: int, data: st.DataObject
) -> None:
    leaves = made(size)
    earlier = data.draw(st.integers(1, size))
    path = merkle.consistency_proof(leaves, earlier)
    old, new = merkle.root_of(leaves[:earlier]), merkle.root_of(leaves)

    def judge(earlier_root: bytes, later_root: bytes) -> bool:
        return merkle.is_consistent(
            earlier=earlier, earlier_root=earlier_root, later=size, later_root=later_root, path=path
        )

    assert judge(old, new)
    changed = data.draw(st.integers(0, earlier - 1))
    rewritten = [*leaves[:changed], merkle.leaf_hash(b"rewritten"), *leaves[changed + 1 :]]
    assert not judge(merkle.root_of(rewritten[:earlier]), new)
    assert not judge(old, merkle.root_of(rewritten))
    if path:
        assert not merkle.is_consistent(
            earlier=earlier, earlier_root=old, later=size, later_root=new, path=path[:-1]
        )


@given(sizes)
def test_appending_one_by_one_gives_the_same_tree(size: int) -> None:
    tree = merkle.frontier_of(made(size))
    assert (tree.size, tree.root) == (size, merkle.root_of(made(size)))
    assert len(tree.hashes) == size.bit_count()


def test_what_is_no_tree_is_refused() -> None:
    with pytest.raises(ValueError, match="one hash for each bit"):
        merkle.Frontier(3, (b"x",))
    with pytest.raises(ValueError, match="no leaf 3"):
        merkle.inclusion_proof(made(3), 3)
    with pytest.raises(ValueError, match="no prefix"):
        merkle.consistency_proof(made(3), 4)
