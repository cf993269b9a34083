"""What each edit reaches, written down by hand: names of partitions, rows, samples embedded.

Nothing here is derived from the graph: whoever adds an asset that the project has writes down here what makes it run.
"""

from tests.change_edits import (
    WITH_BOTH_SIDES,
    Change,
    Counts,
    Edit,
    add_shard,
    all_of,
    another_checkpoint,
    at,
    both_sides,
    filters,
    half_clip_score,
    narrow_basic,
    rearrange,
    rename_aligned,
    rows,
    score,
    second_weights,
    section,
    settings_of_no_row,
    touch,
)
from tests.change_project import REPLACED, SHARD, write_shard

TAR = "raw_pool rejected_samples"
OF_CAPTION, OF_SIZE, OF_VECTORS = "scores/caption_language scores/caption_length", "scores/image_size", "scores/clip_score"
OF_CLUSTERS, PAIRS = "cluster_assignments scores/prototype_distance", "scores/semdedup_similarity"
MEASURED = f"embeddings {OF_CAPTION} {OF_SIZE} {OF_VECTORS} {OF_CLUSTERS}"
BASIC, ALIGNED = "subsets/basic decisions/basic", "subsets/aligned decisions/aligned"
TYPICAL, DISTINCT = "subsets/typical decisions/typical", "subsets/distinct decisions/distinct"
BYSTANDER = "subsets/bystander decisions/bystander"
CUT, DRIFT = " cuts/aligned/cut_1 ", " cluster_drift "
# Below one shard: what is its own, what is counted or compared over all shards, and who reads that.
BELOW_2 = at("2", MEASURED, BASIC, BYSTANDER) + DRIFT + CUT + at("*", PAIRS, DISTINCT, ALIGNED, TYPICAL)
# Made of it: below what came out as it was, only the shard itself.
MADE_OF_2 = at("2", TAR, MEASURED, PAIRS, BASIC, BYSTANDER, TYPICAL, DISTINCT) + DRIFT + CUT + at("*", ALIGNED)
OF_NEW = at("new", TAR, MEASURED, PAIRS, BASIC, ALIGNED, TYPICAL, DISTINCT, BYSTANDER)
BELOW_NEW = DRIFT + CUT + at("old", PAIRS, DISTINCT, ALIGNED, TYPICAL)
# Of the old shards, only the first has rows whose nearest preferred picture is one of the new shard.
MADE_OF_NEW = OF_NEW + DRIFT + CUT + at("old", ALIGNED) + at("0", PAIRS, DISTINCT)
PLAIN = ({"prototype_distance": {"max": 0.03}},)
ENGLISH, SIZE = "english_caption", {"image_size": {"min_side_px": 64}}


def _basic(name: str, *keep: object, then: str = "") -> Edit:
    return Edit(
        name,
        filters("basic", *keep),
        certain=at("*", BASIC),
        uncertain=CUT + at("*", ALIGNED, TYPICAL),
        ran=at("*", BASIC) + (CUT + at("*", ALIGNED) + then if then else ""),
    )


def _shard_2(name: str, change: Change, counts: Counts, *, embedded: int, prepare: Change | None = None) -> Edit:
    return Edit(
        name,
        change,
        certain=at("2", TAR),
        uncertain=BELOW_2,
        ran=MADE_OF_2,
        renewed=at("not_2", PAIRS),
        rows=counts,
        embedded={"2": embedded},
        prepare=prepare,
    )


def _shard_added(name: str, change: Change) -> Edit:
    return Edit(
        name,
        change,
        certain=OF_NEW,
        uncertain=BELOW_NEW,
        ran=MADE_OF_NEW,
        renewed=at("not_0", PAIRS),
        rows=rows("new", 6, 0, MEASURED) | rows("*", 6, 0, PAIRS),
        embedded={"new": 6},
    )


def _one_column_more(name: str, version: str) -> Edit:
    return Edit(
        name,
        score("image_size", version=version, compute=both_sides, columns=WITH_BOTH_SIDES),
        certain=at("*", OF_SIZE),
        uncertain=at("*", BASIC, ALIGNED, TYPICAL) + CUT,
        ran=at("*", OF_SIZE, BASIC),
        rows=rows("*", 6, 0, OF_SIZE),
    )


RECIPE_EDITS = (
    Edit("threshold", filters("typical", {"prototype_distance": {"max": 0.05}}), certain=at("*", TYPICAL)),
    Edit(
        "fraction",
        filters("aligned", {"clip_score": {"top_fraction": 0.25}}),
        certain=CUT + at("*", ALIGNED),
        uncertain=at("*", TYPICAL),
    ),
    Edit(
        "fraction_that_keeps_the_same_rows",
        filters("aligned", {"clip_score": {"top_fraction": 0.501}}),
        certain=CUT + at("*", ALIGNED),
        uncertain=at("*", TYPICAL),
        ran=CUT + at("*", ALIGNED),
    ),
    # Three rows of a shard are left in basic: of the 0.80 half must go, those of the larger uids.
    _basic("caption_rule", ENGLISH, {"caption_length": {"min_words": 6}}, SIZE, then=at("second", TYPICAL)),
    _basic("caption_rule_that_keeps_the_same_rows", ENGLISH, {"caption_length": {"min_chars": 7}}, SIZE),
    # Five rows of a shard are in basic: of the 0.60 half come in, those of the smaller uids.
    _basic("filter_removed", ENGLISH, {"caption_length": {}}, then=at("first", TYPICAL)),
    # The ledger names another filter, the rows kept are the same.
    _basic("filter_renamed", ENGLISH, {"caption_words": {"min": 3}}, SIZE),
    Edit("filter_added", filters("typical", {"clip_score": {"min": 0.0}}, *PLAIN), certain=at("*", TYPICAL)),
    Edit(
        "subset_added",
        section("subsets", extra={"from": "basic", "keep": [{"clip_score": {"min": 0.5}}]}),
        certain=at("*", "subsets/extra decisions/extra"),
    ),
    Edit(
        "subset_renamed",
        rename_aligned,
        certain="cuts/matched/cut_1" + at("*", "subsets/matched decisions/matched", TYPICAL),
    ),
    Edit("subset_removed", lambda world, patch: world.recipe["subsets"].pop("typical")),
    Edit("subset_of_another_source", narrow_basic, certain=at("*", TYPICAL)),
    Edit("recipe_rearranged", rearrange),
    Edit("settings_that_change_no_row", settings_of_no_row),
    Edit("nothing", lambda world, patch: None),
)
POOL_EDITS = (
    _shard_2(
        "shard_replaced",
        lambda world, patch: write_shard(world.tar(2), REPLACED),
        # A new caption on an old picture needs neither its size nor its cluster again.
        rows("2", 2, 5, "embeddings", OF_CAPTION, OF_VECTORS)
        | rows("2", 1, 6, OF_SIZE, OF_CLUSTERS)
        # What is new is green: all greens are compared again, and no red.
        | rows("*", 3, 3, PAIRS)
        | rows("2", 4, 3, PAIRS),
        embedded=2,
    ),
    _shard_2(
        "shard_removed",
        lambda world, patch: world.tar(2).unlink(),
        rows("*", 6, 0, PAIRS) | rows("2", 0, 0, MEASURED, PAIRS),
        embedded=0,
    ),
    _shard_2(
        "shard_back_again",
        lambda world, patch: write_shard(world.tar(2), SHARD),
        rows("*", 6, 0, PAIRS) | rows("2", 6, 0, MEASURED),
        embedded=6,
        prepare=lambda world, patch: world.tar(2).unlink(),
    ),
    Edit("shard_with_equal_bytes", touch, certain=at("2", TAR), uncertain=BELOW_2, ran=at("2", TAR)),
    _shard_added("shard_added", add_shard),
    Edit(
        "how_images_are_verified",
        section("pool", verify="decode"),
        certain=at("*", TAR),
        uncertain=at("*", MEASURED, PAIRS, BASIC, ALIGNED, TYPICAL, DISTINCT, BYSTANDER) + DRIFT + CUT,
        ran=at("*", TAR),
    ),
)
OF_ENCODER = at("*", "embeddings", OF_VECTORS, OF_CLUSTERS, PAIRS, ALIGNED, TYPICAL, DISTINCT) + "centroids" + DRIFT + CUT
CODE_EDITS = (
    Edit(
        "checkpoint_changed",
        another_checkpoint,
        certain="encoder",
        uncertain=OF_ENCODER,
        rows=rows("*", 6, 0, "embeddings", OF_VECTORS, OF_CLUSTERS, PAIRS),
        embedded={"*": 6},
    ),
    Edit("checkpoint_renamed", second_weights, certain="encoder", uncertain=OF_ENCODER, ran="encoder"),
    Edit(
        "score_version_with_equal_numbers",
        score("caption_length", version="2"),
        certain=at("*", "scores/caption_length"),
        uncertain=at("*", BASIC, ALIGNED, TYPICAL) + CUT,
        ran=at("*", "scores/caption_length"),
        rows=rows("*", 6, 0, "scores/caption_length"),
    ),
    Edit(
        "score_version_with_other_numbers",
        score("clip_score", version="2", compute=half_clip_score),
        certain=at("*", OF_VECTORS),
        uncertain=at("*", ALIGNED, TYPICAL) + CUT,
        ran=at("*", OF_VECTORS, ALIGNED) + CUT,
        rows=rows("*", 6, 0, OF_VECTORS),
    ),
    _one_column_more("score_with_one_column_more", "2"),
    _one_column_more("score_with_one_column_more_and_the_old_version", "1"),
)
CLUSTER_EDITS = (
    Edit("policy_always_and_nothing_new", section("clusters", policy="always")),
    Edit(
        "policy_always_and_a_shard_added",
        all_of(section("clusters", policy="always"), add_shard),
        certain=OF_NEW,
        uncertain="centroids" + BELOW_NEW + at("old", OF_CLUSTERS),
        ran="centroids" + MADE_OF_NEW + at("old", OF_CLUSTERS, TYPICAL),
        renewed=at("not_0", PAIRS),
        rows=rows("new", 6, 0, MEASURED) | rows("*", 6, 0, OF_CLUSTERS, PAIRS),
        embedded={"new": 6},
    ),
    Edit(  # what is new is assigned to the old centroids first, or nobody would know how far they are off
        "policy_refit_on_drift_and_a_shard_added",
        all_of(section("clusters", policy="refit_on_drift", max_drift=0.001), add_shard),
        certain=OF_NEW,
        uncertain=BELOW_NEW,
        ran=MADE_OF_NEW + at("old", TYPICAL),
        renewed=at("*", PAIRS),
        unforeseen="centroids" + at("old", OF_CLUSTERS),
        twice=DRIFT + at("new", OF_CLUSTERS),
        rows=rows("new", 6, 0, MEASURED) | rows("*", 6, 0, OF_CLUSTERS, PAIRS),
        embedded={"new": 6},
    ),
    _shard_added("policy_refit_on_drift_and_no_drift", all_of(section("clusters", policy="refit_on_drift"), add_shard)),
    Edit(  # the same vectors, the same seed: the same centroids
        "fit_raised",
        section("clusters", fit=2),
        certain="centroids",
        uncertain=at("*", OF_CLUSTERS, PAIRS, TYPICAL, DISTINCT) + DRIFT,
        ran="centroids",
    ),
    Edit(
        "fit_raised_after_a_shard_came",
        section("clusters", fit=2),
        certain="centroids",
        uncertain=at("*", OF_CLUSTERS, PAIRS, TYPICAL, DISTINCT) + DRIFT,
        ran="centroids" + at("*", OF_CLUSTERS, TYPICAL) + DRIFT,
        renewed=at("*", PAIRS),
        rows=rows("*", 6, 0, OF_CLUSTERS, PAIRS),
        prepare=add_shard,
    ),
)
EDITS = (*RECIPE_EDITS, *POOL_EDITS, *CODE_EDITS, *CLUSTER_EDITS)
