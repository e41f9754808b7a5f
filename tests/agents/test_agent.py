"""An agent's description."""

from __future__ import annotations

import pytest

from murakkab_jupyter.agents.agent import AgentSpec, Inputs, Option
from murakkab_jupyter.agents.text.extractive import ExtractiveSummary
from murakkab_jupyter.core.errors import AgentError
from murakkab_jupyter.core.kinds import Origin


def spec(factory) -> AgentSpec:
    return AgentSpec("x", "1", "c", "X.", factory, options=(Option("beam", int, 1), Option("words", int, 80)))


def test_settings_are_the_chosen_or_the_defaults_and_nothing_else():
    assert spec("a:b").settings({"beam": 5, "other": 1}) == {"beam": 5, "words": 80}
    assert spec("a:b").option("other") is None


def test_an_agent_is_made_from_a_name_or_a_callable():
    assert isinstance(
        spec("murakkab_jupyter.agents.text.extractive:ExtractiveSummary").make(), ExtractiveSummary
    )
    assert isinstance(spec(ExtractiveSummary).make(), ExtractiveSummary)


@pytest.mark.parametrize("factory", ["no_such_module:X", "murakkab_jupyter.agents.text.extractive:Missing"])
def test_code_that_is_not_there_is_an_agent_error(factory):
    with pytest.raises(AgentError, match="cannot be imported"):
        spec(factory).make()


def test_what_makes_no_agent_is_an_agent_error():
    with pytest.raises(AgentError, match="not an Agent"):
        spec("builtins:dict").make()


def test_a_single_origin_is_told_from_a_list():
    place = Origin("/a.mp4", 0.0, 1.0)
    inputs = Inputs((), {}, {"one": place, "many": [place]})
    assert inputs.origin("one") == place
    assert inputs.origin("many") is None
