"""A WordNet of a few words, written to a folder in WordNet's own format."""

from pathlib import Path

# Offsets of each lemma's synsets, most frequent first. Offset 500 is a noun's (oak) and a verb's (bark).
INDEX = {
    "noun": {"dog": (100, 110), "man": (200,), "run": (300,), "glass": (400,), "oak": (500,), "hot_dog": (600,), "s": (700,)},
    "verb": {"run": (310,), "dog": (120,), "bark": (500,), "hop": (320,), "singe": (330,), "sing": (340,)},
    "adj": {"red": (800,), "good": (810,), "late": (820,)},
    "adv": {"well": (900,), "late": (910,)},
}
EXCEPTIONS = {
    "noun": {"oxen": ("ox",), "geese": ("goose", "dog"), "men": ("man",)},
    "verb": {"ran": ("run",), "hopped": ("hop",)},
    "adj": {"better": ("good",), "red": ("late",)},
    "adv": {"best": ("well",)},
}
_LETTER = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}


def write_wordnet(folder: Path) -> Path:
    """Write the eight files."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, lemmas in INDEX.items():
        lines = ["  1 This software and database is being provided"]
        for lemma, offsets in sorted(lemmas.items()):
            pointers = ["@", "~"][: len(lemma) % 3]  # 0 to 2 pointer symbols
            numbers = " ".join(f"{offset:08}" for offset in offsets)
            symbols = "".join(f"{pointer} " for pointer in pointers)
            lines.append(
                f"{lemma} {_LETTER[part]} {len(offsets)} {len(pointers)} {symbols}{len(offsets)} {len(offsets) - 1} {numbers}  "
            )
        (folder / f"index.{part}").write_text("\n".join(lines) + "\n")
        forms = [f"{form} {' '.join(lemmas)}" for form, lemmas in sorted(EXCEPTIONS[part].items())]
        (folder / f"{part}.exc").write_text("\n".join(forms) + "\n")
    return folder
