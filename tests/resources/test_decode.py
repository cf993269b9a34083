"""Decoded squares against open_clip's own transform, faults as rows, and workers that die."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curation_assets.errors import EncoderError
from resources.decode import Framing, ImageBytes, decode_rgb, decode_rows
from resources.image_reader import LOOK_AHEAD_BATCHES, ImageReader
from resources.openclip import import_open_clip

ROOT = Path(__file__).parents[2]
MODES = {"RGB": "PNG", "RGBA": "PNG", "P": "PNG", "L": "PNG", "LA": "PNG", "1": "PNG", "I;16": "PNG", "CMYK": "JPEG"}


def noise(width, height, mode="RGB", seed=0):
    """Smooth and sharp at once: a resize of it shows every difference of filter, order or rounding."""
    rng = np.random.default_rng(seed)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 2**16, (height, width), dtype=np.uint16))
    colours = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    if mode in ("RGBA", "LA"):
        picture = colours.convert(mode)
        picture.putalpha(Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8)))
        return picture
    return colours.convert(mode)


def payload(picture, image_format, **options):
    buffer = io.BytesIO()
    picture.save(buffer, image_format, **options)
    return buffer.getvalue()


def open_clip_pixels(data, framing):
    """The oracle: open_clip's transform up to ToTensor, scaled back to bytes."""
    steps = (
        import_open_clip()
        .transform.image_transform(
            framing.size_px, is_train=False, resize_mode=framing.resize_mode, interpolation=framing.interpolation
        )
        .transforms
    )
    assert type(steps[-1]).__name__ == "Normalize"
    picture = Image.open(io.BytesIO(data))
    for step in steps[:-1]:
        picture = step(picture)
    return (picture * 255).round().byte().permute(1, 2, 0).numpy()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(64, 64), (97, 40), (31, 75), (32, 32), (20, 9)])
def test_square_equals_open_clip_to_the_byte(mode, size):
    data = payload(noise(*size, mode), MODES[mode])

    pixels = decode_rgb(data, Framing(32))

    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, open_clip_pixels(data, Framing(32)))


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    side=st.integers(1, 48),
    mode=st.sampled_from(sorted(set(MODES) - {"CMYK"})),
    resize_mode=st.sampled_from(["shortest", "squash"]),
    interpolation=st.sampled_from(["bicubic", "bilinear"]),
)
def test_every_size_and_framing_equals_open_clip(size, side, mode, resize_mode, interpolation):
    framing = Framing(side, resize_mode, interpolation)
    data = payload(noise(*size, mode), "PNG")

    np.testing.assert_array_equal(decode_rgb(data, framing), open_clip_pixels(data, framing))


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
def test_formats_of_web_pools_equal_open_clip(image_format):
    data = payload(noise(50, 41), image_format)

    np.testing.assert_array_equal(decode_rgb(data, Framing(24)), open_clip_pixels(data, Framing(24)))


def test_exif_orientation_is_left_alone_as_in_open_clip():
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to show"
    turned = payload(noise(60, 40), "JPEG", exif=exif, quality=90)

    np.testing.assert_array_equal(decode_rgb(turned, Framing(32)), open_clip_pixels(turned, Framing(32)))
    np.testing.assert_array_equal(
        decode_rgb(turned, Framing(32)), decode_rgb(payload(noise(60, 40), "JPEG", quality=90), Framing(32))
    )


def test_palette_with_transparency_does_not_depend_on_warning_filters():
    data = payload(noise(40, 40, "P"), "PNG", transparency=bytes(range(256)))

    assert decode_rgb(data, Framing(16)).any()  # Pillow warns here, and pytest turns warnings into errors


def stored(folder, payloads):
    """One file with the payloads between bytes that belong to no image."""
    path = folder / "shard.tar"
    rows, content = [], b""
    for data in payloads:
        content += b"\0" * 7
        rows.append(ImageBytes(str(path), len(content), len(data)))
        content += data
    path.write_bytes(content)
    return rows


def thin():
    return payload(Image.new("1", (1, 60_000)), "PNG")  # 224 px wide it would have 224 x 13,440,000 pixels


def test_bad_rows_are_zeros_and_a_reason(tmp_path):
    good = payload(noise(40, 30), "PNG")
    jpeg = payload(noise(200, 200), "JPEG")
    postscript = payload(noise(8, 8), "EPS")
    rows = stored(tmp_path, [good, b"not an image", jpeg[: len(jpeg) // 2], b"", thin(), postscript, good])
    beyond = ImageBytes(rows[0].path, rows[-1].offset + 5, 10**6)
    absent = ImageBytes(str(tmp_path / "gone.tar"), 0, 5)

    pixels, errors = decode_rows([*rows, beyond, absent], Framing(224))

    assert errors[0] is None
    assert errors[6] is None
    assert errors[1] == errors[3] == errors[5] == "UnidentifiedImageError: cannot identify image file"
    assert errors[2].startswith("OSError: image file is truncated")
    assert errors[4] == "OSError: image of 1 x 60000 px is 224 x 13440000 px after the resize"
    assert errors[7] == f"OSError: file ends after {len(good) - 5} of 1000000 bytes"
    assert errors[8] == "FileNotFoundError: No such file or directory"
    for row, error in enumerate(errors):
        assert pixels[row].any() == (error is None), f"row {row}"


def test_decoding_keeps_no_file_open(tmp_path):
    rows = stored(tmp_path, [payload(noise(20, 20), "PNG"), b"bad"])
    before = os.listdir("/proc/self/fd") if Path("/proc/self/fd").exists() else pytest.skip("no /proc here")

    decode_rows(rows, Framing(8))

    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    payloads = [payload(noise(30 + i % 7, 40 - i % 5, seed=i), "JPEG") for i in range(23)]
    payloads[9] = b"broken"
    return stored(tmp_path_factory.mktemp("many"), payloads)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("batch_size", [1, 4, 23, 50])
def test_batches_come_in_order_whatever_the_workers(many, workers, batch_size):
    expected, errors = decode_rows(many, Framing(16))

    with ImageReader(Framing(16), batch_size=batch_size, workers=workers) as reader:
        batches = list(reader.batches(many))

    assert [len(batch.errors) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    np.testing.assert_array_equal(np.concatenate([batch.pixels for batch in batches]), expected)
    assert [error for batch in batches for error in batch.errors] == errors
    assert errors[9] == "UnidentifiedImageError: cannot identify image file"


@pytest.mark.parametrize("workers", [0, 2])
def test_no_images_make_no_batches(workers):
    with ImageReader(Framing(16), batch_size=4, workers=workers) as reader:
        assert list(reader.batches([])) == []


class Counted(list):
    """A list that notes the highest row that was asked for."""

    highest = 0

    def __getitem__(self, rows):
        self.highest = max(self.highest, rows.stop)
        return list.__getitem__(self, rows)


def test_look_ahead_is_bounded(many):
    asked = Counted(many * 4)

    with ImageReader(Framing(16), batch_size=2, workers=2) as reader:
        batches = reader.batches(asked)
        next(batches)
        next(batches)

        assert asked.highest == 2 * (2 + LOOK_AHEAD_BATCHES)


def test_leaving_early_ends_every_worker(many):
    with ImageReader(Framing(16), batch_size=2, workers=2) as reader:
        next(reader.batches(many))
        pids = reader.worker_pids()

    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    reader.close()


def test_killed_workers_are_replaced(many):
    expected, _ = decode_rows(many, Framing(16))

    with ImageReader(Framing(16), batch_size=2, workers=2) as reader:
        batches = reader.batches(many)
        pixels = [next(batches).pixels]
        for pid in reader.worker_pids():
            os.kill(pid, signal.SIGKILL)
        pixels += [batch.pixels for batch in batches]

    np.testing.assert_array_equal(np.concatenate(pixels), expected)


def test_a_worker_that_dies_twice_on_the_same_images_is_an_error(tmp_path):
    pipe = tmp_path / "pipe.tar"
    os.mkfifo(pipe)  # opening it waits for a writer that never comes, so the worker is always in the midst of a row
    ended = threading.Event()

    with ImageReader(Framing(16), batch_size=2, workers=1) as reader:

        def kill_every_worker():
            while not ended.wait(0.05):
                for pid in reader.worker_pids():
                    os.kill(pid, signal.SIGKILL)

        killer = threading.Thread(target=kill_every_worker)
        killer.start()
        try:
            with pytest.raises(EncoderError, match=r"died twice on the same 1 images, from .*pipe\.tar at byte 5 to"):
                list(reader.batches([ImageBytes(str(pipe), 5, 10)]))
        finally:
            ended.set()
            killer.join()


def test_workers_end_with_their_parent(many, tmp_path):
    program = f"""
import sys, time
from resources.decode import Framing, ImageBytes
from resources.image_reader import ImageReader
reader = ImageReader(Framing(16), batch_size=2, workers=2)
next(reader.batches([ImageBytes(*row) for row in {[list(row) for row in many]!r}]))
print(*reader.worker_pids(), flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT)
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    parent.kill()
    parent.communicate()

    assert len(pids) == 2
    deadline = time.monotonic() + 20
    while alive := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < deadline, f"workers {alive} outlive their parent"
        time.sleep(0.05)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or ") Z " not in status.read_text()  # a zombie waits for init, it does not run


def test_an_unguarded_main_module_is_not_run_again(many, tmp_path):
    script = tmp_path / "unguarded.py"
    script.write_text(f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
print("ran")
from resources.decode import Framing, ImageBytes
from resources.image_reader import ImageReader
with ImageReader(Framing(16), batch_size=8, workers=1) as reader:
    images = [ImageBytes(*row) for row in {[list(row) for row in many]!r}]
    print(sum(len(batch.errors) for batch in reader.batches(images)))
print("torch" in sys.modules)
""")

    ran = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)

    assert ran.stdout.split() == ["ran", "23", "False"], ran.stderr
