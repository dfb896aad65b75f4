"""How long files that were made on demand stay in memory."""

from __future__ import annotations

import pytest
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from featherface.dashboard.components import downloads


class Later:
    """A timer that never fires: the tests sweep themselves."""

    def __init__(self, seconds: float, call: object) -> None:
        pass

    def start(self) -> None:
        pass


class Server:
    def __init__(self) -> None:
        self.storage = MemoryMediaFileStorage("/media")
        self.media_file_mgr = MediaFileManager(self.storage)

    def held(self) -> set[str]:
        return {file.filename for file in self.storage._files_by_id.values()}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(downloads.runtime, "get_instance", lambda: server)
    monkeypatch.setattr(downloads, "Timer", Later)
    return server


def test_each_file_is_dropped_when_its_own_minute_is_over(server, monkeypatch):
    now, shelf = 0.0, downloads._Shelf()
    monkeypatch.setattr(downloads.time, "monotonic", lambda: now)
    shelf.put(b"first", "first.json", "application/json")
    now = 50.0
    shelf.put(b"second", "second.json", "application/json")
    now = 60.0
    shelf.sweep()
    assert server.held() == {"second.json"}
    now = 110.0
    shelf.sweep()
    assert server.held() == set()


def test_all_files_together_take_no_more_than_their_share(server, monkeypatch):
    monkeypatch.setattr(downloads, "_KEPT_BYTES", 10)
    shelf = downloads._Shelf()
    for name in ("first", "second", "third"):
        shelf.put(name.encode(), name, "text/plain")
    shelf.sweep()
    assert server.held() == {"third"}  # 5 + 6 + 5 bytes were too many, and 6 + 5
    shelf.put(b"larger than all", "large", "text/plain")
    shelf.sweep()
    assert server.held() == {"large"}  # the newest stays, whatever its size
