"""Sets of photos read by number: folders, lists, arrays, tar files and Parquet files."""

import io
import itertools
import json
import pickle
import sys
import tarfile
import threading

import numpy as np
import pytest
from PIL import Image

from optogram.errors import InputError, PhotoError
from optogram.files import MARK
from optogram.pictures import parquet, photo_arrays
from optogram.pictures.photo_set import PhotoSet
from optogram.pictures.read import read_picture

pytestmark = pytest.mark.once

COUNT = 7
PICTURES = np.random.default_rng(0).integers(0, 256, (COUNT, 6, 5, 3), np.uint8)


def encoded(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


CONTENTS = [encoded(picture) for picture in PICTURES]


def write_tar(path, members, format=tarfile.PAX_FORMAT):
    with tarfile.open(path, "w", format=format) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def samples(numbers, has_labels=True):
    for i in numbers:
        yield f"train/{i:04}.png", CONTENTS[i]
        yield f"train/{i:04}.json", b"{}"
        if has_labels:
            yield f"train/{i:04}.cls", b"%d\n" % (i % 3)


@pytest.fixture
def shards(tmp_path):
    place = tmp_path / "shards"
    place.mkdir()
    write_tar(place / "part-00.tar", samples(range(4)))
    write_tar(place / "part-01.tar", samples(range(4, COUNT)), tarfile.GNU_FORMAT)
    return place


@pytest.fixture
def arrow():
    return pytest.importorskip("pyarrow")


def write_parquet(path, row_group_size=None, metadata=None, **columns):
    import pyarrow
    from pyarrow.parquet import write_table

    table = pyarrow.table(columns)
    if metadata:
        table = table.replace_schema_metadata(metadata)
    write_table(table, path, row_group_size=row_group_size)
    return path


def assert_pictures(photos, expected=PICTURES):
    """That ``photos`` are the expected ones, whether read in order or not, and after pickling."""
    assert len(photos) == len(photos.names) == len(set(photos.names)) == len(expected)
    copy = pickle.loads(pickle.dumps(photos))
    assert list(copy.names) == list(photos.names)
    assert copy.labels == photos.labels
    order = [*range(len(expected)), *reversed(range(len(expected)))]
    for i, held in itertools.product(order, (photos, copy)):
        np.testing.assert_array_equal(read_picture(held.source(i)), expected[i])
    assert [copy.mark(i) for i in order] == [photos.mark(i) for i in order]
    assert all(photos.mark(i) for i in order)
    np.testing.assert_array_equal(read_picture(photos.source(-1)), expected[-1])
    with pytest.raises(IndexError):
        photos.source(len(expected))
    assert PhotoSet.of(photos) is photos


# -- folders and lists -----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "photos"
    for i, content in enumerate(CONTENTS):
        path = place / ("cats" if i < 3 else "dogs/old") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (place / "notes.txt").write_text("no photo")
    (place / "cats" / "own.png").write_bytes(CONTENTS[0] + MARK.encode())
    return place


def test_a_folder_with_one_subfolder_per_class(folder):
    photos = PhotoSet.of(folder)
    assert_pictures(photos)
    assert photos.names[0] == "cats/0.png"
    assert photos.names[-1] == "dogs/old/6.png"
    assert photos.labels == ["cats"] * 3 + ["dogs"] * 4
    assert photos.origin == str(folder)
    assert repr(photos) == f"<PhotoSet of 7 photos in {str(folder)!r}>"


def test_photos_in_the_folder_itself_have_no_labels(folder):
    (folder / "0.png").write_bytes(CONTENTS[0])
    assert PhotoSet.of(str(folder)).labels is None


def test_the_mark_of_a_file_tells_that_it_was_replaced(folder):
    photos = PhotoSet.of(folder)
    before = photos.mark(1)
    photos.source(1).write_bytes(CONTENTS[1] + b"more")
    assert photos.mark(1) != before
    photos.source(1).unlink()
    assert photos.mark(1) == ""


def test_a_list_of_anything_that_is_a_photo(folder):
    listed = [folder / "cats" / "0.png", CONTENTS[1], PICTURES[2], Image.fromarray(PICTURES[3])]
    photos = PhotoSet.of(listed)
    for i in range(4):
        np.testing.assert_array_equal(read_picture(photos.source(i)), PICTURES[i])
    assert photos.names == [str(listed[0]), "photo 1", "photo 2", "photo 3"]
    assert photos.labels is None
    assert len({photos.mark(i) for i in range(4)}) == 4
    assert photos.mark(3) == PhotoSet.of(PICTURES).mark(3)


def test_what_is_no_set_of_photos(folder, tmp_path):
    for given in ([], np.zeros(()), iter(PICTURES), 5, b"bytes"):
        with pytest.raises(InputError, match="a folder or a list of photos"):
            PhotoSet.of(given)
    with pytest.raises(InputError, match="named twice"):
        PhotoSet.of([folder / "cats" / "0.png"] * 2)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no images"):
        PhotoSet.of(tmp_path / "empty")
    for name in ("missing", "notes.txt"):
        with pytest.raises(InputError, match="is not a folder"):
            PhotoSet.of(folder / name)


# -- arrays ----------------------------------------------------------------------------------------


def test_arrays_in_memory(tmp_path):
    photos = PhotoSet.of(PICTURES)
    assert_pictures(photos)
    assert photos.names[2] == "photo 2"
    assert photos.names[1:3] == ["photo 1", "photo 2"]
    marks = {photos.mark(i) for i in range(COUNT)}
    assert len(marks) == COUNT
    gray = PhotoSet.of(PICTURES[..., 0])
    np.testing.assert_array_equal(read_picture(gray.source(1), 1)[..., 0], PICTURES[1, ..., 0])


def test_array_files_are_read_row_by_row(tmp_path):
    np.save(tmp_path / "train.npy", PICTURES)
    photos = PhotoSet.of(tmp_path / "train.npy")
    assert_pictures(photos)
    assert photos.names[3] == "train.npy#3"
    assert len(pickle.dumps(photos)) < 1000
    assert photos.mark(1) == PhotoSet.of(PICTURES).mark(1)
    assert photos.source(0).base is None  # not the map of the file


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives_with_one_array_of_pictures(tmp_path, save):
    path = tmp_path / "train.npz"
    save(path, images=PICTURES, labels=np.arange(COUNT))
    photos = PhotoSet.of(path)
    assert_pictures(photos)
    assert len(pickle.dumps(photos)) < 1000


def test_array_files_that_hold_no_photos(tmp_path, monkeypatch):
    path = tmp_path / "a.npy"
    for array, word in (
        (PICTURES.astype(np.float32), "dtype float32"),
        (np.zeros((5, 4), np.uint8), "has shape"),
        (np.zeros((0, 4, 4), np.uint8), "holds no photo"),
        (np.array([None]), "is not an array file"),
    ):
        np.save(path, array)
        with pytest.raises(InputError, match=word):
            PhotoSet.of(path)
    np.save(path, PICTURES)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged or cut short"):
        PhotoSet.of(path)
    packed = tmp_path / "a.npz"
    np.savez(packed, a=PICTURES, b=PICTURES)
    with pytest.raises(InputError, match="it holds 2"):
        PhotoSet.of(packed)
    np.savez(packed, a=PICTURES)
    monkeypatch.setattr(photo_arrays, "_LARGEST_PACKED", 100)
    with pytest.raises(InputError, match="unpacked into memory"):
        PhotoSet.of(packed)


def test_a_file_that_went_away_before_a_worker_opens_it(tmp_path):
    path = tmp_path / "train.npy"
    np.save(path, PICTURES)
    photos = pickle.dumps(PhotoSet.of(path))
    np.save(path, PICTURES[:-1])
    with pytest.raises(PhotoError, match="has changed"):
        pickle.loads(photos).source(0)
    path.unlink()
    with pytest.raises(PhotoError, match="is not a file"):
        pickle.loads(photos).source(0)
    assert pickle.loads(photos).mark(0) == ""


# -- tar files -------------------------------------------------------------------------------------


def test_tar_files_in_every_way_of_naming_them(shards):
    files = sorted(map(str, shards.iterdir()))
    for given in (shards, f"{shards}/part-{{00..01}}.tar", f"{shards}/part-{{00,01}}.tar", files):
        photos = PhotoSet.of(given)
        assert_pictures(photos)
        assert photos.names[4] == "part-01.tar/train/0004.png"
        assert photos.labels == [str(i % 3) for i in range(COUNT)]
    assert list(PhotoSet.of(f"{shards}/*.tar").names) == list(photos.names)
    assert isinstance(photos.source(0), bytes)
    one = PhotoSet.of(files[0])
    assert_pictures(one, PICTURES[:4])
    assert one.names[0] == "train/0000.png"


def test_long_names_and_members_that_were_replaced(tmp_path):
    name = f"{'folder/' * 30}1.png"
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        members = [(name, CONTENTS[0]), ("ä.JPG", CONTENTS[1]), (name, CONTENTS[2])]
        photos = PhotoSet.of(write_tar(tmp_path / "a.tar", members, form))
        assert photos.names == ["ä.JPG", name]
        assert_pictures(photos, PICTURES[[1, 2]])
        assert photos.labels is None


def test_tars_of_one_name_in_two_folders(tmp_path):
    for i in range(2):
        (tmp_path / str(i)).mkdir()
        write_tar(tmp_path / str(i) / "a.tar", [("1.png", CONTENTS[i])])
    assert_pictures(PhotoSet.of(tmp_path), PICTURES[:2])


def test_labels_need_one_for_each_photo(tmp_path):
    members = [*samples([0, 1]), *samples([2], has_labels=False)]
    assert PhotoSet.of(write_tar(tmp_path / "a.tar", members)).labels is None


def test_the_mark_of_a_member_does_not_depend_on_its_place(tmp_path):
    one = PhotoSet.of(write_tar(tmp_path / "a.tar", [("1.png", CONTENTS[1])]))
    other = PhotoSet.of(write_tar(tmp_path / "b.tar", [("0.txt", b"x"), ("1.png", CONTENTS[1])]))
    assert one.mark(0) == other.mark(0)
    assert one.mark(0) != PhotoSet.of(write_tar(tmp_path / "b.tar", [("1.png", b"123")])).mark(0)


@pytest.mark.parametrize("length", [700, 1024, 1536, 5000, -10240, -10300])
def test_a_tar_file_that_was_cut_short(shards, length):
    path = shards / "part-00.tar"
    content = path.read_bytes()
    end = len(content.rstrip(b"\0"))
    cut = length if length > 0 else end - end % 512 + 512 + (length + 10240)
    path.write_bytes(content[:cut])
    with pytest.raises(InputError, match=r"part-00.tar.*cut short"):
        PhotoSet.of(shards)


def test_a_damaged_header_is_not_the_end(shards):
    path = shards / "part-00.tar"
    content = bytearray(path.read_bytes())
    place = content.rindex(b"train/0002.png")
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        PhotoSet.of(path)


def test_tar_files_without_photos(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("a.txt", b"text")])
    with pytest.raises(InputError, match=r"No member of .* is an image file"):
        PhotoSet.of(path)
    path.write_bytes(b"no tar file at all")
    with pytest.raises(InputError, match="is no tar file"):
        PhotoSet.of(path)
    with pytest.raises(InputError, match="is not a file"):
        PhotoSet.of(tmp_path / "b-{0..3}.tar")
    with pytest.raises(InputError, match="No file matches"):
        PhotoSet.of(tmp_path / "b*.tar")
    path.unlink()
    (tmp_path / "a.tar.gz").write_bytes(b"")
    for given in (tmp_path, tmp_path / "a.tar.gz"):
        with pytest.raises(InputError, match=r"compressed.*unpack it"):
            PhotoSet.of(given)


def test_a_tar_file_that_went_away_meanwhile(shards, tmp_path):
    photos = PhotoSet.of(shards)
    (shards / "part-01.tar").write_bytes(b"")
    with pytest.raises(PhotoError, match="was cut short"):
        photos.source(5)
    (shards / "part-01.tar").unlink()
    with pytest.raises(PhotoError, match="does not exist any more"):
        photos.source(5)
    np.testing.assert_array_equal(read_picture(photos.source(1)), PICTURES[1])
    empty = PhotoSet.of(write_tar(tmp_path / "a.tar", [("1.png", b"")]))
    with pytest.raises(PhotoError, match="is empty"):
        empty.source(0)


def test_folders_with_several_kinds(shards, folder, arrow):
    write_parquet(shards / "a.parquet", image=CONTENTS)
    with pytest.raises(InputError, match="give one kind"):
        PhotoSet.of(shards)
    write_tar(folder / "backup.tar", samples(range(2)))
    assert_pictures(PhotoSet.of(folder))


# -- Parquet ---------------------------------------------------------------------------------------


def test_parquet_with_bytes_in_several_files_and_row_groups(arrow, tmp_path):
    write_parquet(tmp_path / "a.parquet", 2, jpeg=CONTENTS[:5], width=range(5))
    write_parquet(tmp_path / "b.parquet", 2, jpeg=CONTENTS[5:], width=range(2))
    photos = PhotoSet.of(tmp_path)
    assert_pictures(photos)
    assert photos.names[6] == "b.parquet#1"
    assert photos.labels is None
    assert_pictures(PhotoSet.of(f"{tmp_path}::jpeg"))
    assert_pictures(PhotoSet.of(f"{tmp_path}/a.parquet::jpeg"), PICTURES[:5])
    assert_pictures(PhotoSet.of([tmp_path / "a.parquet", tmp_path / "b.parquet"]))
    with pytest.raises(InputError, match=r"no column 'jpg' .*'jpeg'"):
        PhotoSet.of(f"{tmp_path}::jpg")


def test_parquet_as_hugging_face_writes_it(arrow, tmp_path):
    image = [{"bytes": c, "path": f"{i}.png"} for i, c in enumerate(CONTENTS)]
    features = {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    labels = [i % 2 for i in range(COUNT)]
    path = write_parquet(tmp_path / "a.parquet", 3, about, image=image, label=labels)
    photos = PhotoSet.of(path)
    assert_pictures(photos)
    assert photos.names == [f"{i}.png" for i in range(COUNT)]
    assert photos.labels == [["cat", "dog"][i] for i in labels]
    write_parquet(path, image=image, label=["x"] * COUNT, name=["a"] * COUNT)
    assert PhotoSet.of(path).labels == ["x"] * COUNT


def test_names_of_a_column_if_they_are_unique(arrow, tmp_path):
    path = tmp_path / "a.parquet"
    names = [f"photo-{i}" for i in range(COUNT)]
    assert PhotoSet.of(write_parquet(path, name=names, image=CONTENTS)).names == names
    write_parquet(path, name=["same"] * COUNT, image=CONTENTS)
    assert PhotoSet.of(path).names[1] == "a.parquet#1"


def test_a_large_row_group_is_read_in_batches_in_any_order(arrow, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_BATCH_BYTES", 2 * len(CONTENTS[0]))
    photos = PhotoSet.of(write_parquet(tmp_path / "a.parquet", image=CONTENTS))
    assert_pictures(photos)
    assert max(map(len, photos._photos._reader._kept.values())) < 4
    assert len(photos._photos._reader._kept) <= parquet._BATCHES


def test_threads_read_parquet_together(arrow, tmp_path):
    photos = PhotoSet.of(write_parquet(tmp_path / "a.parquet", 2, image=CONTENTS))
    wrong = []

    def read(seed):
        order = np.random.default_rng(seed).integers(0, COUNT, 40)
        wrong.extend(i for i in order if photos.source(int(i)) != CONTENTS[i])

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_parquet_files_without_photos(arrow, tmp_path):
    path = tmp_path / "a.parquet"
    write_parquet(path, number=[1, 2])
    with pytest.raises(InputError, match="its columns are 'number'"):
        PhotoSet.of(path)
    write_parquet(path, a=CONTENTS, b=CONTENTS)
    with pytest.raises(InputError, match="::a"):
        PhotoSet.of(path)
    assert_pictures(PhotoSet.of(f"{path}::b"))
    write_parquet(path, a=arrow.array([], arrow.binary()))
    with pytest.raises(InputError, match="has no rows"):
        PhotoSet.of(path)
    write_parquet(path, a=[CONTENTS[0], None])
    with pytest.raises(PhotoError, match="has no bytes of a picture"):
        PhotoSet.of(path).source(1)


def test_a_parquet_file_half_written_or_replaced(arrow, tmp_path):
    path = write_parquet(tmp_path / "a.parquet", image=CONTENTS)
    content = path.read_bytes()
    photos = PhotoSet.of(path)
    before = photos.mark(0)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="damaged or cut short"):
        PhotoSet.of(path)
    with pytest.raises(PhotoError, match="has changed"):
        photos.source(0)
    write_parquet(path, image=CONTENTS[:-1])
    assert PhotoSet.of(path).mark(0) != before
    path.unlink()
    with pytest.raises(PhotoError, match="cannot be read any more"):
        photos.source(0)


def test_a_parquet_file_whose_pages_are_damaged(arrow, tmp_path):
    path = write_parquet(tmp_path / "a.parquet", image=CONTENTS)
    content = bytearray(path.read_bytes())
    content[4:40] = bytes([255]) * 36
    path.write_bytes(content)
    with pytest.raises(PhotoError, match="damaged"):
        PhotoSet.of(path).source(0)


def test_without_pyarrow_it_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"")
    with pytest.raises(InputError, match=r"pip install .optogram\[parquet\]"):
        PhotoSet.of(tmp_path)
