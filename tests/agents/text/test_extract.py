"""Fields: how a step names them; extraction by rules, which invents nothing."""

from __future__ import annotations

import pytest

from murakkab_jupyter.agents.agent import Failed, Inputs
from murakkab_jupyter.agents.text.extract import PatternExtract
from murakkab_jupyter.agents.text.fields import Field, fields_of, fitted, schema_of
from murakkab_jupyter.core.errors import UsageError

INVOICE = """Invoice number: 4711
Acme Ltd, billing@acme.example, issued on 3 May 2024.
The total is 1,250.00 EUR, payable by 17 May 2024. Call +44 20 7946 0958.
Paid: no
"""


def extracted(fields: object, text: str = INVOICE) -> object:
    agent = PatternExtract()
    agent.load({"fields": ""}, 1)
    return agent.call([Inputs((), {"text": [("invoice", text)], "fields": fields})])[0]


def test_fields_are_named_with_types_or_get_one_from_their_name():
    assert fields_of("order number, due date, total: number, paid: bool") == (
        Field("order_number"), Field("due_date", "date"), Field("total", "number"), Field("paid", "boolean"),
    )  # fmt: skip


def test_a_mapping_says_what_each_field_means_and_a_json_schema_is_understood():
    assert fields_of({"name": "who signs", "age": "integer"}) == (
        Field("name", "text", "who signs"),
        Field("age", "integer"),
    )
    schema = {
        "type": "object",
        "properties": {"born": {"type": "string", "format": "date"}, "ids": {"type": ["array", "null"]}},
    }
    assert fields_of(schema) == (Field("born", "date"), Field("ids", "list"))


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ('{"type": "array", "items": {"type": "string"}}', "that of an object"),
        ('{"$ref": "#/invoice"}', "that of an object"),
        ('{"properties": {"a": {"type": "object"}}}', "cannot be"),
        ("", "No fields"),
        ("a, a", "twice"),
        ("age: years", "cannot be"),
        ("{x", "JSON"),
        ("9!", "no name"),
    ],
)
def test_fields_that_mean_nothing_are_refused(stated, told):
    with pytest.raises(UsageError, match=told):
        fields_of(stated)


def test_the_choices_of_a_json_schema_hold():
    fields = fields_of({"properties": {"state": {"enum": ["open", "paid"]}}})
    assert schema_of(fields)["properties"]["state"]["anyOf"][0]["enum"] == ["open", "paid"]
    assert fitted({"state": "paid"}, fields) == {"state": "paid"}
    assert fitted({"state": "lost"}, fields) == {"state": None}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, "9" * 400])
def test_a_number_that_is_none_is_left_out(value):
    assert fitted({"total": value}, fields_of("total: number")) == {"total": None}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1,250.00 EUR", 1250.0),
        ("1.250,00 EUR", 1250.0),
        ("12,50", 12.5),
        ("1,250", 1250.0),
        ("1.5", 1.5),
        ("1.250.000", 1250000.0),
        ("4 200", 4200.0),
        ("4'200.50 CHF", 4200.5),
        ("-7", -7.0),
        ("about 3,", 3.0),
        ("3.5.2024", None),
        ("none", None),
        ("2 of 30", 2.0),
    ],
)
def test_a_number_is_read_as_it_is_written_here_or_there(written, value):
    assert fitted({"total": written}, fields_of("total: number"))["total"] == value


def test_a_number_with_a_comma_before_its_decimals_is_found_in_a_text():
    assert extracted("betrag: number", "Rechnung 12, Betrag: 1.250,00 EUR") == {"betrag": 1250.0}


def test_a_record_is_fitted_to_its_fields():
    fields = fields_of("total: number, count: integer, paid: boolean, tags: list, who")
    made = fitted(
        {"total": "EUR 1,250.5", "count": 3.0, "paid": "Yes", "tags": "a, b", "who": "null", "more": 1},
        fields,
    )
    assert made == {"total": 1250.5, "count": 3, "paid": True, "tags": ["a", "b"], "who": None}
    assert set(schema_of(fields)["required"]) == set(made)


def test_what_stands_beside_its_label_or_has_a_form_of_its_own_is_found():
    fields = "invoice number, email, issued: date, payable: date, total: number, phone, paid: boolean"
    assert extracted(fields) == {
        "invoice_number": "4711",
        "email": "billing@acme.example",
        "issued": "3 May 2024",
        "payable": "17 May 2024",
        "total": 1250,
        "phone": "+44 20 7946 0958",
        "paid": False,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("I was charged twice for invoice number 1012, please refund me.", "1012"),
        ("Invoice number #A-77/b came today.", "A-77/b"),
        ("My invoice number: 4711.", "4711"),
        ("I do not know the invoice number of it.", None),
    ],
)
def test_a_code_stands_right_after_its_name(text, value):
    made = extracted("invoice number", text)
    assert made["invoice_number"] == value


def test_a_meaning_says_what_a_line_may_be_labelled_with():
    text = "From: Brandt & Sons\nFor: rope\nDue date: 3 April 2026\nThe total is 12 EUR for from what.\n"
    fields = {"supplier": "who sends it (From)", "what": "For", "buyer": "who gets it (To)"}
    assert extracted(fields, text) == {"supplier": "Brandt & Sons", "what": "rope", "buyer": None}


def test_what_does_not_stand_there_is_none_and_not_invented():
    assert extracted("vat number, signed by, discount: number") == {
        "vat_number": None,
        "signed_by": None,
        "discount": None,
    }


def test_a_step_without_fields_fails_and_says_what_to_type():
    made = extracted("")
    assert isinstance(made, Failed)
    assert "Name fields" in made.reason
