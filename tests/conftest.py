"""Shared media: small files made with PyAV, and real clips and weights from the package index."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

# Started in the background by a shell, a process ignores interrupts, and so would every program that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

with contextlib.suppress(ModuleNotFoundError):  # not all tests need it
    from hypothesis import HealthCheck, settings

    # How long examples take says how busy a machine is, nothing of what they hold. Examples are the same each time, so that
    # a change is judged by what it changes; `pytest --hypothesis-profile=fresh` looks for others.
    settings.register_profile("fresh", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("any machine", settings.get_profile("fresh"), derandomize=True)
    settings.load_profile("any machine")

# Where `--reruns 1` is given (tests/all.sh), a test that fails has a second run, since one of thousands that end processes,
# drive browsers and wait for machines can fail by an accident of timing. It is a fault all the same: it is shown, and more
# of them than this fail the whole.
ACCIDENTS = 3

RATE = 16_000


TIMED = pytest.StashKey[object]()
"""How long a test may take, as pytest-timeout has it."""


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_timeout_set_timer(item: pytest.Item, settings: object) -> None:
    """Note how long a test may take; pytest-timeout itself sets the timer."""
    item.stash[TIMED] = settings


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A second run has a time limit of its own: the first one's is over."""
    settings = item.stash.get(TIMED, None)
    if settings is not None and getattr(item, "execution_count", 1) > 1:
        item.ihook.pytest_timeout_cancel_timer(item=item)
        item.ihook.pytest_timeout_set_timer(item=item, settings=settings)


def accidents(session: pytest.Session) -> set[str]:
    """Tests that had a second run, whether it passed or not."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    return {report.nodeid for report in reporter.stats.get("rerun", [])} if reporter is not None else set()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """The whole has failed: nothing is tried again, else what many share and cannot be started is started for each of them."""
    if len(accidents(item.session)) > ACCIDENTS:
        item.config.option.reruns = 0


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Too many second runs are no accident."""
    if len(accidents(session)) > ACCIDENTS and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show how each test failed that had a second run."""
    failures = terminalreporter.stats.get("rerun", [])
    for report in failures:
        terminalreporter.section(f"failed at first: {report.nodeid}", "-")
        terminalreporter.write_line(report.longreprtext)
        for head, text in report.sections:
            terminalreporter.section(head, "-")
            terminalreporter.write_line(text)
    if failures:
        count = len({report.nodeid for report in failures})
        terminalreporter.section(f"{count} second runs; more than {ACCIDENTS} fail the whole", "-")


def tone(seconds: float, hertz: float = 440.0, loudness: float = 0.3) -> np.ndarray:
    """Mono samples at 16 kHz; loudness 0 is silence."""
    return (loudness * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def write_video(
    path: Path,
    pictures: list[np.ndarray],
    *,
    fps: int = 10,
    sound: np.ndarray | None = None,
    gop: int = 12,
    pts: list[int] | None = None,
) -> Path:
    """Write pictures (RGB, even sizes) and 16 kHz mono sound as H.264 and AAC; `pts` (in frames) makes a variable rate."""
    import av

    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = width, height, "yuv420p", gop
        voice = container.add_stream("aac", rate=RATE, layout="mono") if sound is not None else None
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = pts[index] if pts else index
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if voice is not None and sound is not None:
            frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="flt", layout="mono")
            frame.sample_rate = RATE
            frame.pts = 0
            fifo = av.AudioFifo()
            fifo.write(frame)
            while (part := fifo.read(1024, partial=True)) is not None:
                container.mux(voice.encode(part))
            container.mux(voice.encode(None))
    return path


def coloured(colour: tuple[int, int, int], width: int = 64, height: int = 48) -> np.ndarray:
    """A picture of one colour."""
    return np.full((height, width, 3), colour, np.uint8)


def scene_pictures(*colours: tuple[int, int, int], each: int = 20) -> list[np.ndarray]:
    """Pictures that change colour abruptly: `each` pictures of every colour."""
    return [coloured(colour) for colour in colours for _ in range(each)]


RED, GREEN, BLUE = (220, 20, 20), (20, 200, 20), (20, 20, 220)


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the media that these fixtures make."""
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def three_scenes(clips: Path) -> Path:
    """6 s of red, green and blue, 2 s each, without a track of sound."""
    return write_video(clips / "three_scenes.mp4", scene_pictures(RED, GREEN, BLUE))


@pytest.fixture(scope="session")
def silent_video(clips: Path) -> Path:
    """2 s of red with a track of pure silence."""
    return write_video(clips / "silent.mp4", scene_pictures(RED), sound=tone(2.0, loudness=0.0))


@pytest.fixture(scope="session")
def humming_video(clips: Path) -> Path:
    """4 s of red and green with a tone that nobody speaks in."""
    return write_video(clips / "humming.mp4", scene_pictures(RED, GREEN), sound=tone(4.0))


@pytest.fixture(scope="session")
def one_frame_video(clips: Path) -> Path:
    """A video of a single picture."""
    return write_video(clips / "one_frame.mp4", [coloured(BLUE)])


@pytest.fixture(scope="session")
def portrait_4k(clips: Path) -> Path:
    """0.5 s of 2160 x 3840: red above, blue below."""
    picture = np.concatenate([coloured(RED, 2160, 1920), coloured(BLUE, 2160, 1920)])
    return write_video(clips / "portrait.mp4", [picture] * 5)


@pytest.fixture(scope="session")
def empty_file(clips: Path) -> Path:
    """0 bytes that call themselves a video."""
    path = clips / "empty.mp4"
    path.touch()
    return path


@pytest.fixture(scope="session")
def text_as_video(clips: Path) -> Path:
    """Words that call themselves a video."""
    path = clips / "text.mp4"
    path.write_text("This is no video at all.\n" * 50)
    return path


@pytest.fixture(scope="session")
def truncated_video(clips: Path, three_scenes: Path) -> Path:
    """The first half of a video whose index stood at its end: nothing can be decoded."""
    path = clips / "truncated.mp4"
    data = three_scenes.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


@pytest.fixture(scope="session")
def sine_audio(clips: Path) -> Path:
    """3 s of a tone as a WAV file."""
    import wave

    path = clips / "sine.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((tone(3.0) * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def speech_video() -> Path:
    """8.7 s of real picture and real speech (fetched once). Mark tests that use it `media`."""
    from murakkab_jupyter.agents.weights.resolver import resolve

    return resolve("obama-speech")


@pytest.fixture(scope="session")
def street_video() -> Path:
    """10 s of a real street in 6 shots, silent (fetched once). Mark tests that use it `media`."""
    from murakkab_jupyter.agents.weights.resolver import resolve

    return resolve("bikes")


@pytest.fixture(scope="session")
def make_video(clips: Path) -> Callable[..., Path]:
    """`make_video(name, pictures, fps=, sound=, gop=, pts=)` for anything else."""

    def make(name: str, pictures: list[np.ndarray], **options: object) -> Path:
        return write_video(clips / name, pictures, **options)

    return make
