"""Balance over metadata entries: probabilities, draws, and what a growing pool does to them."""

import numpy as np
import pytest

from curation_assets.scores.metaclip_probability import SCORE, metaclip_probability
from curation_assets.summaries.metaclip_counts import merged_counts, metaclip_counts


def made_up(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Captions of up to 3 of 40 entries, of which a few are frequent."""
    rng = np.random.default_rng(seed)
    matches = np.empty(n, object)
    matches[:] = [np.minimum(rng.geometric(0.15, rng.integers(0, 4)), 39).astype(np.int32) for _ in range(n)]
    return matches, rng.integers(-(2**63), 2**63, n), np.arange(n)


@pytest.mark.parametrize("n", [1, 2, 500])
def test_probabilities_against_loops(n: int):
    matches, *uid = made_up(n, n)
    found = metaclip_probability(matches, metaclip_counts(matches), *uid, t=5)
    for i, row in enumerate(matches):
        missed = 1.0
        for entry in set(row.tolist()):
            count = sum(entry in other for other in matches)
            missed *= 1 - (5 / count if count > 5 else 1)
        assert found["metaclip_probability"][i] == pytest.approx(1 - missed, abs=1e-12)
    assert all(found[c.name].dtype == np.float64 for c in SCORE.columns)
    drawn = found["metaclip_draw"] <= found["metaclip_probability"]
    assert np.array_equal(found["metaclip_margin"] >= 0, drawn)


def test_certain_rows_are_always_drawn_and_rows_without_an_entry_never():
    matches, *uid = made_up(3000, 1)
    found = metaclip_probability(matches, metaclip_counts(matches), *uid, t=3000)
    has_entry = np.array([len(row) > 0 for row in matches])
    assert np.array_equal(found["metaclip_margin"] >= 0, has_entry)
    assert np.array_equal(found["metaclip_probability"], has_entry.astype(float))


def test_a_frequent_entry_keeps_about_t_captions():
    n = 20_000
    matches, uid = np.empty(n, object), np.arange(n)
    matches[:] = [[i % 2] for i in range(n)]
    margin = metaclip_probability(matches, metaclip_counts(matches), uid, uid, t=500)["metaclip_margin"]
    for entry in (0, 1):
        assert abs((margin[entry::2] >= 0).sum() - 500) < 90  # standard deviation 21.8


def test_rows_split_do_not_change_a_bit():
    matches, *uid = made_up(300, 2)
    counts = metaclip_counts(matches)
    whole = metaclip_probability(matches, counts, *uid, t=5)
    for name, values in whole.items():
        parts = [metaclip_probability(matches[i : i + 7], counts, *(u[i : i + 7] for u in uid), t=5) for i in range(0, 300, 7)]
        assert np.concatenate([part[name] for part in parts]).tobytes() == values.tobytes()


def test_a_growing_pool_only_takes_rows_away():
    matches, *uid = made_up(600, 3)
    early, late = metaclip_counts(matches[:200]), metaclip_counts(matches[200:])
    grown = merged_counts({name: np.concatenate([early[name], late[name]]) for name in early})
    rows = (matches[:200], *(u[:200] for u in uid))
    before = metaclip_probability(*rows[:1], early, *rows[1:], t=5)["metaclip_margin"] >= 0
    after = metaclip_probability(*rows[:1], grown, *rows[1:], t=5)["metaclip_margin"] >= 0
    assert not (after & ~before).any()
    assert (before & ~after).any()


def test_an_entry_without_a_count_is_new_and_keeps_everything():
    counts = {"metaclip_entry": np.int32([1]), "metaclip_count": np.int64([100])}
    found = metaclip_probability([[1], [7], [0]], counts, np.arange(3), np.arange(3), t=10)["metaclip_probability"]
    np.testing.assert_allclose(found, [0.1, 1, 1])
    none = {"metaclip_entry": np.int32([]), "metaclip_count": np.int64([])}
    assert metaclip_probability([[], [2]], none, np.arange(2), np.arange(2))["metaclip_probability"].tolist() == [0, 1]


def test_another_seed_draws_other_rows():
    matches, *uid = made_up(100, 4)
    a, b = (metaclip_probability(matches, metaclip_counts(matches), *uid, seed=s)["metaclip_draw"] for s in (0, 1))
    assert not np.isin(a, b).any()
