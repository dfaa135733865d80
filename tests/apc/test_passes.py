"""Which passes a compilation runs."""

from __future__ import annotations

import pytest

from apc.passes import KNOWN, choose_passes
from backends.rtm_ap.passes import LAYER_PASSES, LEVELS, Cse, Pipeline, Placement, RowSums, Tiling, Widths
from ir.errors import UserError
from ir.passes.dead_code import DeadCode
from ir.passes.merge_duplicates import MergeDuplicates
from ir.passes.options import options_of

GRAPH = (DeadCode(), MergeDuplicates())


def test_levels_run_their_passes() -> None:
    for level, pipeline in LEVELS.items():
        passes = choose_passes(level)
        assert (passes.graph, passes.layer) == (GRAPH, pipeline)
        assert passes.names == ["dead-code", "merge-duplicates", *(item.name for item in pipeline.passes)]


def test_levels_and_their_options_are_read_back_from_their_text() -> None:
    for level in LEVELS:
        for options in ([], ["cse.channels=8", "tiling.stationary=weights", "cse.budget_s=0.25"]):
            passes = choose_passes(level, options=options)
            assert choose_passes("O0", ",".join(passes.texts)) == passes


def test_a_list_replaces_the_level() -> None:
    passes = choose_passes("O2", "widths,dead-code,cse{channels=4,cluster=true}")
    assert passes.graph == (DeadCode(),)
    assert passes.layer == Pipeline((Cse(channels=4, cluster=True), Widths()))
    assert passes.texts == ["dead-code", "cse{channels=4,cluster=true}", "widths"]
    assert choose_passes("O2", "").texts == []


def test_one_option_leaves_the_others() -> None:
    plain, changed = choose_passes("O2").layer, choose_passes("O2", options=["cse.channels=8"]).layer
    assert changed.get(Cse) == Cse(channels=8, cluster=True)
    assert [item for item in changed.passes if not isinstance(item, Cse)] == list(plain.passes[1:])
    both = choose_passes("O2", "cse,row-sums", ["cse.channels=8", "cse.seed=3", "cse.channels=9"])
    assert both.layer == Pipeline((Cse(channels=9, seed=3), RowSums()))


def test_an_option_turns_its_pass_on_in_its_place() -> None:
    passes = choose_passes("O1", options=["placement.fields=along", "tiling.outputs=16"])
    assert passes.layer == Pipeline((*LEVELS["O1"].passes, Tiling(outputs=16), Placement(fields="along")))


def test_one_pass_off() -> None:
    passes = choose_passes("O2")
    for name in passes.names:
        assert passes.without(name).names == [other for other in passes.names if other != name]
        assert choose_passes("O2", ",".join(passes.without(name).texts)) == passes.without(name)


def test_names_and_defaults_are_well_formed() -> None:
    assert list(KNOWN) == ["dead-code", "merge-duplicates", *LAYER_PASSES]
    for kind in KNOWN.values():
        for option in options_of(kind).values():
            assert option.parse(str(option.default).lower()) == option.default


@pytest.mark.parametrize(
    ("level", "listed", "options", "message"),
    [
        ("O4", None, [], "level -O4 does not exist: choose from -O0, -O1, -O2, -O3"),
        ("O2", "cse,widths,cse{channels=2}", [], "--passes: cse is listed twice"),
        (
            "O2",
            "cse;widths",
            [],
            "--passes: there is no pass 'cse;widths': choose from dead-code, merge-duplicates, cse",
        ),
        ("O2", None, ["dead-code.x=1"], "--pass-option dead-code.x=1: pass dead-code has no option 'x': it has none"),
        ("O2", "", ["cse"], "--pass-option cse: write PASS.OPTION=VALUE"),
    ],
)
def test_choices_that_are_refused(level: str, listed: str | None, options: list[str], message: str) -> None:
    with pytest.raises(UserError) as refused:
        choose_passes(level, listed, options)
    assert str(refused.value).startswith(message)
