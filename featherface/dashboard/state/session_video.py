"""The one video that a session has open, and its analysis; both end with the session."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock

import streamlit as st

from featherface.detection.settings import DetectionSettings
from featherface.serving.video_job import OpenVideo, VideoJob, VideoStore

__all__ = ["SessionVideo", "session_video", "video_store"]


@st.cache_resource(show_spinner=False)
def video_store() -> VideoStore:
    """Return the store of this process."""
    return VideoStore()


@dataclass(eq=False)
class SessionVideo:
    """What the session has open, None at first; settings: those of the analysis `job`."""

    video: OpenVideo | None = None
    job: VideoJob | None = None
    settings: DetectionSettings = field(default_factory=DetectionSettings)
    _replacing: Lock = field(default_factory=Lock, init=False)

    def open(self, name: str, data: bytes) -> None:
        """Open another video in place of the present one. Raises VideoError."""
        self.close()
        self._replace(video_store().open(name, data))

    def close(self) -> None:
        """Stop the analysis and release the memory."""
        self._replace(None)

    def _replace(self, video: OpenVideo | None) -> None:
        """Keep `video` in place of the present one, which a run of the page may have opened meanwhile."""
        with self._replacing:
            video_before, job_before = self.video, self.job
            self.video, self.job = video, None
        if job_before is not None:
            job_before.stop()
        if video_before is not None:
            video_store().close(video_before)


@st.cache_resource(scope="session", show_spinner=False, on_release=SessionVideo.close)
def session_video() -> SessionVideo:
    """Return what this session has open."""
    return SessionVideo()
