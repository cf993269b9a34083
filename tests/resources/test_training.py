"""Training a small CLIP: what it learns, what it leaves behind, and that being killed changes nothing."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from curation_assets.errors import EncoderError
from resources.clip import ClipEncoder
from resources.contrastive import deterministic
from resources.training import TrainingSettings, train_clip
from tests.resources.squares import stored

pytestmark = pytest.mark.slow  # every test trains

ROOT = Path(__file__).parents[2]
SMALL = TrainingSettings(
    **{"image_size_px": 16, "patch_size_px": 8, "width": 32, "image_layers": 1, "text_layers": 1, "heads": 2},
    **{"embed_dim": 16, "context_length": 12, "epochs": 3, "batch_size": 16, "holdout_fraction": 0.25, "threads": 1},
)


def silent(line):
    pass


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("squares"), 120)


@pytest.fixture(scope="module")
def undisturbed(squares, tmp_path_factory):
    return train_clip(*squares, settings=SMALL, folder=tmp_path_factory.mktemp("undisturbed"), log=silent)


def test_trained_network_is_an_encoder_of_that_name(undisturbed, squares):
    encoder = ClipEncoder(device="cpu", batch_size=16, decode_workers=0).load_network(
        json.loads(undisturbed.weights.with_suffix(".json").read_text()), undisturbed.weights
    )

    encoded = encoder.encode(*squares, silent)

    assert undisturbed.weights.name == f"{encoder.weights_sha256}.safetensors"
    assert undisturbed.config == SMALL.model_config()
    assert encoder.image_size_px == 16
    assert encoded.image_embedding.shape == (120, 16)
    assert encoded.errors == [None] * 120
    assert len(undisturbed.epoch_losses) == 3
    assert np.mean(undisturbed.step_losses) == pytest.approx(np.mean(undisturbed.epoch_losses))
    assert undisturbed.training_pairs + undisturbed.holdout_pairs == 120
    assert sorted(path.suffix for path in undisturbed.weights.parent.iterdir()) == [".json", ".safetensors"]


def test_same_pairs_in_any_order_give_the_same_bytes(undisturbed, squares, tmp_path):
    images, texts = squares

    again = train_clip(images[::-1], texts[::-1], settings=SMALL, folder=tmp_path, log=silent)

    assert again.weights.name == undisturbed.weights.name
    assert again.weights.read_bytes() == undisturbed.weights.read_bytes()
    assert again.step_losses == undisturbed.step_losses
    assert again.holdout_auc == undisturbed.holdout_auc


@pytest.mark.parametrize("change", [{"seed": 1}, {"learning_rate": 2e-3}, {"weight_decay": 0.2}])
def test_other_settings_give_another_network(undisturbed, squares, tmp_path, change):
    other = train_clip(*squares, settings=replace(SMALL, **change), folder=tmp_path, log=silent)

    assert other.weights.name != undisturbed.weights.name


def test_training_leaves_torch_as_it_was(squares, tmp_path):
    torch.manual_seed(4)
    expected = torch.rand(2)
    torch.manual_seed(4)
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()

    train_clip(*squares, settings=replace(SMALL, epochs=1, threads=1), folder=tmp_path, log=silent)

    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before
    assert torch.equal(torch.rand(2), expected)
    with pytest.raises(KeyError), deterministic(1):
        raise KeyError
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


def test_a_loss_that_is_not_finite_is_an_error(squares, tmp_path):
    with pytest.raises(EncoderError, match=r"fails at step \d+ of 15: the loss is nan; lower learning_rate"):
        train_clip(*squares, settings=replace(SMALL, learning_rate=1e38), folder=tmp_path, log=silent)


def test_settings_that_make_no_network_are_refused(squares, tmp_path):
    with pytest.raises(EncoderError, match="open_clip cannot build a network"):
        train_clip(*squares, settings=replace(SMALL, width=33), folder=tmp_path, log=silent)


def test_colours_are_learnt(tmp_path):
    trained = train_clip(
        *stored(tmp_path, 600), settings=replace(SMALL, epochs=10, learning_rate=3e-3), folder=tmp_path, log=silent
    )

    assert trained.epoch_losses[-1] < trained.epoch_losses[0] / 2
    assert trained.holdout_auc > 0.9


KILLED = """
import json, os, signal, sys
from pathlib import Path
from resources.decode import ImageBytes
from resources.training import TrainingSettings, train_clip
from tests.resources.squares import stored

images, texts, settings, folder, point = json.loads(sys.argv[1])
replace, renamed = os.replace, []

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def replace_or_die(source, target):
    renamed.append(target)
    if point == f"rename {len(renamed)}":
        die()
    replace(source, target)

os.replace = replace_or_die
train_clip([ImageBytes(*image) for image in images], texts, settings=TrainingSettings(**settings), folder=Path(folder),
           log=lambda line: die() if line.startswith(point) else None)
"""


@pytest.mark.parametrize("point", ["epoch 1 of 3", "rename 2", "epoch 3 of 3", "rename 5"])
def test_killed_and_run_again_gives_the_same_bytes(undisturbed, squares, tmp_path, point):
    # Renames 1 to 3 put checkpoints in place, 4 the configuration, 5 the weights.
    argument = json.dumps([*squares, asdict(SMALL), str(tmp_path), point])
    killed = subprocess.run([sys.executable, "-c", KILLED, argument], cwd=ROOT, capture_output=True, timeout=200)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert not list(tmp_path.glob("*.safetensors"))
    other = train_clip(*squares, settings=replace(SMALL, seed=1), folder=tmp_path, log=silent)
    lines = []

    again = train_clip(*squares, settings=SMALL, folder=tmp_path, log=lines.append)

    assert again.weights.read_bytes() == undisturbed.weights.read_bytes()
    assert again.step_losses == undisturbed.step_losses
    assert again.holdout_auc == undisturbed.holdout_auc
    epochs_run_again = {"epoch 1 of 3": 2, "rename 2": 2, "epoch 3 of 3": 0, "rename 5": 0}[point]
    assert len(lines) == epochs_run_again, lines
    assert other.weights.name != again.weights.name


def test_a_checkpoint_that_cannot_be_read_is_not_used(undisturbed, squares, tmp_path):
    class Stop(Exception):
        pass

    def stop(line):
        raise Stop

    with pytest.raises(Stop):
        train_clip(*squares, settings=SMALL, folder=tmp_path, log=stop)
    (checkpoint,) = tmp_path.glob("checkpoint-*.pt")
    os.truncate(checkpoint, 1000)
    lines = []

    again = train_clip(*squares, settings=SMALL, folder=tmp_path, log=lines.append)

    assert "cannot be read" in lines[0]
    assert again.weights.read_bytes() == undisturbed.weights.read_bytes()
