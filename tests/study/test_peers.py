from __future__ import annotations

import pytest

from featherface.study.peers import by_protocol, peers


@pytest.mark.parametrize("peer", peers(), ids=lambda peer: f"{peer.name}, {peer.protocol}")
def test_every_row_names_source_and_protocol(peer):
    assert peer.source
    assert peer.protocol
    assert peer.link.startswith("https://")
    assert 100 > peer.easy > peer.medium > peer.hard > 0
    assert peer.parameters is None or 50_000 <= peer.parameters <= 1_000_000


def test_rows_of_different_protocols_stay_apart():
    groups = by_protocol(peers())

    assert sum(len(rows) for rows in groups.values()) == len(peers())
    assert {"original size", "VGA", "longer side 640"} <= groups.keys()
    # one network, two protocols: 26 points of hard AP between them
    assert [row.hard for row in peers() if row.name.startswith("RetinaFace")] == [73.82, 47.32]
