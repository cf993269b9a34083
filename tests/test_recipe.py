"""The recipe: what is read into what, and every fault that it can have with the message a person gets."""

import textwrap
from pathlib import Path

import pytest
import yaml

from curation_assets.errors import RecipeError
from curation_assets.graph import build_graph
from curation_assets.keep import AllOf, AnyOf, Leaf, Not, describe
from curation_assets.recipe import RECIPE_VARIABLE, Recipe, check_recipe, load_recipe, recipe_path
from curation_assets.recipe_keep import known_filters
from curation_assets.spec import Condition, Fraction

ROOT = Path(__file__).parents[1]
FEATURES = "encoder: {features: {image: l14_img, text: l14_txt}}"
HEAD = "pool: {path: pool/*.tar}\nencoder: {model: ViT-B-32, pretrained: tag}\n"


def read(text: str, head: str = HEAD) -> Recipe:
    return check_recipe(yaml.safe_load(head + textwrap.dedent(text)), Path("/project/curation.yaml"))


def faults(text: str, head: str = HEAD) -> list[str]:
    """Lines of the message, without its head."""
    with pytest.raises(RecipeError) as caught:
        read(text, head)
    first, *lines = str(caught.value).splitlines()
    assert first.startswith("recipe /project/curation.yaml has "), first
    assert f" {len(lines)} fault" in first, "the head counts the faults"
    return [line.strip() for line in lines]


def only_fault(text: str, head: str = HEAD) -> str:
    lines = faults(text, head)
    assert len(lines) == 1, lines
    return lines[0]


def keep_fault(entry: str) -> str:
    return only_fault(f"subsets: {{a: {{keep: [{entry}]}}}}")


def keep_of(entry: str) -> object:
    (plan,) = read(f"subsets: {{a: {{keep: [{entry}]}}}}").subsets
    return plan.keep.parts[0]


def test_the_default_recipe_is_right_and_reads_as_documented():
    recipe = load_recipe(ROOT / "curation.yaml")
    assert [(s.name, s.source) for s in recipe.subsets] == [("basic", None), ("aligned", "basic"), ("hard_half", "aligned")]
    assert recipe.lake == str(ROOT / "lake")


def test_all_faults_come_at_once_each_with_key_path_value_and_what_is_allowed():
    lines = faults(
        """
        clusters: {k: 0, seed: -1, depth: 3}
        subsets:
          basic: {keep: [english_captoin, {caption_length: {min_words: -1, words: 2}}]}
          aligned: {from: basic, keep: []}
          hard: {from: alinged, keep: [english_caption]}
          best: {from: aligned, keep: [english_caption]}
        """
    )
    text = "\n".join(lines)
    assert len(lines) == 8
    assert "subsets.hard.from: unknown subset; known: aligned, basic, best, hard (found 'alinged')" in text
    assert "clusters.k: Value error, expected auto, or a whole number from 1 (found 0)" in text
    assert "clusters.seed: Input should be greater than or equal to 0 (found -1)" in text
    assert (
        "clusters.depth: unknown key; known: k, iterations, seed, samples_per_centroid, policy, max_drift, fit_on, given, "
        "assignment, fit (found 3)"
    ) in text
    assert "subsets.aligned.keep: List should have at least 1 item" in text
    assert "subsets.basic.keep.0: unknown filter; known: alignment_bin, aspect_ratio," in text
    assert "(found 'english_captoin')" in text
    assert (
        "subsets.basic.keep.1.caption_length.min_words: Input should be greater than or equal to 0; "
        "settings: min_words, min_chars (found -1)" in text
    )
    assert "subsets.basic.keep.1.caption_length.words: Extra inputs are not permitted; settings: min_words" in text


def test_unknown_filter_lists_every_known_name():
    message = keep_fault("nosuch")
    assert all(name in message for name in (*known_filters(), "any", "all", "not"))


def test_a_filter_file_never_hides_the_threshold_of_a_column():
    columns = {"aspect_ratio", "caption_chars", "caption_words", "clip_score", "min_side_px", "prototype_distance"}
    known = known_filters()
    assert columns <= set(known)
    assert all(known[name].conditions.__name__ == "threshold" for name in columns)
    assert not {"any", "all", "not"} & set(known)
    assert "caption_language" not in known, "a label has no threshold"


@pytest.mark.parametrize(
    "entry",
    [
        "1",
        "null",
        "[clip_score]",
        "{a: 1, b: 2}",
        "{}",
        "{1: {}}",
        "true",
        "{not: [english_caption]}",
        "{not: null}",
        "2024-01-01",
    ],
)
def test_an_entry_that_is_no_filter_is_named(entry: str):
    assert "unknown filter; known: " in keep_fault(entry)


@pytest.mark.parametrize("entry", ["{any: []}", "{all: []}", "{any: {clip_score: {min: 0}}}", "{any: null}", "{all: x}"])
def test_any_and_all_want_a_list(entry: str):
    assert "expected a list of filters with at least one entry" in keep_fault(entry)


@pytest.mark.parametrize("settings", ["3", "[3, 6]", "min_words"])
def test_settings_that_are_no_mapping_are_a_fault(settings: str):
    assert "settings: min_words, min_chars" in keep_fault(f"{{caption_length: {settings}}}")


@pytest.mark.parametrize(
    "settings",
    ["{}", "{over: pool}", "{min: 0.1, top_fraction: 0.5}", "{max: 0.1, top_fraction: 0.5}", "null"],
)
def test_a_threshold_wants_a_range_or_a_fraction(settings: str):
    assert "clip_score needs either min and/or max, or top_fraction" in keep_fault(f"{{clip_score: {settings}}}")


def test_a_bare_numeric_column_is_refused_because_it_decides_nothing():
    assert "clip_score needs either min and/or max, or top_fraction" in keep_fault("clip_score")


def test_a_range_that_keeps_nothing_is_refused():
    assert "clip_score keeps nothing: min 0.5 is above max 0.3" in keep_fault("{clip_score: {min: 0.5, max: 0.3}}")
    assert isinstance(keep_of("{clip_score: {min: 0.3, max: 0.3}}"), Leaf)


@pytest.mark.parametrize(
    "entry",
    [
        "{clip_score: {min: .nan}}",
        "{clip_score: {max: .nan}}",
        "{clip_score: {min: -.inf}}",
        "{clip_score: {max: .inf}}",
        "{clip_score: {top_fraction: .nan}}",
        "{image_size: {max_aspect_ratio: .nan}}",
        "{image_size: {max_aspect_ratio: .inf}}",
        "{english_caption: {min_probability: .nan}}",
        "{caption_length: {min_words: .nan}}",
    ],
)
def test_thresholds_are_finite(entry: str):
    # NaN drops every row in silence and differs from itself, so its subset would be out of date for ever.
    assert "subsets.a.keep.0." in keep_fault(entry)


@pytest.mark.parametrize(("fraction", "message"), [("-0.1", "greater than or equal to 0"), ("1.1", "less than or equal to 1")])
def test_a_fraction_lies_between_0_and_1(fraction: str, message: str):
    fault = keep_fault(f"{{clip_score: {{top_fraction: {fraction}}}}}")
    assert f"{message}; settings: min, max, top_fraction, over, parity (found {fraction})" in fault


def test_defaults_are_filled_in():
    assert describe(keep_of("caption_length")) == {"filter": "caption_length", "version": "1", "min_words": 3, "min_chars": 6}
    assert keep_of("caption_length") == keep_of("{caption_length: {min_words: 3}}") == keep_of("{caption_length: null}")
    assert keep_of("{clip_score: {min: 0}}").parameters == {
        "min": 0.0,
        "max": None,
        "top_fraction": None,
        "over": "source",
        "parity": False,
    }


def test_filters_are_composed_with_any_all_and_not():
    keep = keep_of("{any: [english_caption, {not: {all: [{clip_score: {min: 0.3}}, {not: caption_length}]}}]}")
    match keep:
        case AnyOf((Leaf(name="english_caption"), Not(AllOf((Leaf(conditions=(above,)), Not(Leaf(name="caption_length"))))))):
            assert above == Condition("clip_score", ">=", 0.3)
        case _:
            pytest.fail(f"read as {keep}")


def test_a_fraction_knows_its_end_and_its_population():
    assert keep_of("{clip_score: {top_fraction: 0.3, over: pool}}").conditions == (Fraction("clip_score", 0.3, "high", "pool"),)


@pytest.mark.parametrize(
    ("subsets", "faulty"),
    [
        ("a: {from: a, keep: [english_caption]}", {"a"}),
        ("a: {from: b, keep: [english_caption]}, b: {from: a, keep: [english_caption]}", {"a", "b"}),
        (
            "a: {keep: [english_caption]}, b: {from: c, keep: [english_caption]}, c: {from: b, keep: [english_caption]}",
            {"b", "c"},
        ),
    ],
)
def test_subsets_in_a_circle_are_named(subsets: str, faulty: set[str]):
    lines = faults(f"subsets: {{{subsets}}}")
    assert {line.split(".")[1] for line in lines} == faulty
    assert all("subsets narrow each other in a circle" in line for line in lines)


def test_unknown_source_lists_the_known_subsets():
    fault = only_fault("subsets: {a: {from: c, keep: [english_caption]}, b: {keep: [english_caption]}}")
    assert fault == "subsets.a.from: unknown subset; known: a, b (found 'c')"


def test_subsets_come_after_their_sources_in_any_order_of_the_file():
    recipe = read(
        "subsets: {c: {from: b, keep: [english_caption]}, b: {from: a, keep: [english_caption]}, a: {keep: [english_caption]}}"
    )
    assert [subset.name for subset in recipe.subsets] == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["a-b", "1a", "''", "a/b", "a b", "'é'", "a" * 65, "1"])
def test_subset_names_are_plain_words(name: str):
    assert "subsets." in only_fault(f"subsets: {{{name}: {{keep: [english_caption]}}}}")


@pytest.mark.parametrize("bounds", ["[0.5, 0.1]", "[-0.1, 1]", "[0, 1.1]", "[.nan, 1]", "[0, .nan]"])
def test_bounds_of_the_share_kept_are_a_range(bounds: str):
    fault = only_fault(f"subsets: {{a: {{keep: [english_caption], kept_fraction: {bounds}}}}}")
    assert fault.startswith("subsets.a.kept_fraction")
    assert ("a finite number" if "nan" in bounds else "expected 0 <= smallest <= largest <= 1 (found (") in fault


@pytest.mark.parametrize(
    ("head", "fault"),
    [
        ("encoder: {}", "encoder: expected either train: filter_network, or model and pretrained (found {})"),
        (
            "encoder: {train: filter_network, model: m, pretrained: p}\nfilter_network: {train_on: a}",
            "encoder: expected either train: filter_network, or model and pretrained (found {'model': ",
        ),
        ("encoder: {model: m}", "encoder.pretrained: expected an OpenCLIP tag or a checkpoint file (found None)"),
        ("", "filter_network: expected a section with train_on, since the encoder is trained (found None)"),
        (
            "encoder: {features: {image: l14_img, text: l14_txt}}",
            "encoder.features: only a pool of format datacomp has them (found {'image': 'l14_img'",
        ),
        (
            "encoder: {model: m, pretrained: p, features: {image: l14_img}}",
            "encoder.features: Value error, expected both image and text (found {'image': 'l14_img'})",
        ),
        ("filter_network: {train_on: b}", "filter_network.train_on: unknown subset; known: a (found 'b')"),
    ],
)
def test_exactly_one_encoder_is_given(head: str, fault: str):
    assert only_fault("\nsubsets: {a: {keep: [english_caption]}}", f"pool: {{path: a}}\n{head}").startswith(fault)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("encoder: {train: filter_network}", "encoder: expected features alone, such as {image: l14_img, text: l14_txt}"),
        ("encoder: {model: m, pretrained: p}", "encoder: expected features alone"),
        (
            f"{FEATURES}\nfilter_network: {{train_on: a}}",
            "filter_network: a datacomp pool has no pixels to train on (found 'a')",
        ),
        (f"{FEATURES}\ntargets: {{flowers: {{path: f}}}}", "targets: pictures and names need an encoder"),
    ],
)
def test_a_pool_without_pixels_has_features_for_an_encoder(text: str, fault: str):
    head = f"pool: {{path: a, format: datacomp}}\n{text}"
    assert only_fault("\nsubsets: {a: {keep: [english_caption]}}", head).startswith(fault)


def test_long_values_are_cut_and_control_characters_spelled_out():
    fault = only_fault("lake: ./lake\ncolour: " + '"' + "\\e[31m" * 40 + '"')
    assert fault.startswith(
        "colour: unknown key; known: lake, pool, encoder, filter_network, clusters, encoders, clusterings, targets, scores, "
        "subsets, automation, audit (found "
    )
    assert len(fault) < 240
    assert "\x1b" not in fault


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected keys such as pool and subsets, found NoneType"),
        ("# only a comment\n", "found NoneType"),
        ("- pool\n- subsets\n", "found list"),
        ("pool", "found str"),
        ("{}", r"pool: Field required"),
        ("pool: [", "cannot read the recipe .* while parsing"),
        ("pool: \0", "cannot read the recipe .* special characters are not allowed"),
        ("pool: !!python/object:os.system {}", "cannot read the recipe .* could not determine a constructor"),
        ("subsets: {}\nsubsets: {}\n", r"cannot read the recipe .*found keys given twice: \['subsets'\]"),
        ("a: {b: 1, c: 2, b: 3}", r"found keys given twice: \['b'\].* line 1, column 4"),
        ("? [1]\n: 2\n", "cannot read the recipe .*found unhashable key"),
        ("seed: 2024-13-45", "cannot read the recipe .* month must be in 1..12"),
        ("seed: " + "9" * 5000, "cannot read the recipe .* integer string conversion"),
        ("[" * 3000, "cannot read the recipe .* recursion"),
        (b"pool: \xff\xfe", "cannot read the recipe .* codec can't decode byte 0xff"),
        (None, "cannot read the recipe .* No such file .* Give one with --recipe, or set CURATION_RECIPE"),
    ],
)
def test_a_file_that_is_no_recipe(content: str | bytes | None, message: str, tmp_path: Path):
    path = tmp_path / "curation.yaml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RecipeError, match=f"(?s){message}"):
        load_recipe(path)


def test_a_folder_is_no_recipe(tmp_path: Path):
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        load_recipe(tmp_path)


@pytest.mark.parametrize("alias", ["&k [{any: *k}]", "&k [{any: *k}, {all: *k}, english_caption]", "[&k {not: *k}]"])
def test_an_alias_that_contains_itself_ends(alias: str):
    assert "nested too deeply, or a YAML alias contains itself" in "\n".join(faults(f"subsets: {{a: {{keep: {alias}}}}}"))


def test_filters_nest_as_deep_as_people_write_them():
    entry = "english_caption"
    for word in ("not", "any", "all", "any", "not", "all"):
        entry = f"{{{word}: {entry}}}" if word == "not" else f"{{{word}: [{entry}, caption_length]}}"
    assert "english_caption" in str(describe(keep_of(entry)))


def test_order_of_keys_and_comments_do_not_matter():
    one = read(
        """
        clusters: {k: 7, seed: 3}
        subsets:
          a: {keep: [{image_size: {min_side_px: 64, max_aspect_ratio: 3}}, english_caption]}
          b: {from: a, keep: [{clip_score: {min: 0.25, max: 1}}]}
        """
    )
    other = read(
        """
        subsets:      # the same
          b: {keep: [clip_score: {max: 1.0, min: 0.25, over: source}], from: a}
          a:
            keep:
              - image_size:
                  max_aspect_ratio: 3.0
                  min_side_px: 64
              - english_caption: {}
        clusters: {seed: 3, k: 7, iterations: 20}
        """
    )
    assert [describe(s.keep) for s in one.subsets] == [describe(s.keep) for s in other.subsets]
    assert build_graph(one) == build_graph(other)


def test_lake_is_relative_to_the_recipe_unless_it_is_a_url(tmp_path: Path):
    assert check_recipe({**yaml.safe_load(HEAD), "lake": "../lake"}, tmp_path / "sub" / "c.yaml").lake == str(tmp_path / "lake")
    assert read("lake: s3://bucket/lake").lake == "s3://bucket/lake"


def test_the_environment_names_the_recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(RECIPE_VARIABLE, raising=False)
    assert recipe_path() == tmp_path / "curation.yaml"
    monkeypatch.setenv(RECIPE_VARIABLE, "other.yaml")
    assert recipe_path() == tmp_path / "other.yaml"
