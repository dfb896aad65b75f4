"""Parts of a photo at full resolution: only with the token of a session that has it open, and only small."""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from featherface.dashboard.server.routes import ROUTES
from featherface.dashboard.state.photo_regions import MAX_REGION_SIZE, OpenRegions, opened_photo
from featherface.dashboard.state.photos import PhotoFile, forget_photo

SIZE = (1500, 1000)  # pixels, width and height


def gradient() -> bytes:
    """A PNG whose red is the column and whose green is the row, in steps of six and four pixels."""
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    pixels[:, :, 0] = np.arange(SIZE[0]) // 6
    pixels[:, :, 1] = np.arange(SIZE[1])[:, None] // 4
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def file() -> Iterator[PhotoFile]:
    made = PhotoFile("digest of a gradient", "gradient.png", gradient(), "a gradient")
    yield made
    forget_photo(made)


@pytest.fixture
def session(file: PhotoFile) -> Iterator[OpenRegions]:
    opened = OpenRegions()
    opened.open(file)
    yield opened
    opened.close()


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=ROUTES)) as made:
        yield made


@pytest.mark.parametrize("base", ["", "/tools/faces"], ids=["at the root", "below a path"])
def test_a_region_has_the_photo_s_own_pixels(client: TestClient, session: OpenRegions, base: str) -> None:
    answer = client.get(f"{base}/photos/{session.token}/600,400,900,600,{MAX_REGION_SIZE}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"].startswith("private")
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    pixels = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert pixels.shape == (200, 300, 3)
    assert pixels[0, 0, :2] == pytest.approx((100, 100), abs=3)
    assert pixels[-1, -1, :2] == pytest.approx((149, 149), abs=3)


def test_a_large_region_is_scaled_down(client: TestClient, session: OpenRegions) -> None:
    answer = client.get(f"/photos/{session.token}/0,0,1500,1000,{MAX_REGION_SIZE}")
    assert Image.open(io.BytesIO(answer.content)).size == (512, 341)


def test_of_two_runs_of_a_page_that_open_photos_at_once_one_address_is_left(
    monkeypatch: pytest.MonkeyPatch, file: PhotoFile
) -> None:
    regions, tokens = OpenRegions(), []
    make_token = secrets.token_urlsafe

    def token_after_another_run(size: int) -> str:
        monkeypatch.setattr(secrets, "token_urlsafe", make_token)
        regions.open(file)
        tokens.append(regions.token)
        return make_token(size)

    monkeypatch.setattr(secrets, "token_urlsafe", token_after_another_run)
    regions.open(file)
    tokens.append(regions.token)
    assert [opened_photo(token) for token in tokens] == [None, file]
    regions.close()
    assert [opened_photo(token) for token in tokens] == [None, None]


@pytest.mark.parametrize(
    "region",
    [
        pytest.param("0,0,1501,1000,512", id="wider than the photo"),
        pytest.param("0,0,100,1001,512", id="higher than the photo"),
        pytest.param("100,0,100,50,512", id="without width"),
        pytest.param("100,50,50,100,512", id="left of itself"),
        pytest.param("0,0,100,100,0", id="of no size"),
        pytest.param("0,0,1500,1000,513", id="larger than a tile"),
        pytest.param("-1,0,100,100,512", id="negative"),
        pytest.param("0,0,1e3,100,512", id="not whole numbers"),
        pytest.param("0,0,\u0661\u0660,10,10", id="digits of another script"),
        pytest.param("0,0,10,10", id="without a size"),
        pytest.param(f"0,0,{'9' * 5000},100,512", id="thousands of digits"),
    ],
)
def test_a_region_that_makes_no_sense(client: TestClient, session: OpenRegions, region: str) -> None:
    assert client.get(f"/photos/{session.token}/{region}").status_code == 404


def test_only_the_photo_that_a_session_has_open(
    client: TestClient, session: OpenRegions, file: PhotoFile
) -> None:
    region = "0,0,10,10,10"
    assert client.get(f"/photos/guess/{region}").status_code == 404
    before = session.token
    session.open(PhotoFile("another", "sample.jpg", _sample(), "another photo"))
    assert client.get(f"/photos/{before}/{region}").status_code == 404
    assert client.get(f"/photos/{session.token}/{region}").status_code == 200
    last = session.token
    session.close()
    assert client.get(f"/photos/{last}/{region}").status_code == 404


def _sample() -> bytes:
    return (Path(__file__).resolve().parents[3] / "assets" / "samples" / "grace_hopper.jpg").read_bytes()
