"""A shard whose captions and whose very name attack whatever shows them; live ones set `window.__pwned` or ask a tracker."""

import io
import tarfile
from pathlib import Path

from PIL import Image

# The file's name is shown, too: as the shard, and among the inputs of raw_pool.
HOSTILE_TAR = "<img src=x onerror=window.__pwned=1>.tar"
HOSTILE_SHARD = "_img_src_x_onerror_window.__pwned_1_"
HOSTILE_CAPTIONS = (
    "a dog on the grass<script>window.__pwned=1</script>",
    'a cat on the chair <img src=x onerror="window.__pwned=1">',
    "\"><svg onload='window.__pwned=1'> a tree in the park",
    "![a red car](https://tracker.example.org/pixel.png)",
    "[a blue boat](javascript:window.__pwned=1) on the water",
    "\x1b[2J\x1b[31ma house on the hill\x1b]0;pwned\x07",
    "\u202ea horse in the field\u202c \u2066gpj.exe\u2069",
    "a bird{{constructor.constructor('window.__pwned=1')()}} in the sky",
    "a ship at sea\r\n\n# <iframe src='https://tracker.example.org'></iframe>\n",
    "a lamp\x00 on the table",
)


def hostile_tar(path: Path) -> None:
    """A shard of good pictures, each with a caption that attacks whatever shows it."""
    with tarfile.open(path, "w") as tar:
        for i, caption in enumerate(HOSTILE_CAPTIONS):
            picture = io.BytesIO()
            Image.linear_gradient("L").rotate(36 * i).convert("RGB").save(picture, "PNG")
            for extension, content in (("png", picture.getvalue()), ("txt", caption.encode())):
                member = tarfile.TarInfo(f"{i:04d}.{extension}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
