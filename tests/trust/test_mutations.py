"""Ten thousand damaged files: each a result or the reader's one error, in one sentence."""

from __future__ import annotations

import pytest
from readers import READERS, outcome

LEAST_CASES = 10_000


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_give_a_result_or_one_sentence(name, record_testsuite_property):
    found = outcome(name)
    record_testsuite_property(f"cases, {name}", found.cases)
    assert not found.faults, "\n".join(found.faults[:5])
    assert found.cases == READERS[name].cases
    assert found.accepted > 0  # so the damage does reach past the first check
    assert found.cases - found.accepted > 0


def test_there_are_ten_thousand_of_them(record_testsuite_property):
    cases = sum(outcome(name).cases for name in READERS)
    record_testsuite_property("cases", cases)
    assert cases >= LEAST_CASES
