"""Fitting: calls that say little do not move what is predicted, calls that agree do."""

import pytest

from murakkab_jupyter.agents.library import default_library
from murakkab_jupyter.profiles.book import ProfileBook
from murakkab_jupyter.profiles.fitting import NOTHING_S, combine, host_shift
from murakkab_jupyter.profiles.observation import Observation

WHISPER = (("beam", 1), ("language", "auto"))


def call(work, seconds, items=1, cores=1):
    return Observation("a", (), cores, items, work, seconds, seconds)


def shipped():
    return ProfileBook(default_library(), host="here", host_speed=1.0)


def told(book, agent, options, *, times, work, seconds, items=1):
    for _ in range(times):
        book.observe(agent, options, cores=1, items=items, work=work, seconds=seconds, cpu_s=seconds)


def ratio(agent, options, at, **calls):
    """How much longer a call of so much work is predicted to take once calls were observed."""
    book = shipped()
    before = book.call(agent, options, cores=1, items=1, work=at).cpu_s.value
    told(book, agent, options, **calls)
    return book.call(agent, options, cores=1, items=1, work=at).cpu_s.value / before


def test_three_calls_that_found_hardly_any_speech_do_not_make_whisper_faster():
    assert ratio("whisper-base", WHISPER, 20.0, times=3, work=0.3, seconds=0.03) == pytest.approx(
        1.0, abs=0.1
    )


def test_nor_do_three_of_which_nobody_knows_that_there_was_no_speech():
    """As they were observed by earlier versions: so many seconds of sound, over at once."""
    assert ratio("whisper-base", WHISPER, 20.0, times=3, work=9.0, seconds=0.06) == pytest.approx(
        1.0, abs=0.1
    )


def test_five_short_calls_do_not_make_moonshine_slower_at_long_ones():
    """A short call is mostly overhead: it tells the overhead, and nothing of how fast speech is heard."""
    book = shipped()
    short = book.call("moonshine-tiny", (), cores=1, items=1, work=0.5).cpu_s.value
    assert 0.8 < ratio("moonshine-tiny", (), 20.0, times=5, work=0.5, seconds=6.6 * short) < 1.3


def test_short_calls_are_believed_where_short_calls_are_asked_for():
    book = shipped()
    short = book.call("moonshine-tiny", (), cores=1, items=1, work=0.5).cpu_s.value
    told(book, "moonshine-tiny", (), times=8, work=0.5, seconds=4 * short)
    after = book.call("moonshine-tiny", (), cores=1, items=1, work=0.5)
    assert after.cpu_s.value == pytest.approx(4 * short, rel=0.3)
    assert after.seconds.source == "measured"


def test_calls_that_are_too_fast_are_not_taken_for_measured():
    book = shipped()
    told(book, "whisper-base", WHISPER, times=3, work=9.0, seconds=0.06)
    assert book.call("whisper-base", WHISPER, cores=1, items=1, work=9.0).seconds.source == "prior"


@pytest.mark.parametrize("factor", [0.4, 1.4, 3.0])
def test_a_run_on_a_host_that_is_slower_or_faster_is_believed(factor):
    book = shipped()
    works = (2.0, 2.6, 3.1, 4.4, 1.8, 2.2, 2.9, 6.0, 2.5, 1.2, 3.3)
    truth = [factor * book.call("moonshine-tiny", (), cores=1, items=1, work=w).cpu_s.value for w in works]
    before = book.call("moonshine-tiny", (), cores=1, items=8, work=30.0).cpu_s.value
    for work, seconds in zip(works, truth, strict=True):
        told(book, "moonshine-tiny", (), times=1, work=work, seconds=seconds)
    for work, seconds in zip(works, truth, strict=True):
        found = book.call("moonshine-tiny", (), cores=1, items=1, work=work)
        assert found.cpu_s.value == pytest.approx(seconds, rel=0.15)
        assert found.seconds.source == "measured"
    beyond = book.call("moonshine-tiny", (), cores=1, items=8, work=30.0)
    assert beyond.cpu_s.value == pytest.approx(factor * before, rel=0.35)


@pytest.mark.parametrize("slower", [2.0, 0.6])
def test_a_shift_is_part_of_the_way_for_one_call_and_all_of_it_for_many(slower):
    one, many = host_shift([slower], [1.0]), host_shift([slower] * 20, [1.0] * 20)
    assert min(1.0, slower) < one < max(1.0, slower)
    assert many == pytest.approx(slower, rel=0.03)


def test_single_calls_far_off_do_not_move_a_shift_that_others_agree_on():
    ratios = [1.3] * 9
    assert host_shift([*ratios, 40.0], [1.0] * 10) == pytest.approx(host_shift(ratios, [1.0] * 9), rel=0.03)
    assert host_shift([*ratios, 0.01], [1.0] * 10) == pytest.approx(host_shift(ratios, [1.0] * 9), rel=0.03)


def test_very_many_calls_move_it_however_far():
    assert host_shift([0.05] * 30, [1.0] * 30) == pytest.approx(0.05, rel=0.1)


def test_no_calls_no_shift():
    assert host_shift([], []) == host_shift([9.0], [0.0]) == 1.0


def test_an_item_with_nothing_to_do_takes_what_such_items_took_here():
    near = [call(work, 0.5 + 0.1 * work) for work in (1.0, 5.0, 20.0)]
    assert combine([], near, "", (1.0, 1.0)).nothing_s == NOTHING_S
    found = combine([call(0.0, 0.2, items=4)] * 3, near, "", (1.0, 1.0))
    assert found.nothing_s == pytest.approx(0.05)
    assert found.range.calls == 0, "they tell nothing of work"


def test_where_no_call_ever_had_work_a_call_without_is_like_any_other():
    found = combine([call(0.0, 2.0)] * 5, [call(0.0, 1.0)] * 3, "", (1.0, 1.0))
    assert found.nothing_s is None
    assert 1.5 < found.seconds.at(1, 1, 0.0) < 2.0


def test_a_silent_item_is_predicted_to_take_next_to_nothing_and_is_measured_after_a_run():
    book = shipped()
    before = book.call("whisper-base", WHISPER, cores=1, items=3, work=0.0)
    assert before.seconds.value == pytest.approx(3 * NOTHING_S)
    assert before.seconds.source == "prior"
    told(book, "whisper-base", WHISPER, times=3, work=0.0, seconds=0.09, items=3)
    after = book.call("whisper-base", WHISPER, cores=1, items=3, work=0.0)
    assert after.seconds.value == pytest.approx(0.09)
    assert after.seconds.source == "measured"


def test_what_was_seen_here_is_predicted_as_it_was_whatever_the_micro_benchmark_says_today(tmp_path):
    """The speed of a host is measured anew each month; what its calls took has not changed by that."""
    library = default_library()
    first = ProfileBook.open(tmp_path / "p.db", library, host_speed=1.0)
    told(first, "moonshine-tiny", (), times=20, work=5.0, seconds=0.6)
    first.close()
    again = ProfileBook.open(tmp_path / "p.db", library, host_speed=0.7)
    found = again.call("moonshine-tiny", (), cores=1, items=1, work=5.0, speed=0.7)
    assert found.seconds.value == pytest.approx(0.6, rel=0.05)
    again.close()
