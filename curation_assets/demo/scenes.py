"""What the demo pictures show, and how they are drawn, altered and encoded.

Everything that touches a pixel is here; words about a scene are in `captions`, files in `pool`. Objects stand near the
middle, so that they survive an encoder's centre crop, on a background that none of their colours blends into.
"""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

SHAPES = (
    *("circle", "square", "triangle", "star", "ring", "cross"),
    *("diamond", "heart", "hexagon", "crescent", "arrow", "flower"),
)
COLOURS = {
    **{"red": (222, 38, 44), "orange": (247, 137, 25), "yellow": (253, 219, 42), "green": (37, 160, 70)},
    **{"turquoise": (46, 204, 198), "blue": (38, 84, 214), "purple": (132, 52, 178), "pink": (252, 138, 192)},
    **{"brown": (121, 72, 36), "black": (28, 28, 32), "white": (250, 250, 250), "grey": (136, 140, 146)},
}
# Two colours that every background runs between, and the object colours that would blend into it.
_BACKGROUNDS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int], str]] = {
    "white": ((255, 255, 255), (232, 233, 238), "white grey"),
    "grey": ((176, 178, 184), (142, 145, 152), "grey white"),
    "black": ((52, 52, 58), (18, 18, 22), "black brown"),
    "sky": ((70, 150, 236), (196, 226, 252), "blue turquoise white"),
    "sunset": ((98, 44, 122), (255, 176, 66), "orange purple pink red brown"),
    "night": ((10, 14, 48), (38, 46, 104), "black blue purple brown"),
    "grass": ((66, 150, 52), (118, 194, 74), "green turquoise"),
    "sand": ((240, 214, 152), (220, 186, 118), "yellow orange grey"),
    "water": ((26, 96, 178), (92, 178, 226), "blue turquoise grey"),
    "stripes": ((250, 176, 204), (255, 246, 248), "pink white red"),
    "checkerboard": ((60, 62, 70), (238, 238, 240), "black white grey"),
    "wood": ((164, 108, 62), (194, 138, 86), "brown orange"),
}
BACKGROUNDS = tuple(_BACKGROUNDS)
RELATIONS = ("alone", "row", "column", "nested")
NEAR_DUPLICATE_KINDS = ("reencode", "resize", "crop", "colour", "hflip")
_ROOMY = ("circle", "square", "hexagon", "heart", "diamond")  # shapes that another object fits inside
_ASPECT_RATIOS = (1.0, 1.0, 4 / 3, 4 / 3, 4 / 3, 3 / 2, 3 / 2, 2.0)
_LOOKALIKES = ({"orange", "brown"}, {"turquoise", "blue"}, {"white", "grey"}, {"circle", "ring"}, {"square", "diamond"})


@dataclass(frozen=True)
class SceneObject:
    """One thing in a scene, in the words that captions use."""

    shape: str
    colour: str
    is_large: bool


@dataclass(frozen=True)
class Scene:
    """What a picture shows: objects in a row from the left, in a column from the top, or the first in the second."""

    objects: tuple[SceneObject, ...]
    relation: str
    background: str


def random_scene(rng: np.random.Generator) -> Scene:
    """A scene of one to three objects that differ in shape and colour from each other and from their background."""
    count = int(rng.choice([1, 2, 3], p=[0.2, 0.55, 0.25]))
    relation = {1: ("alone",), 2: RELATIONS[1:], 3: RELATIONS[1:3]}[count][rng.integers((1, 3, 2)[count - 1])]
    background = BACKGROUNDS[rng.integers(len(BACKGROUNDS))]
    allowed = [colour for colour in COLOURS if colour not in _BACKGROUNDS[background][2].split()]
    shapes, colours = _distinct(rng, SHAPES, count), _distinct(rng, allowed, count)
    while relation == "nested" and shapes[1] not in _ROOMY:
        shapes = _distinct(rng, SHAPES, count)
    sizes = [False, True] if relation == "nested" else [bool(draw < 0.5) for draw in rng.random(count)]
    objects = tuple(SceneObject(*words) for words in zip(shapes, colours, sizes, strict=True))
    return Scene(objects, relation, background)


def _distinct(rng: np.random.Generator, words: tuple[str, ...] | list[str], count: int) -> list[str]:
    """`count` words, no two of which an eye could take for each other."""
    while True:
        chosen = [str(word) for word in rng.choice(words, count, replace=False)]
        if not any(len(pair & set(chosen)) == 2 for pair in _LOOKALIKES):
            return chosen


def picture_size(scene: Scene, rng: np.random.Generator) -> tuple[int, int]:
    """Width and height in px, 96 to 256 a side and 1:2 to 2:1; a row is never tall, a column never wide."""
    short_px = int(rng.integers(96, 161))
    long_px = min(256, round(short_px * _ASPECT_RATIOS[rng.integers(len(_ASPECT_RATIOS))]))
    is_wide = {"row": True, "column": False}.get(scene.relation, bool(rng.random() < 0.5))
    return (long_px, short_px) if is_wide else (short_px, long_px)


def draw_scene(scene: Scene, width_px: int, height_px: int, rng: np.random.Generator) -> Image.Image:
    """A picture of a scene; positions, angles and textures vary with `rng`, the words never.

    Takes about 3 ms for 160 x 120 px: only the objects' outlines are supersampled, the background is not.

    Args:
        scene: what to show.
        width_px: width of the picture, at least 16.
        height_px: height of the picture, at least 16.
        rng: source of all that the words leave open.

    Returns:
        An RGB picture of exactly that size.
    """
    picture = Image.fromarray(_background(scene.background, width_px, height_px, rng))
    short_px = min(width_px, height_px)
    # A stage no longer than 1.2 of the short side keeps most of every object inside a centre crop.
    stage_px = np.minimum((width_px, height_px), 1.2 * short_px)
    axis, count = (1 if scene.relation == "column" else 0), len(scene.objects)
    is_nested = scene.relation == "nested"
    cell_px = min(stage_px[axis] / count, 0.8 * short_px) if not is_nested else short_px
    for place, item in enumerate(scene.objects[::-1] if is_nested else scene.objects):
        share = (0.9 if item.is_large else 0.34) if is_nested else (0.9 if item.is_large else 0.62)
        centre = np.array([width_px, height_px]) / 2 + rng.uniform(-0.04, 0.04, 2) * cell_px
        centre[axis] += 0.0 if is_nested else ((place + 0.5) / count - 0.5) * stage_px[axis]
        _draw_object(picture, item, centre, share * cell_px * rng.uniform(0.95, 1.04), rng)
    return picture


def _draw_object(
    picture: Image.Image, item: SceneObject, centre: np.ndarray, diameter_px: float, rng: np.random.Generator
) -> None:
    """Paste one object with a soft shadow, a light from above and a darker rim."""
    scale, margin_px = 4, 5
    side_px = int(np.ceil(diameter_px)) + 2 * margin_px
    angle = rng.uniform(-0.16, 0.16)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    body, rim = (Image.new("L", (side_px * scale,) * 2) for _ in range(2))
    for outline, fill in _OUTLINES[item.shape]:
        points = [tuple(point) for point in (outline @ turn * diameter_px / 2 + side_px / 2) * scale]
        ImageDraw.Draw(body).polygon(points, fill=fill)
        ImageDraw.Draw(rim).line([*points, *points[:2]], fill=255, width=round(scale * (1 + diameter_px / 60)))
    body = body.reduce(scale)
    rim = ImageChops.multiply(rim.reduce(scale), body)
    corner = tuple(int(value) for value in np.round(centre - side_px / 2))
    shadow = body.filter(ImageFilter.GaussianBlur(2)).point(lambda value: value * 0.4)
    picture.paste((0, 0, 0), (corner[0] + 2, corner[1] + 3), shadow)
    colour = np.array(COLOURS[item.colour])
    light, dark = (tuple(int(value) for value in tone) for tone in (colour + (255 - colour) * 0.22, colour * 0.92))
    ramp = Image.linear_gradient("L").resize(body.size)
    picture.paste(ImageOps.colorize(ramp, light, dark), corner, body)
    picture.paste(tuple(int(value) for value in colour * 0.62), corner, rim)


def _polar(radius: np.ndarray, start: float = -np.pi / 2) -> np.ndarray:
    """Corners at equal angles, clockwise from `start` (the top), at the given distances from the centre."""
    angle = start + np.arange(len(radius)) * 2 * np.pi / len(radius)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None]


def _outlines() -> dict[str, list[tuple[np.ndarray, int]]]:
    """Closed outlines in a circle of radius 1 (y points down), each with what it fills: 255 solid, 0 a hole."""
    circle, turn = _polar(np.ones(72)), np.linspace(0, 2 * np.pi, 60, endpoint=False)
    lobes = -13 * np.cos(turn) + 5 * np.cos(2 * turn) + 2 * np.cos(3 * turn) + np.cos(4 * turn)
    heart = np.stack([16 * np.sin(turn) ** 3, lobes - 1.4], axis=1)
    arm, cut = 0.36, 0.93
    corner, quarter = np.array([(-arm, -cut), (arm, -cut), (arm, -arm)]), np.array([[0.0, 1.0], [-1.0, 0.0]])
    arrow = [(-0.95, -0.28), (0.1, -0.28), (0.1, -0.75), (0.98, 0), (0.1, 0.75), (0.1, 0.28), (-0.95, 0.28)]
    solid = {
        "circle": circle,
        "square": _polar(np.full(4, 1.13), -np.pi / 4),
        "triangle": _polar(np.full(3, 1.1)) + np.array([0, 0.18]),
        "star": _polar(np.tile([1.08, 0.45], 5)) + np.array([0, 0.06]),
        "cross": np.concatenate([corner @ np.linalg.matrix_power(quarter, power) for power in range(4)]),
        "diamond": _polar(np.array([1.08, 0.68, 1.08, 0.68])),
        "heart": heart / 17,
        "hexagon": _polar(np.ones(6), 0.0),
        "arrow": np.array(arrow),
    }
    outlines = {shape: [(outline, 255)] for shape, outline in solid.items()}
    outlines["ring"] = [(circle, 255), (circle * 0.55, 0)]
    outlines["crescent"] = [(circle, 255), (circle * 0.82 + np.array([0.46, -0.1]), 0)]
    outlines["flower"] = [(_polar(0.78 + 0.26 * np.cos(np.arange(120) * np.pi / 10)), 255), (circle * 0.24, 0)]
    return outlines


_OUTLINES = _outlines()


def _background(name: str, width_px: int, height_px: int, rng: np.random.Generator) -> np.ndarray:
    """uint8, shape (height_px, width_px, 3): the named background, its two colours blended by its pattern."""
    first, last = (np.array(colour, np.float32) for colour in _BACKGROUNDS[name][:2])
    y, x = np.mgrid[0:height_px, 0:width_px].astype(np.float32) + 0.5
    short_px = min(width_px, height_px)
    blend = _pattern(name, x / short_px, y / short_px, y / height_px, rng)
    canvas = first + (last - first) * np.clip(blend, 0, 1)[..., None] + rng.normal(0, 1.2, (height_px, width_px, 1))
    if name == "night":
        count = width_px * height_px // 300
        rows, columns = rng.integers(0, height_px, count), rng.integers(0, width_px, count)
        canvas[rows, columns] = rng.uniform(90, 255, (count, 1))
    return np.clip(canvas, 0, 255).astype(np.uint8)


def _pattern(name: str, x: np.ndarray, y: np.ndarray, down: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How far each pixel is from the first colour to the last; x and y count in short sides, `down` runs 0 to 1."""
    phase, angle = rng.uniform(0, 2 * np.pi), rng.uniform(-0.5, 0.5)
    along, sharp = x * np.cos(angle) + y * np.sin(angle), 12.0  # sharp: how fast an edge rises, for smooth edges
    if name == "stripes":
        return 0.5 + sharp * np.sin(along * rng.uniform(22, 34) + phase) / 8
    if name == "checkerboard":
        return 0.5 + sharp * np.sin((x - x.mean()) * 18 + phase) * np.sin((y - y.mean()) * 18 + phase)
    if name == "grass":
        blades = rng.random((6, x.shape[1])).repeat(-(-x.shape[0] // 6), axis=0)[: x.shape[0]]
        return 0.75 * down + 0.5 * (blades - 0.5)
    if name == "water":
        return 0.5 + 0.35 * np.sin(y * 34 + phase + 1.1 * np.sin(x * 11 + phase)) + 0.3 * (0.5 - down)
    if name == "sand":
        return 0.5 + 0.25 * np.sin(y * 26 + 2 * np.sin(x * 5 + phase)) + rng.normal(0, 0.16, x.shape)
    if name == "wood":
        board = np.floor(y * 4 + 0.5)
        grain = 0.18 * np.sin((y * 60 + 3 * np.sin(x * 2 + board * 2 + phase)) * 1.5)
        return 0.5 + 0.35 * np.sin(board * 2.4 + phase) + grain - 1.2 * (np.abs(y * 4 + 0.5 - board - 0.5) > 0.46)
    if name == "sky":
        puffs = rng.uniform(0, 1, (7, 2)) * (x.max(), y.max())
        clouds = sum(np.exp(-(((x - left) / 0.2) ** 2) - ((y - top) / 0.07) ** 2) for left, top in puffs)
        return 0.75 * (down + clouds)
    return down**1.3 if name in ("sunset", "night") else ((x - x.mean()) ** 2 + (y - y.mean()) ** 2) * 1.1


def altered(picture: Image.Image, kind: str, rng: np.random.Generator) -> tuple[Image.Image, dict[str, float]]:
    """A near duplicate of a picture, and the numbers that made it; all objects and the names of their colours stay.

    `kind` is one of NEAR_DUPLICATE_KINDS: "hflip" swaps left and right, "reencode" leaves the work to a worse JPEG.
    """
    if kind == "resize":
        factor = round(float(rng.uniform(0.72, 1.5)), 2)
        size = [max(64, round(side * factor)) for side in picture.size]
        return picture.resize(size, Image.Resampling.LANCZOS), {"factor": factor}
    if kind == "crop":
        margins = {side: round(float(rng.uniform(0.02, 0.09)), 3) for side in ("left", "top", "right", "bottom")}
        left, top, right, bottom = (round(share * side) for share, side in zip(margins.values(), picture.size * 2, strict=True))
        return picture.crop((left, top, picture.width - right, picture.height - bottom)), margins
    if kind == "colour":
        strengths = {name: round(float(rng.uniform(0.82, 1.18)), 2) for name in ("Brightness", "Contrast", "Color")}
        for name, strength in strengths.items():
            picture = getattr(ImageEnhance, name)(picture).enhance(strength)
        return picture, {name.lower(): strength for name, strength in strengths.items()}
    return (ImageOps.mirror(picture) if kind == "hflip" else picture), {}


def encoded(picture: Image.Image, extension: str, quality: int) -> bytes:
    """The picture as a file of the given extension: "jpg", "png" (quality unused) or "webp"."""
    buffer = io.BytesIO()
    picture.save(buffer, {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[extension], quality=quality, method=2)
    return buffer.getvalue()
