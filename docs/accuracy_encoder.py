"""What a small network trained on the pool is worth: swapped captions by clip_score, leaks by target_similarity."""

import numpy as np
from accuracy_pipeline import Curated
from accuracy_tables import markdown, share

# For the page; from one run of `python docs/accuracy.py POOL --with-encoder` on two CPU cores.
REMARK = """The network that `filter_network` trains on 787 pairs of this pool is no substitute: its `clip_score` tells swapped
captions from right ones hardly better than chance (area under the ROC curve 0.54), and by its `target_similarity` all 20 leaks
of target pictures lie above the default 0.95 of `decontaminated`, as do most other rows. That was measured once;
`make accuracy ENCODER=1` prints it anew."""


def section(run: Curated) -> str:
    """Tables for the terminal."""
    rows = run.rows
    defect = np.array([row["defect"] for row in rows])
    is_swapped, is_matching = defect == "swapped_caption", np.array([row["caption_matches_image"] for row in rows])
    score = np.array(run.column(("scores", "clip_score"), "clip_score"), float)
    similar = np.array(run.column(("scores", "target_similarity_evaluation"), "target_similarity_evaluation"), float)
    network = run.state.snapshots[("filter_network",)].read(None, ["network_pairs", "network_auc"]).to_pylist()[0]
    dropped, leaks = run.dropped("clip_score"), run.dropped("decontaminated")
    cells = [
        ["clip_score, top 0.9", "swapped_caption", *_cells(dropped, is_swapped)],
        *(["decontaminated, 0.95", one, *_cells(leaks, defect == one)] for one in ("target_leak_exact", "target_leak_near")),
    ]
    return f"""{network["network_pairs"]} training pairs, AUC of held-out pairs {network["network_auc"]:.3f}.
Area under the ROC curve: swapped captions by clip_score {_auc(score[is_swapped], score[is_matching]):.3f}; leaks by
target_similarity {_auc(-similar[np.char.startswith(defect, "target_leak")], -similar[defect == ""]):.3f}.

{markdown(["filter", "defect", "recall", "share of the dropped rows"], cells, texts=2)}"""


def _cells(dropped: np.ndarray, is_planted: np.ndarray) -> list[str]:
    both = int((dropped & is_planted).sum())
    return [share(both, int(is_planted.sum())), share(both, int(dropped.sum()))]


def _auc(low: np.ndarray, high: np.ndarray) -> float:
    """Chance that a value of `low` is below one of `high`; equals count half."""
    return float((low[:, None] < high).mean() + (low[:, None] == high).mean() / 2)
