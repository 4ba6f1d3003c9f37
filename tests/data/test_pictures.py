"""Pictures that are not trusted: links, names of any bytes, other formats, huge sizes, damaged files."""

import contextlib
import io
import os
import struct
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from helpers.data_files import save_picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image, PngImagePlugin

from tinygen.data import DataError, load, load_folder
from tinygen.data.pictures import FORMATS, MAX_PIXELS
from tinygen.io.files import printable

SHADES = [[0, 50], [100, 150]]


# -- links -------------------------------------------------------------------------------------------------------------


def test_links_to_folders_and_to_pictures_are_followed(tmp_path):
    save_picture(tmp_path / "elsewhere" / "1.png", [[10]])
    save_picture(tmp_path / "single.png", [[20]])
    root = tmp_path / "root"
    save_picture(root / "dog" / "1.png", [[30]])
    (root / "cat").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "dog" / "2.png").symlink_to(tmp_path / "single.png")
    for start in (root, tmp_path / "link"):
        if start is not root:
            start.symlink_to(root, target_is_directory=True)
        dataset = load_folder(start, size=1, test_fraction=0)
        assert dataset.classes == ("cat", "dog") and dataset.train_labels.tolist() == [0, 1, 1]
        assert np.rint(dataset.train_images.ravel() * 255).tolist() == [10, 30, 20]


def test_links_in_a_circle_are_followed_once(tmp_path):
    save_picture(tmp_path / "root" / "cat" / "1.png", SHADES)
    for at, to in (("root/cat/up", "root"), ("root/cat/self", "root/cat"), ("root/around", "."), ("other", "root")):
        (tmp_path / at).symlink_to(tmp_path / to, target_is_directory=True)
    found = load_folder(tmp_path / "root", size=1, test_fraction=0)
    # `around` contains the root itself and `other`, a link to it: both are circles
    assert found.classes == ("cat",) and len(found.train_images) == 1


@pytest.mark.parametrize("name", ["gone.png", "gone"])
def test_a_broken_link_is_an_error_that_names_it(tmp_path, name):
    save_picture(tmp_path / "cat" / "1.png", SHADES)
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=rf"1 of 2 pictures can't be read[\s\S]*\n  {name}: "):
        load_folder(tmp_path)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="every folder can be read")
def test_a_folder_that_can_not_be_read_is_an_error(tmp_path):
    save_picture(tmp_path / "cat" / "1.png", SHADES)
    (tmp_path / "dog").mkdir(mode=0)
    with pytest.raises(PermissionError, match="dog"):
        load_folder(tmp_path)
    (tmp_path / "dog").chmod(0o700)


# -- names -------------------------------------------------------------------------------------------------------------

parts = st.binary(min_size=1, max_size=12).filter(lambda b: not set(b) & set(b"/\0") and b[:1] != b".")


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux are names any bytes")
@given(parts, parts)
def test_a_name_may_hold_any_bytes(folder, name):
    with tempfile.TemporaryDirectory() as root:
        place = os.path.join(os.fsencode(root), folder)
        os.mkdir(place)
        good, bad = (os.path.join(place, each) for each in (b"good.png", name + b".png"))
        buffer = io.BytesIO()
        Image.new("L", (2, 2)).save(buffer, "png")
        for path in (good, bad):
            Path(os.fsdecode(path)).write_bytes(buffer.getvalue())
        dataset = load_folder(root, test_fraction=0, quiet=True)
        assert len(dataset.train_images) == len({good, bad}) and dataset.classes[0].isprintable()
        Path(os.fsdecode(bad)).write_bytes(b"not a picture")
        with pytest.raises(DataError) as caught:
            load_folder(root, quiet=True)
    shown = printable(os.fsdecode(folder + b"/" + name + b".png"))
    assert f"  {shown}: cannot identify" in str(caught.value)
    str(caught.value).encode()  # it can be printed


def test_bytes_that_are_not_text_are_shown_as_escapes():
    assert printable(os.fsdecode(b"caf\xe9.png")) == r"caf\xe9.png"
    assert printable("a\nb\x1b[1m é 日本") == r"a\nb\x1b[1m é 日本"


# -- formats -----------------------------------------------------------------------------------------------------------

Image.init()
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\ntinygen/BoundingBox: 0 0 100 100\ntinygen/EndComments\nshowpage\n"


def test_a_program_with_the_name_of_a_picture_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args: pytest.fail("Ghostscript was called"))
    (tmp_path / "cat.png").write_bytes(POSTSCRIPT)
    with pytest.raises(DataError, match=r"cat\.png: cannot identify image file"):
        load_folder(tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", sorted(Image.SAVE))
def test_exactly_the_documented_formats_are_read(kind, tmp_path):
    buffer = io.BytesIO()
    for mode in ("RGB", "L", "RGBA", "1"):
        with contextlib.suppress(OSError, ValueError, KeyError, AttributeError):
            buffer = io.BytesIO()
            Image.new(mode, (32, 32)).save(buffer, kind)
            break
    if not buffer.getvalue():
        pytest.skip("this Pillow can't write it")
    (tmp_path / "cat.png").write_bytes(buffer.getvalue())
    if kind in FORMATS or kind == "MPO":  # a JPEG with more than one frame
        assert load_folder(tmp_path, quiet=True).train_images.shape == (1, 28, 28, 1)
    else:
        with contextlib.suppress(Exception):
            if Image.open(io.BytesIO(buffer.getvalue())).format in FORMATS:
                pytest.skip("the same bytes are a format that is read")
        with pytest.raises(DataError, match=r"cat\.png: "):
            load_folder(tmp_path)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_white_picture_is_white_in_every_mode(mode, channels, tmp_path):
    picture = Image.new("RGB", (4, 4), "white").convert("P" if mode == "PA" else mode)
    suffix = {"CMYK": "tif", "YCbCr": "jpg", "PA": "png"}.get(mode, "png")
    picture.save(tmp_path / f"a.{suffix}")
    assert (load_folder(tmp_path, size=2, channels=channels, quiet=True).train_images == 1).all()


# -- sizes -------------------------------------------------------------------------------------------------------------


def png(width, height, *chunks):
    """A PNG whose header has this size, without pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    made = b"\x89PNG\r\n\x1a\n"
    for kind, content in ((b"IHDR", header), *chunks):
        made += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return made


sides = st.one_of(st.integers(1, 20_000), st.sampled_from([8192, 8193, 13_300, 2**31 - 1]))


@given(sides, sides)
def test_a_size_is_checked_before_anything_is_decoded(width, height):
    """A file without pixels whose header has a huge size: the error is about this size."""
    with tempfile.TemporaryDirectory() as root:
        Path(root, "big.png").write_bytes(png(width, height, (b"IDAT", b"")))
        large = width * height > MAX_PIXELS
        with pytest.raises(
            DataError, match=r"big\.png: " + ("expected at most 67,108,864 pixels" if large else "")
        ) as e:
            load_folder(root, quiet=True)
        assert ("resize it" in str(e.value)) == large


def test_a_huge_text_in_a_picture_is_an_error_that_names_it(tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "0" * 50_000_000, zip=True)
    save_picture(tmp_path / "long.png", SHADES, pnginfo=text)
    with pytest.raises(DataError, match=r"long\.png: "):
        load_folder(tmp_path)


def test_the_number_of_pictures_is_limited_before_any_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("tinygen.data.folder.MAX_BYTES", 3 * 4 * 28 * 28)
    for i in range(3):
        save_picture(tmp_path / f"{i}.png", SHADES)
    assert len(load_folder(tmp_path, test_fraction=0, quiet=True).train_images) == 3
    (tmp_path / "3.png").write_text("not a picture")
    with pytest.raises(DataError, match="expected at most 3 pictures of this size, got more"):
        load_folder(tmp_path)


# -- damage ------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.sampled_from(["png", "jpg", "gif", "bmp", "ppm", "tif", "webp"]), st.data())
def test_a_damaged_file_is_a_picture_or_an_error_that_names_it(suffix, data):
    with tempfile.TemporaryDirectory() as root:
        path = Path(root, f"x.{suffix}")
        save_picture(path, np.random.default_rng(0).integers(0, 255, (9, 7, 3)))
        whole = bytearray(path.read_bytes())
        if data.draw(st.booleans()):
            whole = whole[: data.draw(st.integers(0, len(whole) - 1))]
        for _ in range(data.draw(st.integers(0, 4))):
            if whole:
                whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(whole)
        try:
            images = load_folder(root, quiet=True).train_images
        except DataError as error:
            assert f"x.{suffix}: " in str(error)
        else:
            assert images.shape == (1, 28, 28, 1) and np.isfinite(images).all()


def test_an_animation_counts_with_its_first_frame(tmp_path):
    frames = [Image.new("L", (4, 4), shade) for shade in range(0, 250, 2)]
    for suffix in ("gif", "png", "tif", "webp"):
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    assert (load_folder(tmp_path, size=4, test_fraction=0, quiet=True).train_images == 0).all()


# -- the line about preprocessing --------------------------------------------------------------------------------------


def test_the_preprocessing_is_reported_in_one_line(tmp_path, capsys):
    for i in range(9):
        save_picture(tmp_path / f"{i}.png", np.zeros((40 + i % 3, 60)))
    save_picture(tmp_path / "9.png", np.zeros((5, 5, 3)))
    dataset = load(tmp_path)
    line = "10 pictures of 4 sizes, cropped and resized to 28 x 28, grey"
    assert capsys.readouterr().err == f"{tmp_path}: {line}\n"
    assert line in repr(dataset) and dataset.preprocessing == line
    load(tmp_path, quiet=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("size", "channels", "line"),
    [
        (8, 1, "1 picture of 5 x 7, cropped and resized to 8 x 8, grey"),
        ((5, 7), 3, "1 picture of 5 x 7, in colour"),
    ],
)
def test_the_preprocessing_names_size_and_colour(size, channels, line, tmp_path):
    save_picture(tmp_path / "a.png", np.zeros((5, 7)))
    assert load_folder(tmp_path, size=size, channels=channels, quiet=True).preprocessing == line


def test_an_empty_name_is_refused():
    with pytest.raises(DataError, match="expected digits, mnist or a folder of pictures, got ''"):
        load("")
