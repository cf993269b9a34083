"""Faults between sections: encoders, clusterings and target sets."""

from pathlib import Path

import pytest
import yaml

from curation_assets.errors import RecipeError
from curation_assets.recipe import check_recipe

HEAD = "pool: {path: a.tar}\nsubsets: {a: {keep: [caption_length]}}\n"
GIVEN = "encoder: {model: m, pretrained: p}\n"
STORED = "pool: {path: a.parquet, format: datacomp}\nencoder: {features: {image: l14_img, text: l14_txt}}\n"


def faults(text: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        check_recipe(yaml.safe_load(text), Path("/project/curation.yaml"))
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GIVEN + "encoders: {l14: {model: x}}", ["encoders.l14.pretrained: expected an OpenCLIP tag or a checkpoint file"]),
        (GIVEN + "encoders: {l14: {}}", ["encoders.l14: expected either train: filter_network, or model and pretrained"]),
        (GIVEN + "encoders: {dfn: {train: filter_network}}", ["filter_network: expected a section with train_on"]),
        (GIVEN + "encoders: {l14: {features: {image: i, text: t}}}", ["encoders.l14.features: only a pool of format datacomp"]),
        (GIVEN + "clusterings: {b: {fit_on: nope}}", ["clusterings.b.fit_on: unknown subset; known: a"]),
        (GIVEN + "clusters: {given: c.npy, fit_on: a}", ["clusters.fit_on: given centroids are not fitted"]),
        (GIVEN + "clusters: {assignment: inner_product}", ["clusters.assignment: fitted centroids have norm 1"]),
        (GIVEN + "clusterings: {b: {policy: refit_on_drift}}", ["clusterings.b.policy: drift is measured of `clusters` alone"]),
        (GIVEN + "clusterings: {b: {deep: 1}}", ["clusterings.b.deep: unknown key; known: k, iterations"]),
        (
            GIVEN + "scores: {clip_score: {x: {encoder: l14}}}",
            ["scores: score 'clip_score_x' asks for encoder 'l14'; known: none"],
        ),
        (GIVEN + "scores: {clip_scores: {x: {}}}", ["scores: unknown score 'clip_scores'; known: alignment_bin"]),
        (
            GIVEN + "scores: {random_draw: {x: {seed: a}}}",
            ["scores: score random_draw (x): seed: Input should be a valid integer"],
        ),
        (GIVEN + "scores: {random_draw: {default: {sede: 1}}}", ["scores: score random_draw (default): sede: Extra inputs"]),
        (
            GIVEN + "scores: {caption_language: {cld3: {}}}",
            ["scores: scores.caption_language.cld3: 'caption_language_cld3' is"],
        ),
        (GIVEN + "scores: {cluster_rank: {share: {}}}", ["scores: scores.cluster_rank.share: 'cluster_rank_share' is a name"]),
        (
            GIVEN + "scores: {semdedup_similarity: {default: {prefer: easy}}}",
            ["scores: scores.semdedup_similarity.default changes prefer, which a label is for"],
        ),
        (
            GIVEN + "scores: {cluster_rank: {random: {prefer: hard}}}",
            ["scores: scores.cluster_rank.random says prefer 'hard'; choose another label"],
        ),
        (
            GIVEN + "scores: {cluster_rank: {x: {prefer: text}}}",
            ["scores: score 'cluster_rank_x' asks for prefer 'text', which is"],
        ),
        (
            GIVEN + "scores: {score_difference: {x: {of: caption_language}}}",
            ["scores: score 'score_difference_x' asks for 'caption_language', which is no number"],
        ),
        (GIVEN + "scores: {normsim: {x: {}}}", ["scores: score 'normsim_x' asks for the target set None; known: none"]),
        (
            STORED + "subsets: {}\nfilter_network: {train_on: a}",
            ["filter_network: a datacomp pool has no pixels", "filter_network.train_on: unknown subset"],
        ),
    ],
)
def test_each_fault_has_its_place_and_says_what_is_allowed(text: str, expected: list[str]):
    found = faults(text if text.startswith("pool") else HEAD + text)
    assert len(found) == len(expected)
    assert all(line.startswith(start) for line, start in zip(found, expected, strict=True)), found


def test_pictures_of_a_target_set_need_an_encoder():
    found = faults(STORED + "subsets: {}\ntargets: {flowers: {path: flowers}, given: {path: v.npy}}")
    assert found == [
        "targets: pictures and names need an encoder, and stored features have none; give .npy files of vectors "
        "(found ['flowers'])"
    ]
