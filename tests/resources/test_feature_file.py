"""Files of features: only plain arrays of the right size are read, and every row becomes a unit vector or a fault."""

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation_assets.errors import PoolError
from resources.feature_file import MAX_ROW_VALUES, check_features, feature_shapes, unit_features


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "0.npz"


class Bomb:
    """Unpickling it would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def member(content: bytes, name: str = "l14_img.npy") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, content)

    return write


def header(shape: tuple[int, ...], descr: str = "<f2", values: bytes = b"") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    return stream.getvalue() + values


def cut(path: Path) -> None:
    np.savez(path, l14_img=np.ones((3, 4), np.float16))
    path.write_bytes(path.read_bytes()[:-30])


def test_shapes_are_read_by_header(path: Path) -> None:
    np.savez_compressed(path, l14_img=np.ones((3, 4), np.float16), flag=np.array([True, False, True]))
    assert feature_shapes(path) == {"l14_img": (3, 4), "flag": (3,)}


@pytest.mark.parametrize(
    ("write", "fault"),
    [
        (lambda path: None, "0.npz cannot be read: No such file or directory"),
        (lambda path: path.mkdir(), "0.npz cannot be read: Is a directory"),
        (lambda path: path.write_bytes(b""), "0.npz is no file of features: File is not a zip file"),
        (lambda path: path.write_bytes(b"PK\3\4" + b"x" * 99), "File is not a zip file"),
        (lambda path: path.write_bytes(header((3,), values=b"123456")), "File is not a zip file"),
        (cut, "0.npz is no file of features"),
        (member(b"no array at all"), "magic string is not correct"),
        (member(header((3, 4))[:20]), "EOF"),
        (member(header((3, 4), values=b"1234")), r"l14_img.npy of 132 bytes says shape \(3, 4\) of float16"),
        (member(header((2**62, 2**62))), "says shape"),
        (member(header((0, 2**40))), "says shape"),
        (member(header((1, MAX_ROW_VALUES + 1), values=bytes(2 * MAX_ROW_VALUES + 2))), "says shape"),
        (member(header((), values=b"12")), r"says shape \(\) of float16"),
        (member(header((3,), "|O")), "holds object, not numbers; objects are never unpickled"),
        (member(header((3,), "<U4")), "holds <U4, not numbers"),
        (member(b"\x93NUMPY\7\0" + bytes(50)), r"array format \(7, 0\)"),
    ],
)
def test_what_is_no_file_of_features(path: Path, write: Callable[[Path], None], fault: str) -> None:
    write(path)
    with pytest.raises(PoolError, match=fault):
        feature_shapes(path)
    with pytest.raises(PoolError):
        unit_features(path, "l14_img", np.arange(1))


def test_nothing_is_unpickled(path: Path, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    np.savez(path, l14_img=np.array([Bomb(touched)] * 3, object))
    with pytest.raises(PoolError, match="never unpickled"):
        check_features(path, 3, is_thorough=True)
    path.write_bytes(pickle.dumps(Bomb(touched)))
    with pytest.raises(PoolError, match="not a zip file"):
        check_features(path, 3, is_thorough=True)
    assert not touched.exists()


def test_rows_must_be_those_of_the_shard(path: Path) -> None:
    np.savez(path, l14_img=np.ones((3, 4), np.float16), l14_txt=np.ones((2, 4), np.float16))
    with pytest.raises(PoolError, match=r"l14_txt has shape \(2, 4\), the parquet has 3 rows"):
        check_features(path, 3, is_thorough=False)


def test_a_flipped_bit_is_found_by_a_thorough_check_and_by_reading(path: Path) -> None:
    np.savez(path, l14_img=np.ones((30_000, 4), np.float16))
    content = bytearray(path.read_bytes())
    content[100_000] ^= 1
    path.write_bytes(content)
    check_features(path, 30_000, is_thorough=False)
    with pytest.raises(PoolError, match="l14_img cannot be read: Bad CRC-32"):
        check_features(path, 30_000, is_thorough=True)
    with pytest.raises(PoolError, match="Bad CRC-32"):
        unit_features(path, "l14_img", np.arange(30_000))


@pytest.mark.parametrize(
    ("array", "name", "rows", "fault"),
    [
        (np.ones((3, 4), np.float16), "b32_img", 3, "has no features 'b32_img'; known: l14_img"),
        (np.ones((3, 4), np.float16), "l14_img", 4, r"l14_img is float16 of shape \(3, 4\)"),
        (np.ones((3, 4), np.int8), "l14_img", 3, "l14_img is int8"),
        (np.ones(3, np.float32), "l14_img", 3, r"of shape \(3,\)"),
        (np.ones((3, 4, 5), np.float32), "l14_img", 3, "a float matrix"),
    ],
)
def test_features_are_a_float_matrix(path: Path, array: np.ndarray, name: str, rows: int, fault: str) -> None:
    np.savez(path, l14_img=array)
    with pytest.raises(PoolError, match=fault):
        unit_features(path, name, np.arange(rows))


@given(
    st.integers(1, 40), st.integers(1, 9), st.sampled_from(["<f2", "<f4", ">f4", "<f8"]), st.booleans(), st.integers(0, 2**32)
)
@settings(max_examples=60, deadline=None)
def test_unit_vectors_by_a_slow_rule(
    tmp_path_factory: pytest.TempPathFactory, count: int, width: int, dtype: str, is_fortran: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(count, width)).astype(dtype, order="F" if is_fortran else "C")
    matrix[rng.random(count) < 0.2] = 0
    matrix[rng.random(count) < 0.2, 0] = rng.choice([np.nan, np.inf, -np.inf])
    rows = np.sort(rng.choice(count, rng.integers(0, count + 1), replace=False))
    path = tmp_path_factory.mktemp("features") / "0.npz"
    np.savez(path, x=matrix)
    found = unit_features(path, "x", rows)
    assert found.vectors.dtype == np.float32
    assert found.vectors.shape == (len(rows), width)
    for row, vector, fault in zip(rows, found.vectors, found.faults, strict=True):
        values = [float(value) for value in matrix[row]]
        if any(value != value or abs(value) == float("inf") for value in values):
            assert (fault, vector.any()) == ("x is not finite", False)
        elif not any(values):
            assert (fault, vector.any()) == ("x is zero", False)
        else:
            norm = sum(value * value for value in values) ** 0.5
            assert fault is None
            assert vector == pytest.approx([value / norm for value in values], abs=1e-6)
