from __future__ import annotations

import pytest

from featherface.reporting.wording import (
    change_text,
    faces_text,
    images_text,
    origin_text,
    printed,
    value_pair,
    when_text,
)
from featherface.study.headlines import Headline
from featherface.study.provenance import counted, measured

WHEN = "2026-01-02T03:04:05+00:00"


def parameters(value: int):
    return counted(value, "parameters", "summed over the network")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (592_371, "parameters", "592k"),
        (1_035_000_000, "MACs", "1.035 GMACs"),
        (84.04, "ms", "84.0 ms"),
        (2_400_000, "bytes", "2.40 MB"),  # 10^6 bytes, not 2^20
        (0.87049, "AP", "0.870"),
    ],
)
def test_numbers_are_short_and_have_units(value, unit, text):
    assert printed(counted(value, unit, "counted")) == text


@pytest.mark.parametrize(
    ("values", "pair", "change"),
    [
        ((parameters(592_371), parameters(256_156)), "592k → 256k", "-56.8%"),
        ((parameters(592_371), None), "592k → ?", None),
    ],
)
def test_a_pair_has_its_unit_once_and_its_change_in_percent(values, pair, change):
    row = Headline("Parameters", dict(zip(("v1", "v2"), values, strict=True)), False, change and -0.568)
    assert (value_pair(row), change_text(row)) == (pair, change)


@pytest.mark.parametrize(
    ("when", "text"),
    [
        pytest.param("2026-01-03T14:05:09+00:00", "3 January 2026, 14:05 UTC", id="UTC"),
        pytest.param("2026-01-03T14:05:09", "3 January 2026, 14:05 UTC", id="without an offset"),
        pytest.param("2026-01-03T01:05:09+02:00", "2 January 2026, 23:05 UTC", id="another offset"),
    ],
)
def test_times_are_printed_in_utc(when, text):
    assert when_text(when) == text


def test_the_change_of_a_score_is_a_difference():
    scores = {"v1": counted(0.87, "AP", ""), "v2": counted(0.81, "AP", "")}
    assert change_text(Headline("AP", scores, True, 0.81 / 0.87 - 1)) == "-0.060"


def test_the_origin_has_exact_values_and_what_is_missing(machine):
    values = {"v1": measured(84.0412, "ms", "median of 10 rounds", WHEN, machine), "v2": None}
    text = origin_text(Headline("Latency", values, False, None))
    assert text == (
        "FeatherFace V1: 84.04 ms, median of 10 rounds, 2 January 2026, 03:04 UTC, on Processor, 2 cores, "
        "PyTorch 2.13. FeatherFace V2: not measured yet."
    )


def test_times_and_counts_in_words():
    assert when_text(WHEN) == "2 January 2026, 03:04 UTC"
    assert [faces_text(count) for count in (0, 1, 1200)] == ["0 faces", "1 face", "1,200 faces"]
    assert [images_text(count) for count in (1, 3226)] == ["1 image", "3,226 images"]
