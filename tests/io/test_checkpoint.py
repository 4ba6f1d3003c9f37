"""A checkpoint loads exactly or raises: flipped bits, truncation, forged files; a failed save keeps the old file."""

import hashlib
import io
import json
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygen.io import checkpoint
from tinygen.io.checkpoint import CheckpointError

DTYPES = ["bool", "int8", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64"]
names = st.from_regex(r"[A-Za-z0-9_.]{1,12}", fullmatch=True)
arrays = st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0)))
facts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture(scope="module")
def small(folder):
    """The bytes of a small checkpoint, and what is in it."""
    content = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(7)}, {"step": 12}
    checkpoint.save(folder / "small.npz", *content)
    return (folder / "small.npz").read_bytes(), content


def same(found, expected):
    (a, a_info), (b, b_info) = found, expected
    assert list(a) == list(b) and a_info == b_info
    for name in a:
        assert a[name].dtype == b[name].dtype and a[name].shape == b[name].shape
        assert a[name].tobytes() == b[name].tobytes()  # bit for bit, NaN included


# -- round trip --------------------------------------------------------------------------------------------------------


@given(content=st.dictionaries(names, arrays, max_size=4), info=st.dictionaries(st.text(max_size=5), facts, max_size=3))
@example(content={"manifest.json": np.ones(2), "a.npy": np.zeros(1)}, info={"rng": {"state": 2**127 + 1}})
def test_round_trip(folder, content, info):
    path = folder / "round.npz"
    checkpoint.save(path, content, info)
    same(checkpoint.load(path), (content, info))
    with np.load(path, allow_pickle=False) as plain:  # NumPy reads it too
        for name, array in content.items():
            np.testing.assert_array_equal(plain[f"{name}.npy"], array)


def test_layout_and_byte_order_do_not_matter(tmp_path):
    x = np.arange(12.0).reshape(3, 4)
    odd = {
        "fortran": np.asfortranarray(x),
        "sliced": x[::-1, ::2],
        "big": x.astype(">f8"),
        "wide": np.broadcast_to(x, (2, 3, 4)),
    }
    checkpoint.save(tmp_path / "x.npz", odd)
    for name, array in checkpoint.load(tmp_path / "x.npz")[0].items():
        np.testing.assert_array_equal(array, odd[name])
        assert array.dtype.isnative and array.flags.c_contiguous and array.flags.writeable


def test_equal_states_are_equal_bytes(tmp_path, small):
    checkpoint.save(tmp_path / "again.npz", *small[1])
    assert (tmp_path / "again.npz").read_bytes() == small[0]


# -- damage ------------------------------------------------------------------------------------------------------------


def refused(path, expected):
    """Whether the file is refused; if not, it must hold exactly what is expected."""
    try:
        found = checkpoint.load(path)
    except CheckpointError:
        return True
    same(found, expected)
    return False


def test_every_flipped_bit_is_noticed_or_harmless(folder, small):
    (content, expected), path = small, folder / "flipped.npz"
    path.write_bytes(content)
    noticed = 0
    with open(path, "r+b", buffering=0) as file:
        for i, byte in enumerate(content):
            for bit in range(8):
                file.seek(i)
                file.write(bytes([byte ^ 1 << bit]))
                noticed += refused(path, expected)
            file.seek(i)
            file.write(bytes([byte]))
    assert not refused(path, expected)
    assert noticed > 0.8 * 8 * len(content)  # harmless are dates and version numbers of the zip format


def test_every_truncation_is_noticed(folder, small):
    (content, expected), path = small, folder / "truncated.npz"
    path.write_bytes(content)
    for n in reversed(range(len(content))):
        os.truncate(path, n)
        assert refused(path, expected), n


@given(data=st.data())
def test_random_damage_is_noticed_or_harmless(folder, small, data):
    content, expected = small
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 8))):
        start = data.draw(st.integers(0, len(content)))
        new = data.draw(st.binary(max_size=8))
        damaged[start : start + data.draw(st.sampled_from([len(new), 0, 8]))] = new  # overwrite, insert, remove
    (folder / "damaged.npz").write_bytes(damaged)
    refused(folder / "damaged.npz", expected)


@pytest.mark.parametrize(("before", "after"), [(b"", b"\0"), (b"\0", b"")])
def test_added_bytes_are_noticed(folder, small, before, after):
    content, expected = small
    (folder / "longer.npz").write_bytes(before + content + after)
    assert refused(folder / "longer.npz", expected)


# -- forged files, with all digests right ------------------------------------------------------------------------------


def npy(array, header=None):
    file = io.BytesIO()
    if header is None:
        np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=True)
    else:
        text = header.encode().ljust(117) + b"\n"
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + array.tobytes())
    return file.getvalue()


def forged(path, members, *, manifest=None, compression=zipfile.ZIP_STORED, extra=(), comment=None, **changes):
    """A checkpoint with these members in the right format, except for `changes` in the manifest."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    facts = {"format": "tinygen", "version": checkpoint.VERSION, "sha256": digests, "info": {}} | changes
    text = json.dumps(facts).encode() if manifest is None else manifest
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in [*members.items(), ("manifest.json", text), *extra]:
            archive.writestr(name, content)
        archive.comment = hashlib.sha256(text).hexdigest().encode() if comment is None else comment
    return path


x = np.arange(4.0)
good = {"x.npy": npy(x)}
huge = "{'descr': '<f8', 'fortran_order': False, 'shape': (100000, 100000, 100000), }"
FORGED = {
    "an object array": (dict(members={"x.npy": npy(np.array([{}], object))}), "dtype"),
    "a record array": (dict(members={"x.npy": npy(np.zeros(2, "f8,i4"))}), "dtype"),
    "a date": (dict(members={"x.npy": npy(np.array(["2020-01-01"], "M8[D]"))}), "dtype"),
    "Fortran order": (dict(members={"x.npy": npy(np.asfortranarray(np.ones((2, 3))))}), "Fortran order"),
    "a shape of petabytes": (dict(members={"x.npy": npy(x, huge)}), "32 bytes for shape"),
    "a negative shape": (dict(members={"x.npy": npy(x, huge.replace("100000, 100000, ", "-1, "))}), "bytes for shape"),
    "code in the header": (
        dict(members={"x.npy": npy(x, "__import__('os').abort()")}),
        "it is damaged, or not a tinygen checkpoint",
    ),
    "not an array": (dict(members={"x.npy": b"hello"}), "it is damaged, or not a tinygen checkpoint"),
    "a later npy format": (dict(members={"x.npy": npy(x).replace(b"NUMPY\x01", b"NUMPY\x02")}), "format 1.0"),
    "compression": (dict(members=good, compression=zipfile.ZIP_DEFLATED), "compressed"),
    "an unlisted member": (dict(members=good, extra=[("y.npy", npy(x))]), r"\['y.npy'\] and the manifest don't match"),
    "a missing member": (dict(members=good, sha256={"x.npy": "0", "y.npy": "0"}), r"\['y.npy'\] and the manifest"),
    "a member twice": (dict(members=good, extra=[("x.npy", npy(x + 1))]), "two members of one name"),
    "a name with ..": (dict(members={"../x.npy": npy(x)}), "'../x.npy' is not the name of an array"),
    "a name without .npy": (dict(members={"x": npy(x)}), "'x' is not the name of an array"),
    "a digest of other bytes": (dict(members=good, sha256={"x.npy": "0" * 64}), "x.npy is damaged"),
    "a changed manifest": (dict(members=good, comment=b"0" * 64), "manifest is damaged"),
    "another program": (dict(members=good, format="other"), "not a tinygen checkpoint"),
    "a later version": (
        dict(members=good, version=checkpoint.VERSION + 1),
        "format version 2, and this tinygen reads 1",
    ),
    "no digests": (dict(members=good, sha256=[]), "manifest is incomplete"),
    "no facts": (dict(members=good, info=3), "manifest is incomplete"),
    "a manifest that is no JSON": (dict(members=good, manifest=b"{"), "it is damaged, or not a tinygen checkpoint"),
    "a manifest too deep": (dict(members=good, manifest=b"[" * 100_000), "it is damaged, or not a tinygen checkpoint"),
    "a manifest too large": (dict(members=good, manifest=b" " * 2**21), "manifest is too large"),
    "a number too long": (dict(members=good, manifest=b"9" * 10_000), "it is damaged, or not a tinygen checkpoint"),
    "no comment": (dict(members=good, comment=b""), "not a tinygen checkpoint"),
    "a huge directory": (
        dict(members=good, extra=[(f"{i:020d}", b"") for i in range(2**14)]),
        "directory of .* too large",
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", FORGED)
def test_forged_files_are_refused(name, tmp_path, monkeypatch):
    changes, words = FORGED[name]
    monkeypatch.setattr(checkpoint, "_MAX_INDEX", 2**19)  # so that what is too large is written quickly
    with pytest.raises(CheckpointError, match=words) as caught:
        checkpoint.load(forged(tmp_path / "forged.npz", **changes))
    assert str(tmp_path / "forged.npz") in str(caught.value) and len(str(caught.value)) < 400


def test_the_forging_function_can_write_a_right_file(tmp_path):
    same(checkpoint.load(forged(tmp_path / "true.npz", good)), ({"x": x}, {}))


def test_overlapping_members_are_refused(tmp_path, small):
    """A directory that maps many names to the same bytes claims more bytes than the file has."""
    path = tmp_path / "bomb.npz"
    forged(path, {f"{i}.npy": npy(np.zeros(200)) for i in range(2)})
    content = bytearray(path.read_bytes())
    first = content.index(b"PK\x01\x02")
    struct.pack_into("<II", content, first + 20, len(content), len(content))  # its compressed and its true size
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="more bytes than it has"):
        checkpoint.load(path)


def test_loading_costs_little_memory(tmp_path):
    path = tmp_path / "large.npz"
    checkpoint.save(path, {"a": np.ones(2**20), "b": np.ones((2**10, 2**9))})
    tracemalloc.start()
    try:
        checkpoint.load(path)
        assert tracemalloc.get_traced_memory()[1] <= 2 * path.stat().st_size + 2**24
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"PK", b"\0" * 1000, b"PK\x05\x06" + bytes(18)])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(CheckpointError):
        checkpoint.load(tmp_path / "other")


def test_a_plain_npz_is_refused(tmp_path):
    np.savez(tmp_path / "plain.npz", x=x)
    with pytest.raises(CheckpointError, match="not a tinygen checkpoint"):
        checkpoint.load(tmp_path / "plain.npz")


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        checkpoint.load(tmp_path / "none.npz")


# -- large -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["ZIP64_LIMIT", "ZIP_FILECOUNT_LIMIT"])
@given(content=st.dictionaries(names, arrays, min_size=1, max_size=6), cut=st.integers(1, 200))
def test_files_beyond_the_limits_of_plain_zip(folder, limit, content, cut):
    """With the limits for 32-bit sizes and 16-bit counts set to 1, zip uses its 64-bit extension."""
    path, info = folder / "large.npz", {"step": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zipfile, limit, 1)
        checkpoint.save(path, content, info)
    stored = path.read_bytes()
    assert stored[-106:-102] == b"PK\6\7"  # the extension's locator
    same(checkpoint.load(path), (content, info))
    for damaged in (stored[:-cut], stored[cut:], stored + bytes(cut)):
        path.write_bytes(damaged)
        assert refused(path, (content, info))


def test_many_arrays(folder, not_quick):
    path, content = folder / "many.npz", {f"a{i}": np.array(i) for i in range(70_000)}
    checkpoint.save(path, content)
    same(checkpoint.load(path), (content, {}))


def test_too_many_arrays_are_refused_before_a_file_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_MAX_INDEX", 2**14)
    with pytest.raises(ValueError, match=r"at most 16,384 bytes .* for 300 arrays: combine small arrays"):
        checkpoint.save(tmp_path / "many.npz", {f"a{i}": x for i in range(300)})
    checkpoint.save(tmp_path / "few.npz", {f"a{i}": x for i in range(150)})
    assert os.listdir(tmp_path) == ["few.npz"] and len(checkpoint.load(tmp_path / "few.npz")[0]) == 150
