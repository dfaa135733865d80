"""Passes and options as text: what is read, what is printed, what is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ir.errors import UserError
from ir.passes.options import Range, as_text, changed, options_of, parse_option, parse_passes


@dataclass(frozen=True)
class Plain:
    name: ClassVar[str] = "plain"


@dataclass(frozen=True)
class Rich:
    name: ClassVar[str] = "rich-one"
    count: Annotated[int, Range(0, 8)] = 2
    least: Annotated[int, Range(-3)] = 0
    any: int = 0
    share: float = 0.5
    on: bool = False
    mode: Literal["auto", "along", "across"] = "auto"


KNOWN: dict[str, type[Plain] | type[Rich]] = {"plain": Plain, "rich-one": Rich}


def test_lists_of_passes() -> None:
    assert parse_passes("", KNOWN) == [] == parse_passes(" , ", KNOWN)
    assert parse_passes("plain,rich-one,plain", KNOWN) == [Plain(), Rich(), Plain()]
    text = " rich-one { count = 8 , mode=along,on=true } , plain{} "
    assert parse_passes(text, KNOWN) == [Rich(count=8, mode="along", on=True), Plain()]
    assert parse_passes("rich-one{share=-2.5e-3,least=-3,any=-7}", KNOWN) == [Rich(share=-0.0025, least=-3, any=-7)]


def test_one_option() -> None:
    assert parse_option("rich-one.count=3", KNOWN) == (Rich, {"count": 3})
    assert parse_option(" rich-one . on = true ", KNOWN) == (Rich, {"on": True})
    assert changed(Rich(count=1), {"on": True}) == Rich(count=1, on=True)


def test_text_has_only_what_differs_from_the_defaults() -> None:
    assert [as_text(item) for item in (Plain(), Rich(), Rich(on=True, share=2.0, mode="across"))] == [
        "plain",
        "rich-one",
        "rich-one{share=2.0,on=true,mode=across}",
    ]


@given(
    st.builds(
        Rich,
        count=st.integers(0, 8),
        least=st.integers(-3, 1 << 70),
        any=st.integers(),
        share=st.floats(allow_nan=False, allow_infinity=False),
        on=st.booleans(),
        mode=st.sampled_from(("auto", "along", "across")),
    )
)
def test_what_is_printed_reads_back(item: Rich) -> None:
    assert parse_passes(f"plain,{as_text(item)},plain", KNOWN) == [Plain(), item, Plain()]


def test_the_values_that_options_take_in_words() -> None:
    assert {name: option.values for name, option in options_of(Rich).items()} == {
        "count": "an integer from 0 to 8",
        "least": "an integer, at least -3",
        "any": "an integer",
        "share": "a number",
        "on": "true or false",
        "mode": "auto, along or across",
    }
    assert options_of(Rich)["share"].range == Range(-math.inf) and options_of(Plain) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inline", "--passes: there is no pass 'inline': choose from plain, rich-one"),
        ("plain,{on=true}", "--passes: there is no pass '': choose from plain, rich-one"),
        ("rich-one{on=true", "--passes: cannot read 'rich-one{on=true': write PASS or PASS{OPTION=VALUE,OPTION=VALUE}"),
        ("rich-one{on=true}x", "--passes: cannot read 'rich-one{on=true}x'"),
        ("rich-one{on}", "--passes: rich-one{on} has no value: write rich-one{OPTION=VALUE}"),
        ("rich-one{count=1,count=2}", "--passes: rich-one{count=...} is given twice"),
        (
            "rich-one{cout=1}",
            "--passes: pass rich-one has no option 'cout': choose from count, least, any, share, on, mode",
        ),
        ("plain{x=1}", "--passes: pass plain has no option 'x': it has none"),
    ],
)
def test_lists_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_passes(text, KNOWN)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rich-one.count", "write PASS.OPTION=VALUE"),
        ("count=3", "write PASS.OPTION=VALUE"),
        ("rich-one.=3", "write PASS.OPTION=VALUE"),
        (".count=3", "there is no pass '': choose from plain, rich-one"),
        ("rich-one.count=9", "rich-one.count must be an integer from 0 to 8, not '9'"),
        ("rich-one.count=-1", "rich-one.count must be an integer from 0 to 8, not '-1'"),
        ("rich-one.count=1.5", "rich-one.count must be an integer from 0 to 8, not '1.5'"),
        ("rich-one.count=", "rich-one.count must be an integer from 0 to 8, not ''"),
        ("rich-one.least=-4", "rich-one.least must be an integer, at least -3, not '-4'"),
        ("rich-one.share=nan", "rich-one.share must be a number, not 'nan'"),
        ("rich-one.share=1e999", "rich-one.share must be a number, not '1e999'"),
        ("rich-one.on=1", "rich-one.on must be true or false, not '1'"),
        ("rich-one.mode=up", "rich-one.mode must be auto, along or across, not 'up'"),
    ],
)
def test_options_that_are_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_option(text, KNOWN)
    assert str(refused.value) == f"--pass-option {text}: {message}"
