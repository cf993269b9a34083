"""Settings on the command line: equal to the same edit of the file, with the file's own faults, and the recipe untouched."""

from pathlib import Path

import pytest
import yaml

from curation_assets.errors import ArgumentError, RecipeError
from curation_assets.keep import describe
from curation_assets.recipe import Recipe, check_recipe
from curation_assets.recipe_override import ParameterChange, overridden, parameter_changes, subset_chain

CONTENT = """
pool: {path: pool/*.tar}
encoder: {model: ViT-B-32, pretrained: tag}
subsets:
  basic: {keep: [english_caption, {caption_length: }, {image_size: {min_side_px: 64}}], kept_fraction: [0.1, 0.9]}
  aligned: {from: basic, keep: [{clip_score: {top_fraction: 0.5}}, {not: {image_size: {min_side_px: 500}}}]}
  mixed:
    from: aligned
    keep:
    - any: [{clip_score: {min: 0.2}}, {all: [{clip_score: {min: 0.1}}, {not: {clip_score: {max: 0.05}}}]}]
  other: {keep: [english_caption]}
  short: {keep: [english_caption, {any: [{basic_filter: {min_words: 4}}]}]}
"""


def read(text: str = CONTENT) -> Recipe:
    return check_recipe(yaml.safe_load(text), Path("/project/curation.yaml"))


def described(recipe: Recipe) -> dict[str, object]:
    return {plan.name: describe(plan.keep) for plan in recipe.subsets}


@pytest.mark.parametrize(
    ("subset", "settings", "edit"),
    [
        ("aligned", ["clip_score.top_fraction=0.3"], ("top_fraction: 0.5", "top_fraction: 0.3")),
        ("aligned", ["clip_score.over=pool"], ("top_fraction: 0.5", "top_fraction: 0.5, over: pool")),
        ("aligned", ["clip_score.top_fraction=null", "clip_score.min=1e-3"], ("top_fraction: 0.5", "min: 0.001")),
        ("aligned", ["image_size.min_side_px=600"], ("min_side_px: 500", "min_side_px: 600")),
        (
            "basic",
            ["english_caption.min_probability=0.5"],
            ("[english_caption, {caption", "[english_caption: {min_probability: 0.5}, {caption"),
        ),
        ("basic", ["caption_length.min_words=5"], ("{caption_length: }", "{caption_length: {min_words: 5}}")),
        (
            "short",
            ["image_size.min_side_px=99"],
            ("basic_filter: {min_words: 4}", "basic_filter: {min_words: 4, min_side_px: 99}"),
        ),
        ("mixed", [" basic.image_size.min_side_px = 65"], ("min_side_px: 64", "min_side_px: 65")),
        (
            "mixed",
            ["clip_score.min=0.3", "clip_score.max=0.4"],
            (
                "[{clip_score: {min: 0.2}}, {all: [{clip_score: {min: 0.1}}, {not: {clip_score: {max: 0.05}}}]}]",
                "[{clip_score: {min: 0.3, max: 0.4}}, {all: [{clip_score: {min: 0.3, max: 0.4}}, "
                "{not: {clip_score: {min: 0.3, max: 0.4}}}]}]",
            ),
        ),
    ],
)
def test_a_setting_is_an_edit_of_the_file(subset: str, settings: list[str], edit: tuple[str, str]) -> None:
    before = read()
    assert CONTENT.count(edit[0]) == 1
    edited = read(CONTENT.replace(*edit))
    changed = overridden(before, subset, settings)
    assert described(changed) == described(edited)
    assert changed.file.model_dump(exclude={"subsets"}) == edited.file.model_dump(exclude={"subsets"})
    assert [plan.kept_fraction for plan in changed.subsets] == [plan.kept_fraction for plan in edited.subsets]
    assert described(before) == described(read()), "the recipe itself stays as it is"


def test_subsets_that_share_their_filters_by_a_yaml_alias_are_set_apart() -> None:
    shared = "[&long {caption_length: {min_words: 3}}]}\n  twin: {keep: [*long]}\n"
    recipe = read(CONTENT.replace("[english_caption]}\n", shared))
    assert [c.subset for c in parameter_changes(recipe, overridden(recipe, "twin", ["caption_length.min_words=9"]))] == ["twin"]


def test_changes_name_the_parameter_with_its_old_and_new_value_each_once() -> None:
    recipe = read()
    changed = overridden(recipe, "mixed", ["clip_score.max=0.4", "basic.caption_length.min_words=5"])
    assert parameter_changes(recipe, changed) == [
        ParameterChange("basic", "caption_length", "min_words", 3, 5),
        ParameterChange("mixed", "clip_score", "max", None, 0.4),
        ParameterChange("mixed", "clip_score", "max", 0.05, 0.4),
    ]
    assert parameter_changes(recipe, overridden(recipe, "basic", ["image_size.min_side_px=64"])) == []


def test_the_chain_of_a_subset_begins_at_the_pool() -> None:
    assert [plan.name for plan in subset_chain(read(), "mixed")] == ["basic", "aligned", "mixed"]


@pytest.mark.parametrize(
    ("subset", "setting", "message"),
    [
        ("nope", "clip_score.min=1", "no subset 'nope' in /project/curation.yaml; known: basic, other, short, aligned, mixed"),
        ("basic", "clip_score.min=1", "has no filter 'clip_score'; known: english_caption, caption_length, image_size"),
        ("mixed", "any.min=1", "subset 'mixed' has no filter 'any'; known: clip_score"),
        ("mixed", "other.english_caption.min_probability=1", "'mixed' narrows no subset 'other'; known: basic, aligned, mixed"),
        ("mixed", "clip_score.min", "'clip_score.min': expected filter.parameter=value or subset.filter.parameter=value"),
        ("mixed", "clip_score=1", "expected filter.parameter=value"),
        ("mixed", ".min=1", "expected filter.parameter=value"),
        ("mixed", "clip_score.min=[1", "'clip_score.min=[1': cannot read the value '[1'"),
        ("mixed", "clip_score.min=2024-13-45", "cannot read the value '2024-13-45': month must be in 1..12"),
    ],
)
def test_what_cannot_be_set_is_said_with_what_can(subset: str, setting: str, message: str) -> None:
    with pytest.raises(ArgumentError) as caught:
        overridden(read(), subset, [setting])
    assert message in str(caught.value)


def test_all_wrong_settings_come_at_once_with_the_present_values() -> None:
    settings = ["clip.min=1", "clip_score.min=1", "clip_score.min=2", "x.y.z=1"]
    with pytest.raises(ArgumentError) as caught:
        overridden(read(), "aligned", settings)
    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0].strip() for line in lines[1:4]] == [
        "'clip.min=1'",
        "'x.y.z=1'",
        "aligned.clip_score.min is given more than once",
    ]
    assert lines[4] == "what can be set, with its present value:"
    assert lines[5:] == [
        "  clip_score.min=null",
        "  clip_score.max=null",
        "  clip_score.top_fraction=0.5",
        "  clip_score.over=source",
        "  clip_score.parity=False",
        "  image_size.min_side_px=500",
        "  image_size.max_aspect_ratio=3.0",
        "  basic.english_caption.min_probability=0.0",
        "  basic.caption_length.min_words=3",
        "  basic.caption_length.min_chars=6",
        "  basic.image_size.min_side_px=64",
        "  basic.image_size.max_aspect_ratio=3.0",
    ]


def test_without_a_setting_it_lists_what_can_be_set() -> None:
    with pytest.raises(ArgumentError, match=r"nothing to change; give filter.parameter=value.*\n  english_caption.min_prob"):
        overridden(read(), "other", [])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("clip_score.top_fraction=1.5", "clip_score.top_fraction: Input should be less than or equal to 1"),
        ("clip_score.min=0.3", "subsets.aligned.keep.0.clip_score: clip_score needs either min and/or max, or top_fraction"),
        ("clip_score.smallest=1", "Extra inputs are not permitted; settings: min, max, top_fraction, over, parity (found 1)"),
        ("clip_score.over=all", "clip_score.over: Input should be 'source' or 'pool'"),
        ("clip_score.top_fraction=.nan", "Input should be a finite number"),
        ("clip_score.top_fraction=[0.5]", "Input should be a valid number"),
        (
            "basic.caption_length.min_words=many",
            "subsets.basic.keep.1.caption_length.min_words: Input should be a valid integer",
        ),
    ],
)
def test_a_wrong_value_gives_the_fault_of_the_file(setting: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        overridden(read(), "aligned", [setting])
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"with {setting}: recipe /project/curation.yaml has 1 fault")
