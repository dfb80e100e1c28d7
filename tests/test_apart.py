"""Parts of a corpus that share no speaker and no sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stxfer.core.errors import DataError
from stxfer.corpora.apart import hold_out
from stxfer.text.near import sentence_key

ROWS = st.lists(st.lists(st.sampled_from([f"s{k}" for k in range(30)] + [f"t{k}" for k in range(60)]), min_size=1,
                         max_size=3), min_size=1, max_size=60)


@given(ROWS, st.floats(0.05, 0.95))
def test_parts_share_no_key_and_are_no_larger_than_asked_for(rows: list[list[str]], share: float) -> None:
    try:
        chosen = hold_out(rows, share, "rows")
    except DataError:
        return
    keys = {True: set(), False: set()}
    for number, row in enumerate(rows):
        keys[number in chosen].update(row)
    assert keys[True].isdisjoint(keys[False])
    assert 1 <= len(chosen) <= max(1, share * len(rows)) and len(chosen) < len(rows)


@given(st.permutations(range(40)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    rows = [[f"speaker {k % 11}", f"sentence {k}"] for k in range(40)]
    chosen = hold_out(rows, 0.3, "rows")
    assert {order[k] for k in hold_out([rows[k] for k in order], 0.3, "rows")} == chosen
    assert len(chosen) >= 8  # speakers have three or four rows: the share is nearly reached


def test_a_row_more_moves_few_others() -> None:
    rows = [[f"sentence {k}"] for k in range(200)]
    before, after = hold_out(rows, 0.5, "rows"), hold_out([*rows, ["one more"]], 0.5, "rows")
    assert len(before ^ after) <= 2


@pytest.mark.parametrize(("rows", "smallest"), [([["ada", "a"], ["ada", "b"], ["can", "b"]], 3), ([["one"]], 1)])
def test_what_hangs_together_cannot_be_parted(rows: list[list[str]], smallest: int) -> None:
    with pytest.raises(DataError, match=f"dev.tsv: {len(rows)} rows cannot be parted, for the smallest group that "
                                        f"shares nothing with the others has {smallest} of them"):
        hold_out(rows, 0.5, "dev.tsv")


def test_sentences_are_compared_by_their_letters() -> None:
    assert sentence_key("“IŞIK”, İstanbul'da!") == sentence_key("ışık istanbulda")
    assert sentence_key("Straße 1") == sentence_key("STRASSE\u00a01.")
    assert sentence_key("e\u0301te\u0301") == sentence_key("Été")
    assert sentence_key("राम") != sentence_key("रम")
    assert sentence_key("ngá áyingí") != sentence_key("nga ayingi")  # tones are letters' marks, not punctuation
