"""How long files that were made on request stay in memory."""

from __future__ import annotations

import pytest
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.media_file_storage import MediaFileKind
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from featherface.dashboard.components import downloads
from featherface.dashboard.components.downloads import FileStore


class NoTimer:
    """A timer that never fires: the tests remove expired files themselves."""

    def __init__(self, seconds: float, call: object) -> None:
        pass

    def start(self) -> None:
        pass


class Storage(MemoryMediaFileStorage):
    """Streamlit's media storage, which also says what it holds."""

    def __init__(self) -> None:
        super().__init__("/media")
        self.names: dict[str, str | None] = {}

    def load_and_get_id(
        self, data: str | bytes, mime: str, kind: MediaFileKind, name: str | None = None
    ) -> str:
        file_id = super().load_and_get_id(data, mime, kind, name)
        self.names[file_id] = name
        return file_id

    def delete_file(self, file_id: str) -> None:
        super().delete_file(file_id)
        del self.names[file_id]


class Server:
    """Streamlit's media storage, as the running server has it."""

    def __init__(self) -> None:
        self.storage = Storage()
        self.media_file_mgr = MediaFileManager(self.storage)

    def held(self) -> set[str]:
        return set(self.storage.names.values())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr("streamlit.runtime.get_instance", lambda: server)
    monkeypatch.setattr(downloads, "Timer", NoTimer)
    return server


def test_each_file_is_removed_when_its_own_minute_is_over(server):
    now = 0.0
    store = FileStore(2**20, clock=lambda: now)
    store.add(b"first", "first.json", "application/json")
    now = 50.0
    store.add(b"second", "second.json", "application/json")
    now = 60.0
    store.remove_expired()
    assert server.held() == {"second.json"}
    now = 110.0
    store.remove_expired()
    assert server.held() == set()


def test_all_files_together_stay_within_the_limit(server):
    store = FileStore(10)
    for name in ("first", "second", "third"):
        store.add(name.encode(), name, "text/plain")
    store.remove_expired()
    assert server.held() == {"third"}  # 5 + 6 + 5 bytes exceed the limit, and so do 6 + 5
    store.add(b"larger than the limit", "large", "text/plain")
    store.remove_expired()
    assert server.held() == {"large"}  # the newest file stays, whatever its size
