"""What is said about a demo picture: templates in seven languages, and captions that are short or hostile on purpose.

Every caption names the shape and colour of each object and the background, so that a small encoder can learn to tell a
matching caption from a swapped one. Outside English the objects stay in the nominative: places are adverbs.
"""

from dataclasses import dataclass, replace

import numpy as np

from curation_assets.demo.scenes import BACKGROUNDS, COLOURS, RELATIONS, SHAPES, Scene, SceneObject


@dataclass(frozen=True)
class _Language:
    """Words in the order of SHAPES, COLOURS and BACKGROUNDS; those whose form follows the gender are keyed by it."""

    shapes: str
    genders: str  # one letter per shape
    colours: dict[str, str]
    sizes: dict[str, tuple[str, str]]  # small, large; with the article where the language has one
    phrase: str
    pairs: tuple[str, str, str]  # two objects in a row, in a column, nested; wordings separated by " / "
    rows: tuple[str, str]  # three objects in a row, in a column
    backgrounds: str  # separated by " / "
    templates: tuple[str, ...]


_LANGUAGES = {
    "en": _Language(
        shapes=" ".join(SHAPES),
        genders="n" * 12,
        colours={"n": " ".join(COLOURS)},
        sizes={"n": ("a small", "a large")},
        phrase="{size} {colour} {shape}",
        pairs=(
            "{0} to the left of {1} / {1} to the right of {0} / {0} on the left and {1} on the right",
            "{0} above {1} / {1} below {0} / {0} at the top and {1} at the bottom",
            "{0} inside {1} / {1} with {0} in it",
        ),
        rows=("{0}, {1} and {2} from left to right", "{0}, {1} and {2} from top to bottom"),
        backgrounds="on a plain white background / on a plain grey background / on a plain black background / "
        "in the blue sky with clouds / in front of an orange sunset / in the dark night sky with stars / "
        "on the green grass / on the yellow sand / on the blue water with waves / on pink and white stripes / "
        "on a black and white checkerboard / on a brown wooden table",
        templates=(
            *(
                "There is {objects} {ground}.",
                "You can see {objects} {ground}.",
                "This picture shows {objects} {ground}.",
            ),
            *(
                "A drawing of {objects} {ground}.",
                "A picture of {objects} {ground}.",
                "Here we have {objects} {ground}.",
            ),
        ),
    ),
    "es": _Language(
        shapes="círculo cuadrado triángulo estrella anillo cruz rombo corazón hexágono luna flecha flor",
        genders="mmmfmfmmmfff",
        colours={
            "m": "rojo naranja amarillo verde turquesa azul morado rosa marrón negro blanco gris",
            "f": "roja naranja amarilla verde turquesa azul morada rosa marrón negra blanca gris",
        },
        sizes={"m": ("un pequeño", "un gran"), "f": ("una pequeña", "una gran")},
        phrase="{size} {shape} {colour}",
        pairs=("{0} a la izquierda y {1} a la derecha", "{0} arriba y {1} abajo", "{0} en el centro y {1} alrededor"),
        rows=("{0}, {1} y {2} de izquierda a derecha", "{0}, {1} y {2} de arriba abajo"),
        backgrounds="sobre un fondo blanco / sobre un fondo gris / sobre un fondo negro / en el cielo azul con nubes / "
        "delante de una puesta de sol / en el cielo nocturno con estrellas / sobre la hierba verde / "
        "sobre la arena amarilla / sobre el agua azul con olas / sobre rayas rosas y blancas / "
        "sobre un tablero de ajedrez / sobre una mesa de madera marrón",
        templates=(
            *("En la imagen se ve {objects} {ground}.", "Este dibujo muestra {objects} {ground}."),
            *("Aquí hay {objects} {ground}.", "Se puede ver {objects} {ground}, en un dibujo sencillo."),
        ),
    ),
    "fr": _Language(
        shapes="cercle carré triangle étoile anneau croix losange cœur hexagone croissant flèche fleur",
        genders="mmmfmfmmmmff",
        colours={
            "m": "rouge orange jaune vert turquoise bleu violet rose marron noir blanc gris",
            "f": "rouge orange jaune verte turquoise bleue violette rose marron noire blanche grise",
        },
        sizes={"m": ("un petit", "un grand"), "f": ("une petite", "une grande")},
        phrase="{size} {shape} {colour}",
        pairs=("{0} à gauche et {1} à droite", "{0} en haut et {1} en bas", "{0} au centre et {1} tout autour"),
        rows=("{0}, {1} et {2} de gauche à droite", "{0}, {1} et {2} de haut en bas"),
        backgrounds="sur un fond blanc / sur un fond gris / sur un fond noir / dans le ciel bleu avec des nuages / "
        "devant un coucher de soleil / dans le ciel de nuit avec des étoiles / sur l'herbe verte / sur le sable / "
        "sur l'eau bleue avec des vagues / sur des rayures roses et blanches / sur un damier / sur une table en bois",
        templates=(
            *("Sur cette image, on voit {objects} {ground}.", "Ce dessin montre {objects} {ground}."),
            *("Il y a {objects} {ground}.", "Voici {objects} {ground}, dans un dessin très simple."),
        ),
    ),
    "de": _Language(
        shapes="Kreis Quadrat Dreieck Stern Ring Kreuz Raute Herz Sechseck Halbmond Pfeil Blume",
        genders="mnnmmnfnnmmf",
        colours={
            "m": "roter oranger gelber grüner türkiser blauer violetter rosaroter brauner schwarzer weißer grauer",
            "f": "rote orange gelbe grüne türkise blaue violette rosarote braune schwarze weiße graue",
            "n": "rotes oranges gelbes grünes türkises blaues violettes rosarotes braunes schwarzes weißes graues",
        },
        sizes={
            "m": ("ein kleiner", "ein großer"),
            "f": ("eine kleine", "eine große"),
            "n": ("ein kleines", "ein großes"),
        },
        phrase="{size} {colour} {shape}",
        pairs=("links {0} und rechts {1}", "oben {0} und unten {1}", "in der Mitte {0} und außen herum {1}"),
        rows=("von links nach rechts {0}, {1} und {2}", "von oben nach unten {0}, {1} und {2}"),
        backgrounds="auf weißem Hintergrund / auf grauem Hintergrund / auf schwarzem Hintergrund / "
        "am blauen Himmel mit Wolken / vor einem Sonnenuntergang / am Nachthimmel mit Sternen / auf grünem Gras / "
        "auf gelbem Sand / auf blauem Wasser mit Wellen / auf rosa und weißen Streifen / auf einem Schachbrett / "
        "auf einem braunen Holztisch",
        templates=(
            *("Auf dem Bild ist {objects} {ground} zu sehen.", "Hier ist {objects} {ground}."),
            *("Die Zeichnung zeigt: {objects} {ground}.", "Zu sehen ist {objects} {ground}, einfach gezeichnet."),
        ),
    ),
    "pl": _Language(
        shapes="koło kwadrat trójkąt gwiazda pierścień krzyż romb serce sześciokąt półksiężyc strzałka kwiat",
        genders="nmmfmmmnmmfm",
        colours={
            "m": "czerwony pomarańczowy żółty zielony turkusowy niebieski fioletowy różowy brązowy czarny biały szary",
            "f": "czerwona pomarańczowa żółta zielona turkusowa niebieska fioletowa różowa brązowa czarna biała szara",
            "n": "czerwone pomarańczowe żółte zielone turkusowe niebieskie fioletowe różowe brązowe czarne białe szare",
        },
        sizes={"m": ("mały", "duży"), "f": ("mała", "duża"), "n": ("małe", "duże")},
        phrase="{size} {colour} {shape}",
        pairs=("{0} po lewej i {1} po prawej", "{0} na górze i {1} na dole", "{0} w środku i {1} dookoła"),
        rows=("{0}, {1} i {2} od lewej do prawej", "{0}, {1} i {2} od góry do dołu"),
        backgrounds="na białym tle / na szarym tle / na czarnym tle / na błękitnym niebie z chmurami / "
        "na tle zachodu słońca / na nocnym niebie z gwiazdami / na zielonej trawie / na żółtym piasku / "
        "na niebieskiej wodzie z falami / na różowych i białych paskach / na szachownicy / na brązowym stole",
        templates=(
            "Na obrazku jest {objects} {ground}.",
            "Tutaj widać: {objects} {ground}.",
            "Rysunek: {objects} {ground}.",
        ),
    ),
    "ru": _Language(
        shapes="круг квадрат треугольник звезда кольцо крест ромб сердце шестиугольник полумесяц стрелка цветок",
        genders="mmmfnmmnmmfm",
        colours={
            "m": "красный оранжевый жёлтый зелёный бирюзовый синий фиолетовый розовый коричневый чёрный белый серый",
            "f": "красная оранжевая жёлтая зелёная бирюзовая синяя фиолетовая розовая коричневая чёрная белая серая",
            "n": "красное оранжевое жёлтое зелёное бирюзовое синее фиолетовое розовое коричневое чёрное белое серое",
        },
        sizes={"m": ("маленький", "большой"), "f": ("маленькая", "большая"), "n": ("маленькое", "большое")},
        phrase="{size} {colour} {shape}",
        pairs=("слева {0}, а справа {1}", "сверху {0}, а снизу {1}", "внутри {0}, а снаружи {1}"),
        rows=("слева направо {0}, {1} и {2}", "сверху вниз {0}, {1} и {2}"),
        backgrounds="на белом фоне / на сером фоне / на чёрном фоне / на голубом небе с облаками / на фоне заката / "
        "на ночном небе со звёздами / на зелёной траве / на жёлтом песке / на синей воде с волнами / "
        "на розовых и белых полосах / на шахматной доске / на коричневом деревянном столе",
        templates=(
            "На картинке {objects} {ground}.",
            "Здесь изображено: {objects} {ground}.",
            "Рисунок: {objects} {ground}.",
        ),
    ),
    "zh": _Language(
        shapes="圆形 正方形 三角形 星星 圆环 十字 菱形 爱心 六边形 月牙 箭头 花朵",
        genders="n" * 12,
        colours={"n": "红色 橙色 黄色 绿色 青色 蓝色 紫色 粉色 棕色 黑色 白色 灰色"},
        sizes={"n": ("小", "大")},
        phrase="一个{colour}的{size}{shape}",
        pairs=("左边的{0}和右边的{1}", "上面的{0}和下面的{1}", "中间的{0}和外面的{1}"),
        rows=("从左到右的{0}、{1}和{2}", "从上到下的{0}、{1}和{2}"),
        backgrounds="白色的背景 / 灰色的背景 / 黑色的背景 / 有云的蓝天 / 橙色的晚霞 / 有星星的夜空 / "
        "绿色的草地 / 黄色的沙滩 / 蓝色的水面 / 粉白相间的条纹 / 黑白棋盘 / 棕色的木桌",
        templates=("这张图片里有{objects}，后面是{ground}。", "我们可以看到{objects}，背景是{ground}。"),
    ),
}
LANGUAGES = tuple(_LANGUAGES)


def describe(scene: Scene, language: str, rng: np.random.Generator) -> str:
    """One full sentence about a scene, in a wording picked by `rng`; `language` is one of LANGUAGES.

    Example:
        >>> kite = Scene((SceneObject("diamond", "red", True),), "alone", "grass")
        >>> describe(kite, "es", np.random.default_rng(0))
        'Se puede ver un gran rombo rojo sobre la hierba verde, en un dibujo sencillo.'
    """
    words = _LANGUAGES[language]
    names = [_object_name(item, words) for item in scene.objects]
    layouts = (("{0}",), ("", *words.pairs), ("", *words.rows))[len(names) - 1]
    wordings = layouts[RELATIONS.index(scene.relation)].split(" / ")
    objects = wordings[rng.integers(len(wordings))].format(*names)
    ground = words.backgrounds.split(" / ")[BACKGROUNDS.index(scene.background)]
    return words.templates[rng.integers(len(words.templates))].format(objects=objects, ground=ground)


def _object_name(item: SceneObject, words: _Language) -> str:
    place = SHAPES.index(item.shape)
    gender = words.genders[place]
    colour = words.colours[gender].split()[list(COLOURS).index(item.colour)]
    return words.phrase.format(size=words.sizes[gender][item.is_large], colour=colour, shape=words.shapes.split()[place])


def mirrored(scene: Scene) -> Scene:
    """The scene that a horizontally flipped picture shows: a row is read from its other end."""
    return replace(scene, objects=scene.objects[::-1]) if scene.relation == "row" else scene


def is_clearly_other(scene: Scene, other: Scene) -> bool:
    """Whether no shape, no colour and not even the background of one scene occurs in the other."""
    shapes, colours = ({getattr(item, word) for item in scene.objects} for word in ("shape", "colour"))
    is_shared = any(item.shape in shapes or item.colour in colours for item in other.objects)
    return not is_shared and scene.background != other.background


# Captions that attack whatever shows them: a web page, a terminal, a spreadsheet, a log, a Markdown card.
_HOSTILE = {
    "script": "{0}<script>document.title='caption ran'</script>",
    "img_onerror": "<img src=x onerror=\"document.title='caption ran'\"> {0}",
    "attribute": "\"><svg onload='document.title=1'> {0}",
    "markdown_image": "![{0}](https://tracker.example.org/pixel.png)",
    "markdown_link": "[{0}](javascript:document.title=1) | a cell | `code` |",
    "ansi": "\x1b[2J\x1b[31m{0}\x1b]0;caption ran\x07\x1b[0m",
    "right_to_left": "\u202e{0}\u202c \u2066gpj.exe\u2069",
    "formula": '=HYPERLINK("https://tracker.example.org","{0}")',
    "template": "{0} {{{{7*7}}}} ${{HOME}} %s %n '; DROP TABLE samples; --",
    "newlines": "{0}\r\n\n---\n# {0}\n",
    "nul": "{0}\x00{0}",
    "long": "{0} ",
}
HOSTILE_KINDS = tuple(_HOSTILE)
SHORT_KINDS = ("first_word", "empty", "digits", "file_name")


def hostile_caption(kind: str, caption: str) -> str:
    """The caption inside one of the attacks of HOSTILE_KINDS; "long" repeats it past 20,000 characters."""
    hostile = _HOSTILE[kind].format(caption)
    return hostile * (20_000 // len(hostile) + 1) if kind == "long" else hostile


def short_caption(kind: str, caption: str, rng: np.random.Generator) -> str:
    """At most two words, of one of SHORT_KINDS, in place of the caption."""
    number = int(rng.integers(1000, 9999))
    return {"first_word": caption.split()[0], "empty": "", "digits": str(number), "file_name": f"IMG_{number}.jpg"}[kind]
