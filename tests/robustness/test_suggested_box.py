"""A point becomes the box of the best candidate there, or one of the size of the faces around it."""

from __future__ import annotations

import numpy as np
import pytest

from featherface.detection.detections import Detections
from featherface.robustness.missed_faces import Spot
from featherface.robustness.suggested_box import suggested_box

SIZE = 640, 480


def scored(*rows: tuple[float, ...]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(table[:, :4], table[:, 4], np.zeros((len(table), 5, 2), np.float32))


NOTHING = scored()
AROUND = np.array([(0, 0, 20, 30), (40, 0, 64, 34), (90, 0, 112, 32), (500, 400, 620, 470)], np.float32)


@pytest.mark.parametrize(
    ("spot", "candidates", "neighbours", "box"),
    [
        pytest.param(Spot(1, 2, 30, 40), (NOTHING,), AROUND, (1, 2, 30, 40), id="a box stays"),
        pytest.param(
            Spot(110, 120),
            (scored((90, 95, 131, 146, 0.2)), scored((91.4, 96.2, 130, 145, 0.4))),
            AROUND,
            (91, 96, 130, 145),
            id="the best candidate of both models",
        ),
        pytest.param(
            Spot(110, 120),
            (scored((90, 95, 131, 146, 0.05)),),
            AROUND[:3],
            (99, 104, 121, 136),
            id="an unlikely candidate gives way to the size of the neighbours",
        ),
        pytest.param(Spot(320, 240), (NOTHING,), AROUND[:0], (294, 208, 346, 272), id="no neighbours"),
        pytest.param(Spot(2, 478), (NOTHING,), AROUND[:3], (0, 462, 13, 480), id="at the edge"),
    ],
)
def test_suggested_box(spot, candidates, neighbours, box) -> None:
    assert suggested_box(spot, candidates, neighbours, SIZE) == box
