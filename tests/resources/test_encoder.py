"""The encoder: vectors against open_clip's own calls, independence of neighbours, faults of rows and of devices."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curation_assets.errors import EncoderError, PoolError
from resources.clip import available_device
from resources.decode import Framing, ImageBytes
from resources.encoder import Encoder, Progress
from resources.openclip import Network, Preprocessing, build_module, import_open_clip
from resources.openclip import preprocessing as expected_preprocessing

CONFIG = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 64, "layers": 2, "head_width": 32},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
WORDS = [
    "a red circle",
    "",
    "two cats left of a dog",
    "один красный круг",
    "x" * 500,
    "a photo of snow, at night",
    "🙂",
]


def network(seed=0):
    module = build_module(CONFIG, seed=seed)
    tokenizer = import_open_clip().SimpleTokenizer(context_length=12)
    return Network(module, tokenizer, expected_preprocessing(module, {}), "tiny")


def picture(seed):
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (20 + seed % 30, 25 + seed % 40, 3), dtype=np.uint8))


def stored(folder, pictures):
    path = folder / "shard.tar"
    rows, content = [], b""
    for item in pictures:
        buffer = io.BytesIO()
        if isinstance(item, bytes):
            buffer.write(item)
        else:
            item.save(buffer, "PNG")
        rows.append(ImageBytes(str(path), len(content), len(buffer.getvalue())))
        content += buffer.getvalue()
    path.write_bytes(content)
    return rows


@pytest.fixture(scope="module")
def tiny():
    return Encoder(network(), batch_size=4)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    rows = stored(tmp_path_factory.mktemp("samples"), [picture(seed) for seed in range(14)])
    return rows, [f"{WORDS[row % len(WORDS)]} {row}" for row in range(14)]


def silent(line):
    pass


def test_vectors_equal_open_clip_sample_by_sample(tiny, samples):
    rows, texts = samples
    module, tokenizer = network().module, import_open_clip().SimpleTokenizer(context_length=12)
    transform = import_open_clip().transform.image_transform(32, is_train=False)

    encoded = tiny.encode(rows, texts, silent)

    for row, text in enumerate(texts):
        with torch.no_grad():
            image = module.encode_image(transform(picture(row))[None], normalize=True)[0].numpy()
            words = module.encode_text(tokenizer([text]), normalize=True)[0].numpy()
        np.testing.assert_allclose(encoded.image_embedding[row], image, atol=2e-6)
        np.testing.assert_allclose(encoded.text_embedding[row], words, atol=2e-6)
    assert encoded.errors == [None] * 14
    for vectors in (encoded.image_embedding, encoded.text_embedding):
        assert vectors.shape == (14, tiny.dimensions) == (14, 24)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


@settings(max_examples=12, deadline=None)
@given(chosen=st.lists(st.integers(0, 13), min_size=1, max_size=14))
def test_a_row_does_not_depend_on_its_neighbours_place_or_number(tiny, samples, chosen):
    rows, texts = samples
    whole = tiny.encode(rows, texts, silent)

    part = tiny.encode([rows[row] for row in chosen], [texts[row] for row in chosen], silent)

    for vectors, expected in zip(part[:2], whole[:2], strict=True):
        assert vectors.astype(np.float16).tobytes() == expected[chosen].astype(np.float16).tobytes()


def test_texts_alone_get_the_vectors_of_captions(tiny, samples):
    rows, texts = samples
    vectors, errors = tiny.encode_texts(texts, silent)
    assert vectors.tobytes() == tiny.encode(rows, texts, silent).text_embedding.tobytes()
    assert errors == [None] * len(texts)
    assert tiny.encode_texts([], silent)[0].shape == (0, tiny.dimensions)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_and_batch_size_change_no_vector(samples, tiny, workers):
    rows, texts = samples
    other = Encoder(network(), batch_size=5, decode_workers=workers)

    encoded, expected = other.encode(rows, texts, silent), tiny.encode(rows, texts, silent)

    np.testing.assert_allclose(encoded.image_embedding, expected.image_embedding, atol=2e-6)
    np.testing.assert_allclose(encoded.text_embedding, expected.text_embedding, atol=2e-6)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_is_near_and_of_unit_norm(samples, tiny, precision):
    rows, texts = samples
    half = Encoder(network(), batch_size=4, precision=precision)

    encoded, expected = half.encode(rows, texts, silent), tiny.encode(rows, texts, silent)

    assert half.weights_sha256 == tiny.weights_sha256
    for vectors, exact in zip(encoded[:2], expected[:2], strict=True):
        assert (np.einsum("nd,nd->n", vectors, exact) > 0.999).all()
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


def test_no_samples_make_empty_arrays(tiny):
    encoded = tiny.encode([], [], silent)

    assert encoded.image_embedding.shape == encoded.text_embedding.shape == (0, 24)
    assert encoded.errors == []


def test_bad_images_are_zero_rows_with_a_reason(tiny, tmp_path):
    rows = stored(tmp_path, [picture(0), b"broken", picture(1), b"", picture(2)])

    encoded = tiny.encode(rows, ["a", "b", "c", "d", "e"], silent)

    assert encoded.errors[1] == encoded.errors[3] == "UnidentifiedImageError: cannot identify image file"
    assert [error is None for error in encoded.errors] == [True, False, True, False, True]
    for vectors in encoded[:2]:
        assert [row.any() for row in vectors] == [True, False, True, False, True]


def test_a_pool_file_that_is_gone_is_one_error(tiny, samples, tmp_path):
    rows = [*samples[0][:2], ImageBytes(str(tmp_path / "gone.tar"), 0, 9)]

    with pytest.raises(PoolError, match=r"cannot read 1 of the pool's files, such as .*gone\.tar"):
        tiny.encode(rows, ["a", "b", "c"], silent)


def test_texts_must_be_as_many_as_images(tiny, samples):
    with pytest.raises(EncoderError, match="14 images and 2 texts"):
        tiny.encode(samples[0], ["a", "b"], silent)


class Corner(torch.nn.Module):
    """A fake: a picture's vector is its first pixel, a text's its first tokens; more rows than `room` do not fit."""

    def __init__(self, room):
        super().__init__()
        self.room = room
        self.seen = []
        self.weight = torch.nn.Parameter(torch.ones(1))

    def encode_image(self, values):
        self.seen.append(len(values))
        if len(values) > self.room:
            raise torch.OutOfMemoryError(f"{len(values)} rows")
        return values[:, :, 0, 0] * self.weight

    def encode_text(self, tokens):
        return tokens[:, :3].float()


def corner_encoder(room, batch_size):
    def tokenize(texts):
        return torch.tensor([[len(text) + 1, 1, 1] for text in texts])

    plain = Preprocessing(Framing(2), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    module = Corner(room)
    return module, Encoder(Network(module, tokenize, plain, "corner"), batch_size=batch_size)


def squares(folder, colours):
    return stored(folder, [Image.new("RGB", (2, 2), colour) for colour in colours])


def test_out_of_memory_halves_the_batch_and_goes_on(tmp_path):
    rows = squares(tmp_path, [(row + 1, 0, 100) for row in range(21)])
    module, encoder = corner_encoder(room=3, batch_size=8)
    lines = []

    encoded = encoder.encode(rows, ["t" * row for row in range(21)], lines.append)

    expected = np.array([[row + 1, 0, 100] for row in range(21)]) / np.linalg.norm(
        [[row + 1, 0, 100] for row in range(21)], axis=1, keepdims=True
    )
    np.testing.assert_allclose(encoded.image_embedding, expected, atol=1e-6)
    assert module.seen[:2] == [8, 4]
    assert set(module.seen[2:]) == {2}, "the batch stays halved, and every pass has its shape"
    assert [line for line in lines if "memory" in line] == [
        "out of memory on cpu: going on with batches of 4",
        "out of memory on cpu: going on with batches of 2",
    ]


def test_out_of_memory_at_one_sample_is_an_error(tmp_path):
    _, encoder = corner_encoder(room=0, batch_size=4)

    with pytest.raises(EncoderError, match="not enough memory for one sample"):
        encoder.encode(squares(tmp_path, [(1, 2, 3)]), ["a"], silent)


def test_vectors_that_are_zero_or_not_finite_are_faults(tmp_path):
    rows = squares(tmp_path, [(9, 9, 9), (0, 0, 0), (7, 7, 7)])
    module, encoder = corner_encoder(room=4, batch_size=4)

    encoded = encoder.encode(rows, ["a", "b", "c"], silent)
    module.weight.data.fill_(float("nan"))
    broken = encoder.encode(rows, ["a", "b", "c"], silent)

    assert encoded.errors == [None, "image vector is zero", None]
    assert not encoded.text_embedding[1].any()
    assert broken.errors == ["image vector is not finite"] * 3
    assert not broken.image_embedding.any()


def test_progress_tells_the_end_and_no_more_than_a_line_every_few_seconds():
    times = iter([0.0, 1.0, 6.0, 7.0, 10.0])
    lines = []
    progress = Progress(5000, "cpu", lines.append, lambda: next(times))

    for done in (100, 1200, 1300, 5000):
        progress.report(done)

    assert lines == [
        "embedded 1,200 of 5,000 samples, 200 samples/s on cpu",
        "embedded 5,000 of 5,000 samples, 500 samples/s on cpu",
    ]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_agrees_with_the_cpu(samples, tiny):
    rows, texts = samples
    encoder = Encoder(network(), device=available_device("cuda"), batch_size=4, decode_workers=2)

    encoded, expected = encoder.encode(rows, texts, silent), tiny.encode(rows, texts, silent)

    assert encoder.device.startswith("cuda")
    np.testing.assert_allclose(encoded.image_embedding, expected.image_embedding, atol=2e-3)
    np.testing.assert_allclose(encoded.text_embedding, expected.text_embedding, atol=2e-3)
    again = encoder.encode(rows[::-1], texts[::-1], silent)
    assert again.image_embedding[::-1].astype(np.float16).tobytes() == encoded.image_embedding.astype(np.float16).tobytes()
