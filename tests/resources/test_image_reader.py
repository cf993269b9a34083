"""Batches in order whatever the workers, bounded look-ahead, and workers that die or are left alone."""

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
from PIL import Image

from curation_assets.errors import EncoderError
from resources.decode import Framing, ImageBytes, decode_rows
from resources.image_reader import LOOK_AHEAD_BATCHES, ImageReader

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    path = tmp_path_factory.mktemp("many") / "shard.tar"
    rows, content = [], b""
    for number in range(23):
        buffer = io.BytesIO()
        pixels = np.random.default_rng(number).integers(0, 256, (40 - number % 5, 30 + number % 7, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "JPEG")
        payload = b"broken" if number == 9 else buffer.getvalue()
        rows.append(ImageBytes(str(path), len(content), len(payload)))
        content += payload
    path.write_bytes(content)
    return rows


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
