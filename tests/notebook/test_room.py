"""How large a notebook becomes: what cells show is counted, once a cell."""

from __future__ import annotations

import json

from murakkab_jupyter.notebook.room import FULL_SHARE, Place, Room, saved_bytes


def test_a_cell_that_is_run_again_gives_its_room_back():
    room = Room(lambda: 1000)
    room.take(Place("a", 1), 500)
    room.take(Place("b", 2), 150)
    assert not room.fits(Place("c", 3), 100)
    room.take(Place("a", 4), 100)
    assert room.fits(Place("c", 5), 400)


def test_what_a_cell_shows_adds_up_and_is_no_hindrance_to_itself_when_run_again():
    room = Room(lambda: 1000)
    room.take(Place("a", 1), 300)
    room.take(Place("a", 1), 300)
    assert not room.fits(Place("a", 1), 200)
    assert room.fits(Place("a", 2), 600)


def test_what_takes_the_place_of_something_is_counted_instead_of_it_unless_the_cell_was_run_again():
    room = Room(lambda: 1000)
    room.take(Place("a", 1), 100)
    room.replace(Place("a", 1), 100, 600)
    assert not room.fits(Place("b", 2), 101)
    room.replace(Place("a", 1), 600, 100)
    assert room.fits(Place("b", 2), 580)
    room.take(Place("a", 3), 50)
    room.replace(Place("a", 1), 100, 900)
    room.replace(Place("never", 1), 0, 900)
    assert room.fits(Place("b", 4), 630)


def test_without_ids_each_execution_is_a_cell():
    room = Room(lambda: 1000)
    room.take(Place("", 1), 400)
    room.take(Place("", 2), 300)
    assert not room.fits(Place("", 3), 100)
    assert room.fits(Place("", 3), int(FULL_SHARE * 1000) - 700)


def test_no_limit_is_no_limit():
    assert Room(lambda: 0).fits(Place("a", 1), 10**9)


def test_bytes_are_those_of_a_saved_notebook():
    data = {"text/html": "<b>é\nx</b>", "application/json": {"a": [1]}}
    split = {"text/html": ["<b>é\n", "x</b>"], "application/json": {"a": [1]}}
    saved = json.dumps({"cells": [{"outputs": [{"data": split}]}]}, indent=1, ensure_ascii=False)
    assert saved_bytes(data) == len(saved.encode())
    assert saved_bytes({"text/plain": "a lone \ud800"}) > 0
