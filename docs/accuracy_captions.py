"""How often the language of a caption is recognised, and what that means for the filters of English captions."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from accuracy_tables import markdown, share

from curation_assets.scores.caption_language import caption_language
from curation_assets.scores.caption_language_cld3 import caption_language_cld3

# Codes of one language that differ between the detectors and the truth; what follows a hyphen is a script.
_SAME = {"iw": "he", "fil": "tl", "jw": "jv"}
_KINDS = {
    "figure_caption": "figure captions of books",
    "human_caption": "captions by people",
    "cldr_name_keywords": "names and keywords of emoji",
}


def same_code(code: str) -> str:
    """The code by which two detectors can be compared."""
    base = code.split("-")[0]
    return _SAME.get(base, base)


def detected(texts: np.ndarray) -> dict[str, np.ndarray]:
    """Language codes as the scores give them, by the filter that reads them."""
    return {
        "english_caption": caption_language(texts)["caption_language"],
        "english_caption_cld3": caption_language_cld3(texts)["caption_language_cld3"],
    }


def section(folder: Path) -> str:
    """The page's part about languages."""
    rows = pq.read_table(folder / "text" / "captions_by_language.parquet", columns=["lang", "text", "kind"])
    truth, kind = (np.array(rows[name].to_pylist(), object) for name in ("lang", "kind"))
    found = detected(np.array(rows["text"].to_pylist(), object))
    languages = sorted(set(truth), key=lambda code: (-int((truth == code).sum()), code))
    table = markdown(
        ["language", "captions", "fastText right", "fastText's other answers", "CLD3 right", "CLD3's other answers"],
        [[code, int((truth == code).sum()), *_answers(truth, found, code)] for code in languages],
    )
    english = [
        [name, meaning, *_english(truth[kind == one], codes[kind == one])]
        for name, codes in found.items()
        for one, meaning in _KINDS.items()
        if (truth[kind == one] == "en").any()
    ]
    whole = [[name, "all", *_english(truth, codes)] for name, codes in found.items()]
    right = {name: [same_code(code) for code in codes] == truth for name, codes in found.items()}
    fasttext, cld3 = (share(int(of.sum()), len(truth)) for of in right.values())
    return f"""Counted are {len(truth):,} captions whose language is known, in {len(languages)} languages; they are not of
the pool: {_sources(kind)}.
The score `caption_language` (fastText's lid.176.ftz) names the right one for {fasttext}, `caption_language_cld3` for
{cld3}. Codes that mean one language count as equal (`iw` and `he`, `fil` and `tl`, `zh-Latn` and `zh`). Keywords
of emoji are short lists of words without grammar, the hardest case; most languages have no other captions here.

{table}

The filters on these captions. Precision is the share of the kept ones that are English, recall the share of the English ones
that are kept; languages other than English are most of the set, so the precision in another pool is another one.

{markdown(["filter", "captions", "precision", "recall", "others kept"], whole + english, texts=2)}"""


def _answers(truth: np.ndarray, found: dict[str, np.ndarray], language: str) -> list[str]:
    cells = []
    for codes in found.values():
        answers = Counter(same_code(code) for code in codes[truth == language])
        right = answers.pop(language, 0)
        cells += [f"{right / (right + answers.total()):.3f}", ", ".join(f"{code} {n}" for code, n in _most(answers, 3))]
    return cells


def _most(answers: Counter[str], count: int) -> list[tuple[str, int]]:
    return sorted(answers.items(), key=lambda one: (-one[1], one[0]))[:count]


def _english(truth: np.ndarray, codes: np.ndarray) -> list[str]:
    is_kept, is_english = codes == "en", truth == "en"
    both = int((is_kept & is_english).sum())
    others = Counter(truth[is_kept & ~is_english])
    named = ", ".join(f"{code} {n}" for code, n in _most(others, 4))
    return [
        share(both, int(is_kept.sum())),
        share(both, int(is_english.sum())),
        f"{others.total()}: {named}" if others else "0",
    ]


def _sources(kind: np.ndarray) -> str:
    return ", ".join(f"{int((kind == one).sum()):,} {meaning}" for one, meaning in _KINDS.items())
