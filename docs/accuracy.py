"""Makes the page docs/accuracy.md: what the filters catch of a pool whose defects are known.

    python docs/accuracy.py POOL [--with-encoder] [--page PAGE]

POOL is a folder with `pool/*.tar`, `ground_truth.parquet` (a row per sample; see accuracy_pairs.py for its groups),
`hard_negatives.parquet`, `text/captions_by_language.parquet`, the word lists `text/ldnoobw` and the pictures `target`. The page
holds numbers only, nothing of the pool. `--with-encoder` trains a small network on the pool for what needs vectors; its numbers
may differ between machines, so they are printed and not written into the page.
"""

import argparse
import logging
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import accuracy_captions
import accuracy_defects
import accuracy_encoder
import accuracy_pairs
from accuracy_pipeline import Curated, curate

PAGE = Path(__file__).with_name("accuracy.md")


def accuracy_page(folder: Path, run: Curated) -> str:
    """The page, from a folder with truth and a run of the pipeline over it."""
    total, kept = len(run.truth), len(run.accepted)
    return f"""# Accuracy

Made by `make accuracy`; do not edit by hand. A pool of {total:,} real pictures and captions (photographs, book figures, emoji)
with planted defects was curated by this project; the truth about each row was read only afterwards. The pool is not part of
the project. The numbers are those of the pinned versions of the libraries; no timing is among them.

What needs an image-text encoder (`clip_score`, `target_similarity` and what builds on them) is left out: no pretrained weights
were at hand. {accuracy_encoder.REMARK}

## Planted defects

Counted are the rows with a planted defect, and those of them that are rejected, dropped or repaired as the table says; a row
that only another filter drops is not caught. Of {total:,} rows {kept:,} are accepted, and every filter sees all of these. A
copy is caught, too, when its original is dropped instead.

{accuracy_defects.defect_table(run)}

`duplicate_uid`: a uid is unique within a shard; of rows with one uid in different shards all are accepted, and
`uid_copies` finds them.

## Filters against the truth

Counted are all accepted rows, with and without a planted defect, against a rule that is computed from the truth's own columns.
Precision is the share of the dropped rows that should be dropped, recall the share of those that are.

{accuracy_defects.filter_table(run)}

## Pairs of pictures

{accuracy_pairs.section(folder)}

## Copies by rows

Counted are the accepted rows that `phash_distance: {{min: radius + 1}}` drops, rightly if the row for which it goes is of the
same group of equal or altered copies. Of each group all but one should go. Drawings of one figure are not judged.

{accuracy_defects.radius_rows(run)}

## Equal files and blocked words

Counted are accepted rows. The truth about words is another program's search for whole words of the same English list, so what
agrees is the matching. All its hits were read: each is an honest caption (Swahili `kike`, Spanish `negro`, a donkey). A
list finds words, not offence.

{accuracy_defects.exact_table(run)}

## Languages of captions

{accuracy_captions.section(folder)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--with-encoder", action="store_true")
    parser.add_argument("--page", type=Path, default=PAGE)
    arguments = parser.parse_args()
    if not (arguments.pool / "ground_truth.parquet").is_file():
        parser.error(f"no pool with recorded truth at {arguments.pool}; give its folder: make accuracy POOL=folder")
    logging.disable(logging.INFO)  # a line per partition
    with tempfile.TemporaryDirectory() as folder:
        run = curate(arguments.pool, Path(folder), with_encoder=arguments.with_encoder, report=print)
        arguments.page.write_text(accuracy_page(arguments.pool, run), encoding="utf-8")
        print(f"wrote {arguments.page}")
        if arguments.with_encoder:
            print(accuracy_encoder.section(run))


if __name__ == "__main__":
    main()
