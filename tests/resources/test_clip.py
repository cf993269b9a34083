"""The encoder resource: its settings, where weights are looked for, what is refused, and the digest that names them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from curation_assets.errors import EncoderError
from resources.clip import ClipEncoder, available_device
from resources.openclip import build_module, import_open_clip, loaded_module, weights_sha256

ROOT = Path(__file__).parents[2]
CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 64, "layers": 2, "head_width": 32},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


def test_digest_survives_renaming_and_another_file_format(tmp_path):
    state = build_module(CONFIG).state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in state.items()}}, tmp_path / "b.pt")
    torch.save(dict(reversed(state.items())), tmp_path / "c.bin")

    digests = {
        ClipEncoder().load_network(CONFIG, tmp_path / name).weights_sha256 for name in ("a.safetensors", "b.pt", "c.bin")
    }

    assert digests == {weights_sha256(state)}


def test_digest_tells_values_names_shapes_and_types_apart():
    state = {"a": torch.arange(6.0), "b": torch.tensor(1.5)}
    others = [
        {"a": torch.arange(6.0), "c": torch.tensor(1.5)},
        {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(1.5)},
        {"a": torch.arange(6), "b": torch.tensor(1.5)},
        {"a": torch.arange(6.0).nextafter(torch.tensor(9.0)), "b": torch.tensor(1.5)},
    ]

    assert len({weights_sha256(other) for other in [state, *others]}) == 5
    assert weights_sha256({"b": state["b"], "a": state["a"]}) == weights_sha256(state)


def test_weights_do_not_show_the_activation(tmp_path):
    """Why the embeddings' own parameters name the model: its weights alone do not tell it from its quickgelu twin."""
    save_file(build_module(CONFIG).state_dict(), tmp_path / "a.safetensors")
    plain, quick = (
        ClipEncoder().load_network({**CONFIG, "quick_gelu": is_quick}, tmp_path / "a.safetensors") for is_quick in (False, True)
    )

    assert plain.weights_sha256 == quick.weights_sha256


def test_building_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)

    build_module(CONFIG, seed=1)

    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.safetensors", None, "there is no such file"),
        ("weights.npz", b"x", r"must end in one of \['\.safetensors'"),
        ("torn.safetensors", b"\x10\0\0\0\0\0\0\0{", "cannot load checkpoint .*torn.safetensors"),
        ("noise.pt", b"not a torch file", "cannot load checkpoint .*noise.pt"),
    ],
)
def test_files_that_are_no_checkpoint_are_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(EncoderError, match=message):
        ClipEncoder(model="ViT-B-32", pretrained=str(tmp_path / name)).load()


class Grabber:
    def __reduce__(self):
        return (os.mkdir, ("grabbed",))


def test_code_in_a_checkpoint_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Grabber()}, tmp_path / "evil.pt")

    with pytest.raises(EncoderError, match="code is never unpickled"):
        loaded_module(CONFIG, tmp_path / "evil.pt")
    assert not (tmp_path / "grabbed").exists()


def test_weights_of_another_shape_are_refused(tmp_path):
    save_file(build_module({**CONFIG, "embed_dim": 16}).state_dict(), tmp_path / "other.safetensors")

    with pytest.raises(EncoderError, match=r"size mismatch for visual\.proj"):
        ClipEncoder().load_network(CONFIG, tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    ("model", "pretrained", "message"),
    [
        ("ViT-B32", "openai", r"unknown model 'ViT-B32'; did you mean one of \['ViT-B-32'"),
        ("", "", r"unknown model ''; known: \['EVA"),
        (
            "ViT-B-32",
            "",
            r"untrained weights mean nothing; name one of its tags .*'laion2b_s34b_b79k'.* or give a local",
        ),
        ("ViT-B-32", "laion2b_s34b", r"unknown pretrained tag .* did you mean one of \['laion2b_s34b_b79k'"),
        ("ViT-B-32", "zzz", r"unknown pretrained tag 'zzz' of model 'ViT-B-32'; known: \['commonpool"),
    ],
)
def test_unknown_models_and_tags_are_refused_with_close_ones(model, pretrained, message):
    with pytest.raises(EncoderError, match=message):
        ClipEncoder(model=model, pretrained=pretrained, device="cpu").load()


def test_a_named_model_takes_a_local_checkpoint(tmp_path):
    module = build_module(import_open_clip().get_model_config("ViT-S-32-alt"), seed=3)
    save_file(module.state_dict(), tmp_path / "own.safetensors")

    encoder = ClipEncoder(model="ViT-S-32-alt", pretrained=str(tmp_path / "own.safetensors")).load()

    assert encoder.weights_sha256 == weights_sha256(module.state_dict())
    assert encoder.dimensions == 256
    assert encoder.image_size_px == 224


OFFLINE = """
import sys, time
from resources.clip import ClipEncoder
from curation_assets.errors import EncoderError
assert not {"torch", "open_clip", "torchvision"} & set(sys.modules), "importing the resource must load no torch"
encoder = ClipEncoder(model=sys.argv[1], pretrained=sys.argv[2], device="cpu")
assert "torch" not in sys.modules
began = time.monotonic()
try:
    encoder.load()
except EncoderError as error:
    print(error)
print(time.monotonic() - began)
"""


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "127.0.0.1 cannot be reached"),
        ({"HF_ENDPOINT": "http://hub.invalid", "HTTP_PROXY": "http://127.0.0.1:9"}, "127.0.0.1 cannot be reached"),
    ],
)
@pytest.mark.slow
def test_without_network_a_tag_is_refused_at_once(tmp_path, settings, reason):
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}

    ran = subprocess.run(
        [sys.executable, "-c", OFFLINE, "ViT-B-32", "laion2b_s34b_b79k"],
        env={**plain, "HF_HOME": str(tmp_path), **settings},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )

    message, seconds = ran.stdout.strip().splitlines() or (ran.stderr, "")
    assert "no weights for pretrained tag 'laion2b_s34b_b79k' of model 'ViT-B-32'" in message, ran.stderr
    assert f"not in the cache {tmp_path}" in message
    assert "open_clip_model.safetensors" in message
    assert "laion/CLIP-ViT-B-32-laion2B-s34B-b79K" in message
    assert reason in message
    assert "encoder: {model: ViT-B-32, pretrained: /path/to/file.safetensors}" in message
    assert float(seconds) < 60, "it must not retry for minutes"


@pytest.mark.slow
def test_a_tag_in_the_cache_needs_no_network(tmp_path):
    module = build_module(import_open_clip().get_model_config("ViT-B-32"))
    snapshot = tmp_path / "hub/models--laion--CLIP-ViT-B-32-laion2B-s34B-b79K/snapshots/abc"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs/main").write_text("abc")
    save_file(module.state_dict(), snapshot / "open_clip_model.safetensors")
    program = OFFLINE.replace("encoder.load()", "print(encoder.load().weights_sha256)")

    ran = subprocess.run(
        [sys.executable, "-c", program, "ViT-B-32", "laion2b-s34b-b79k"],
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert ran.stdout.splitlines()[0] == weights_sha256(module.state_dict()), ran.stderr


def test_devices_are_resolved_or_refused():
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0

    assert available_device("cpu") == "cpu"
    assert available_device("auto") == ("cuda:0" if count else "cpu")
    with pytest.raises(EncoderError, match=f"this machine has {count} CUDA devices; use device: auto or cpu"):
        available_device("cuda:99")
    with pytest.raises(EncoderError, match="unknown device 'gpu'; known: auto, cpu, cuda, cuda:N"):
        available_device("gpu")


def test_settings_are_shown_with_their_unit():
    fields = ClipEncoder.model_fields

    assert all(fields[name].description for name in ("model", "pretrained", "device", "precision", "batch_size"))
    assert json.loads(ClipEncoder(batch_size=7).model_dump_json())["batch_size"] == 7


def test_a_file_whose_preprocessing_is_ambiguous_asks_for_a_tag(tmp_path):
    """ViT-L-14's tags differ in mean and deviation; a guess would give wrong vectors in silence."""
    (tmp_path / "own.safetensors").write_bytes(b"never read")
    with pytest.raises(EncoderError, match="preprocess_as: TAG"):
        ClipEncoder(model="ViT-L-14", pretrained=str(tmp_path / "own.safetensors")).load()
    with pytest.raises(EncoderError, match="unknown tag 'nope' in preprocess_as"):
        ClipEncoder(model="ViT-L-14", pretrained=str(tmp_path / "own.safetensors"), preprocess_as="nope").load()
