"""Presenter mode: the comparison in six steps, the last with the recommendations, by keys or buttons."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from featherface.config import DEFAULT_INPUT_SIZE
from featherface.dashboard.components.latency_check import show_latency_check
from featherface.dashboard.components.page_title import show_copy_link
from featherface.dashboard.components.recommendation_cards import show_reason, show_recommendations
from featherface.dashboard.components.stress_panel import stressed_photo
from featherface.dashboard.components.widgets import badge_text, plain
from featherface.dashboard.state.photos import SAMPLES, PhotoFile, decoded
from featherface.dashboard.state.sample_comparison import annotated_photo
from featherface.dashboard.state.study_measurements import measurements, shipped_evidence
from featherface.detection.drawing import annotate, encode_image
from featherface.detection.preprocess import Resize
from featherface.detection.settings import DetectionSettings
from featherface.errors import FeatherFaceError
from featherface.models import MODELS
from featherface.reporting.figures.story_bars import story_bars
from featherface.reporting.wording import faces_text
from featherface.robustness.corruptions import CORRUPTIONS
from featherface.robustness.photo_stress import at_input_size
from featherface.study.findings import Direction
from featherface.study.measurements import STUDY_MODELS, Measurements
from featherface.study.recommendations import recommendations
from featherface.study.recomputation import STUDY_COMMAND
from featherface.study.story import BLUR, Step, StepChart, breaking_sentence, is_opposite, story

__all__ = ["presenting", "show_presenter", "show_start_button"]

_MODE, _STEP = "demo", "step"  # in the page's address
_STEPS = 6
_SPEED, _PORTRAITS, _CROWDS, _BLUR, _ADVICE = range(2, _STEPS + 1)
_PORTRAIT_SAMPLE, _CROWD_SAMPLE = (
    next(file for file in SAMPLES if file.key == key) for key in ("eileen_collins", "solvay_1927")
)
_BADGES = {
    Direction.GAIN: ":green-badge[:material/trending_up: Gain]",
    Direction.LOSS: ":red-badge[:material/trending_down: Loss]",
    Direction.EVEN: ":gray-badge[:material/equal: No difference found]",
    Direction.INCONCLUSIVE: ":violet-badge[:material/question_mark: Inconclusive]",
    Direction.OPEN: ":gray-badge[:material/pending: Not measured yet]",
}
_CHART_HEIGHT = 420  # pixels; headline, chart and command fit a screen of 900


def presenting() -> bool:
    """Return whether the page's address asks for presenter mode."""
    return st.query_params.get(_MODE) == "1"


def show_start_button() -> None:
    """Show the button that starts presenter mode."""
    st.button(
        "Presenter mode",
        key="start_presenting",
        icon=":material/slideshow:",
        help=f"{_STEPS} steps from the size of the models to a recommendation, by arrow keys.",
        on_click=_go_to,
        args=(1,),
    )


def show_presenter() -> None:
    """Show the step that the address names: its headline, evidence and command, or the recommendations."""
    number = _step_number()
    measured = measurements()
    controls = st.container(horizontal=True, vertical_alignment="center")
    if number == _ADVICE:
        _show_advice(measured)
        topic = "Recommendations"
    else:
        step = story(measured, shipped_evidence())[number - 1]
        _show_step(number, step, measured)
        topic = step.topic
    with controls:
        _show_controls(number, topic)


def _show_advice(measured: Measurements) -> None:
    first, *others = recommendations(measured)
    st.title(plain(f"{first.scenario}: {first.support}"))
    show_reason(first)
    st.subheader("Other uses")
    show_recommendations(others)
    show_latency_check(measured)
    st.code(STUDY_COMMAND, language=None, wrap_lines=True)


def _show_step(number: int, step: Step, measured: Measurements) -> None:
    _show_headline(step)
    if number in _PHOTOS:
        _show_photo_and_chart(step, _PHOTOS[number])
    elif step.chart is not None:
        _show_chart(step, step.chart)
    if number == _SPEED:
        show_latency_check(measured)
    st.code(step.command, language=None, wrap_lines=True)


def _step_number() -> int:
    text = st.query_params.get(_STEP, "1")
    return min(max(int(text), 1), _STEPS) if text.isdecimal() and len(text) < 3 else 1


def _go_to(number: int) -> None:
    st.query_params[_MODE] = "1"
    st.query_params[_STEP] = str(number)


def _leave() -> None:
    st.query_params.pop(_MODE, None)
    st.query_params.pop(_STEP, None)


def _show_controls(number: int, topic: str) -> None:
    st.markdown(f"Step {number} of {_STEPS}: **{plain(topic)}**", width="stretch")
    st.button(
        "Previous",
        key="previous_step",
        icon=":material/arrow_back:",
        shortcut="Left",
        disabled=number == 1,
        on_click=_go_to,
        args=(number - 1,),
    )
    st.button(
        "Next",
        key="next_step",
        icon=":material/arrow_forward:",
        shortcut="Right",
        disabled=number == _STEPS,
        on_click=_go_to,
        args=(number + 1,),
    )
    st.button("Exit", key="stop_presenting", icon=":material/close:", shortcut="Esc", on_click=_leave)
    show_copy_link()


def _show_headline(step: Step) -> None:
    st.title(plain(step.headline))
    st.markdown(f"{_BADGES[step.direction]} {badge_text(step.badge)} :small[:gray[{plain(step.certainty)}]]")


def _show_chart(step: Step, chart: StepChart) -> None:
    st.plotly_chart(
        story_bars(chart, _CHART_HEIGHT),
        key=f"story_{step.topic}",
        config={"displayModeBar": False},
        alt=f"{step.topic}. {chart.description}",
    )
    note = chart.unit.partition("; ")[2]
    if note:
        st.caption(plain(note[:1].upper() + note[1:]) + "\\.")


def _show_photo_and_chart(step: Step, show_photo: Callable[[Step], None]) -> None:
    photos, numbers = st.columns([3, 2], gap="large")
    with numbers:
        if step.chart is not None:
            _show_chart(step, step.chart)
    with photos:
        try:
            show_photo(step)
        except FeatherFaceError as error:
            st.info(plain(str(error)), icon=":material/info:")


def _show_sample(file: PhotoFile) -> None:
    found = annotated_photo(file)
    _show_images(
        file, {key: (found.images[key], found.faces[key]) for key in STUDY_MODELS if key in found.images}
    )


def _show_images(file: PhotoFile, images: dict[str, tuple[bytes, int]], condition: str = "") -> None:
    """Show one photo per model, side by side, with the number of faces that the model found."""
    for column, (key, (jpeg, count)) in zip(st.columns(len(images) or 1), images.items(), strict=False):
        name, faces = MODELS[key].name, faces_text(count)
        column.image(
            jpeg,
            caption=f"{name}: {faces}{condition}",
            alt=f"{file.name}, {file.about}{condition}; {name} found {faces}",
        )
    st.caption(f"Photo: {plain(file.credit)}\\.")


def _show_blurred(file: PhotoFile, measured: Direction) -> None:
    """Show the photo at the first severity at which a model breaks, else at the highest.

    measured: who loses more on the labelled images; a photo that shows the opposite is said to.
    """
    photo = at_input_size(decoded(file), DEFAULT_INPUT_SIZE)
    settings = DetectionSettings(resize=Resize.ORIGINAL, input_size=DEFAULT_INPUT_SIZE)
    stress = stressed_photo(photo, BLUR, STUDY_MODELS, settings)
    broken = [severity for key in STUDY_MODELS if (severity := stress.breaks_at(key)) is not None]
    severity = min(broken, default=stress.steps[-1].severity)
    step = stress.steps[severity]
    blurred = CORRUPTIONS[BLUR].apply(photo, stress.steps[0].truth, severity)
    images = {
        key: (
            encode_image(annotate(blurred.photo, step.found[key], MODELS[key].colour), "jpeg"),
            len(step.found[key]),
        )
        for key in STUDY_MODELS
    }
    _show_images(file, images, f" at severity {severity}")
    breaks = {key: stress.breaks_at(key) for key in STUDY_MODELS}
    sentence = breaking_sentence(
        breaks, f"half of the {faces_text(stress.faces)} that both find without blur"
    )
    opposite = is_opposite(measured, *(step.matched[key] for key in STUDY_MODELS))
    st.caption(
        f"Defocus blur in this photo: {plain(sentence)}. One photo is an example, not a measurement"
        f"{': on the labelled images the other model keeps more' if opposite else ''}."
    )


_PHOTOS: Mapping[int, Callable[[Step], None]] = {
    _PORTRAITS: lambda _: _show_sample(_PORTRAIT_SAMPLE),
    _CROWDS: lambda _: _show_sample(_CROWD_SAMPLE),
    _BLUR: lambda step: _show_blurred(_CROWD_SAMPLE, step.direction),
}
