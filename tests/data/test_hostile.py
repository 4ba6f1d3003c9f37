"""Folders of hostile pictures: links, names of any bytes, other formats, huge sizes, damaged files."""

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
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image, PngImagePlugin

from tinygen.data import DataError, load, load_folder
from tinygen.data.pictures import FORMATS, MAX_PIXELS
from tinygen.io.files import printable

SHADES = [[0, 50], [100, 150]]


def save(path, pixels=SHADES, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, **options)


# -- links -------------------------------------------------------------------------------------------------------------


def test_links_to_folders_and_to_pictures_count_as_what_they_lead_to(tmp_path):
    save(tmp_path / "elsewhere" / "1.png", [[10]])
    save(tmp_path / "single.png", [[20]])
    root = tmp_path / "root"
    save(root / "dog" / "1.png", [[30]])
    (root / "cat").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "dog" / "2.png").symlink_to(tmp_path / "single.png")
    for start in (root, tmp_path / "link"):
        if start is not root:
            start.symlink_to(root, target_is_directory=True)
        dataset = load_folder(start, size=1, test_fraction=0)
        assert dataset.classes == ("cat", "dog") and dataset.train_labels.tolist() == [0, 1, 1]
        assert np.rint(dataset.train_images.ravel() * 255).tolist() == [10, 30, 20]


def test_links_that_lead_back_end(tmp_path):
    save(tmp_path / "root" / "cat" / "1.png")
    for at, to in (("root/cat/up", "root"), ("root/cat/self", "root/cat"), ("root/around", "."), ("other", "root")):
        (tmp_path / at).symlink_to(tmp_path / to, target_is_directory=True)
    found = load_folder(tmp_path / "root", size=1, test_fraction=0)
    # `around` holds root's own folder, and `other`, a link to it: both lead back
    assert found.classes == ("cat",) and len(found.train_images) == 1


@pytest.mark.parametrize("name", ["gone.png", "gone"])
def test_a_link_that_leads_nowhere_is_an_error_that_names_it(tmp_path, name):
    save(tmp_path / "cat" / "1.png")
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=rf"1 of 2 pictures can't be read[\s\S]*\n  {name}: "):
        load_folder(tmp_path)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="every folder can be read")
def test_a_folder_that_can_not_be_read_is_no_silence(tmp_path):
    save(tmp_path / "cat" / "1.png")
    (tmp_path / "dog").mkdir(mode=0)
    with pytest.raises(PermissionError, match="dog"):
        load_folder(tmp_path)
    (tmp_path / "dog").chmod(0o700)


# -- names -------------------------------------------------------------------------------------------------------------

parts = st.binary(min_size=1, max_size=12).filter(lambda b: not set(b) & set(b"/\0") and b[:1] != b".")


@pytest.mark.skipif(sys.platform != "linux", reason="names are any bytes on Linux only")
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
        Path(os.fsdecode(bad)).write_bytes(b"no picture")
        with pytest.raises(DataError) as caught:
            load_folder(root, quiet=True)
    shown = printable(os.fsdecode(folder + b"/" + name + b".png"))
    assert f"  {shown}: cannot identify" in str(caught.value)
    str(caught.value).encode()  # and can be printed


def test_how_bytes_that_are_no_text_are_shown():
    assert printable(os.fsdecode(b"caf\xe9.png")) == r"caf\xe9.png"
    assert printable("a\nb\x1b[1m é 日本") == r"a\nb\x1b[1m é 日本"


# -- formats -----------------------------------------------------------------------------------------------------------

Image.init()
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\ntinygen/BoundingBox: 0 0 100 100\ntinygen/EndComments\nshowpage\n"


def test_a_program_that_is_called_a_picture_is_not_run(tmp_path, monkeypatch):
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args: pytest.fail("Ghostscript was called"))
    (tmp_path / "cat.png").write_bytes(POSTSCRIPT)
    with pytest.raises(DataError, match=r"cat\.png: cannot identify image file"):
        load_folder(tmp_path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", sorted(Image.SAVE))
def test_the_formats_that_are_read_are_those_that_are_documented(kind, tmp_path):
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
    """A PNG of that size by its header, without a pixel."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    made = b"\x89PNG\r\n\x1a\n"
    for kind, content in ((b"IHDR", header), *chunks):
        made += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return made


sides = st.one_of(st.integers(1, 20_000), st.sampled_from([8192, 8193, 13_300, 2**31 - 1]))


@given(sides, sides)
def test_a_size_is_checked_before_anything_is_decoded(width, height):
    """A file that claims to be huge and holds nothing: the error is about the size it claims."""
    with tempfile.TemporaryDirectory() as root:
        Path(root, "big.png").write_bytes(png(width, height, (b"IDAT", b"")))
        large = width * height > MAX_PIXELS
        with pytest.raises(
            DataError, match=r"big\.png: " + ("expected at most 67,108,864 pixels" if large else "")
        ) as e:
            load_folder(root, quiet=True)
        assert ("make it smaller" in str(e.value)) == large


def test_a_text_of_any_length_in_a_picture_is_an_error_that_names_it(tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "0" * 50_000_000, zip=True)
    save(tmp_path / "talks.png", pnginfo=text)
    with pytest.raises(DataError, match=r"talks\.png: "):
        load_folder(tmp_path)


def test_the_number_of_pictures_is_limited_before_any_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("tinygen.data.folder.MAX_BYTES", 3 * 4 * 28 * 28)
    for i in range(3):
        save(tmp_path / f"{i}.png")
    assert len(load_folder(tmp_path, test_fraction=0, quiet=True).train_images) == 3
    (tmp_path / "3.png").write_text("no picture")
    with pytest.raises(DataError, match="expected at most 3 pictures of this size, found more"):
        load_folder(tmp_path)


# -- damage ------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.sampled_from(["png", "jpg", "gif", "bmp", "ppm", "tif", "webp"]), st.data())
def test_a_damaged_file_is_a_picture_or_an_error_that_names_it(suffix, data):
    with tempfile.TemporaryDirectory() as root:
        path = Path(root, f"x.{suffix}")
        save(path, np.random.default_rng(0).integers(0, 255, (9, 7, 3)))
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


def test_of_many_frames_the_first_counts(tmp_path):
    frames = [Image.new("L", (4, 4), shade) for shade in range(0, 250, 2)]
    for suffix in ("gif", "png", "tif", "webp"):
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    assert (load_folder(tmp_path, size=4, test_fraction=0, quiet=True).train_images == 0).all()


# -- what was made of them ---------------------------------------------------------------------------------------------


def test_what_load_makes_of_pictures_is_said_once(tmp_path, capsys):
    for i in range(9):
        save(tmp_path / f"{i}.png", np.zeros((40 + i % 3, 60)))
    save(tmp_path / "9.png", np.zeros((5, 5, 3)))
    dataset = load(tmp_path)
    said = "10 pictures of 4 sizes, cropped and resized to 28 x 28, grey"
    assert capsys.readouterr().err == f"{tmp_path}: {said}\n"
    assert said in repr(dataset) and dataset.made == said
    load(tmp_path, quiet=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("size", "channels", "said"),
    [
        (8, 1, "1 picture of 5 x 7, cropped and resized to 8 x 8, grey"),
        ((5, 7), 3, "1 picture of 5 x 7, in colour"),
    ],
)
def test_the_size_and_colour_that_were_asked_for_are_said(size, channels, said, tmp_path):
    save(tmp_path / "a.png", np.zeros((5, 7)))
    assert load_folder(tmp_path, size=size, channels=channels, quiet=True).made == said


def test_no_name_is_no_folder():
    with pytest.raises(DataError, match="expected one of digits, mnist, or a folder of pictures; got ''"):
        load("")
