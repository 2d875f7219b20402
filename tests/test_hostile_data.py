"""Data sets and cards are other people's files: no way out of a folder, no code, no bombs."""

import io
import json
import os
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from llava_eval.cli import main
from llava_eval.errors import CardError, DataError
from llava_eval.images import FORMATS, MOST_PIXELS, open_image
from llava_eval.paths import inside
from llava_eval.records import ImageRef
from llava_eval.rows import MOST_ROWS, read_hub, read_rows
from llava_eval.runner import run_root
from llava_eval.samples import read_samples
from llava_eval.task import load_card, load_task
from tests.conftest import pope_row
from tests.test_security import bomb, evil_code, marker  # noqa: F401 (a fixture)

POPE = load_task("pope")
ROOT = Path(__file__).resolve().parents[1]
SECRET = "do not read this"


@pytest.fixture
def data(tmp_path):
    """A data folder with a secret beside it, and links to the secret in it."""
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "secret.png").write_text(SECRET)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "link").symlink_to(tmp_path)
    (folder / "circle.png").symlink_to(folder / "circle.png")
    (folder / "inner").mkdir()
    os.mkfifo(folder / "pipe.png")
    return folder


OUT = [
    "../secret.png",
    "inner/../../secret.png",
    "{outside}/secret.png",
    "link.png",
    "link/secret.png",
    "/etc/passwd",
    "/dev/zero",
    "/proc/self/environ",
]
ODD = [
    "circle.png",
    "pipe.png",
    "inner",
    ".",
    "",
    "nul\0byte.png",
    "half a pair \ud800.png",
    "x" * 5000,
    "%2e%2e/secret.png",
    "..%2fsecret.png",
    r"..\secret.png",
    r"C:\Windows\win.ini",
    r"\\host\share\a.png",
    "file:///etc/passwd",
    "http://localhost:9/a.png",
    "~/secret.png",
]


def as_jsonl(folder, name):
    path = folder / "rows.jsonl"
    path.write_text(json.dumps(pope_row(1, image=name)) + "\n")
    return path


def as_list(folder, name):
    path = folder / "rows.json"
    path.write_text(json.dumps([pope_row(1, image=name)]))
    return path


def as_llavas_folder(folder, name):
    """POPE as LLaVA's scripts have it; its images are in a folder of their own."""
    (folder / "coco").mkdir()
    text = "Is there a dog?"
    label = {"question_id": 1, "image": name, "text": text, "label": "no"}
    (folder / "coco" / "coco_pope_random.json").write_text(json.dumps(label) + "\n")
    text += "\nAnswer the question using a single word or phrase."
    question = {"question_id": 1, "image": name, "text": text, "category": "random"}
    (folder / "llava_pope_test.jsonl").write_text(json.dumps(question) + "\n")
    for link in (folder / "link.png", folder / "link", folder / "circle.png", folder / "pipe.png"):
        link.rename(folder / "inner" / link.name)
    (folder / "inner").rename(folder / "val2014")
    (folder / "val2014" / "inner").mkdir()
    return folder


def picture_of(path):
    [sample] = read_samples(POPE, str(path)).samples
    return sample.images[0]


@pytest.mark.parametrize("name", OUT)
@pytest.mark.parametrize("write", [as_jsonl, as_list, as_llavas_folder])
def test_an_image_outside_the_data_folder_is_not_opened(tmp_path, data, write, name):
    source = write(data, name.format(outside=tmp_path))
    with pytest.raises(DataError, match="leads out of the data folder; not opened"):
        picture_of(source).read()


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("write", [as_jsonl, as_list, as_llavas_folder])
def test_an_odd_name_of_an_image_is_one_line_and_nothing_is_waited_for(data, write, name):
    source = write(data, name)
    with pytest.raises(DataError) as error:
        picture_of(source).read()
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("name", ["../secret.png", "/net/host/share.png", "a/../../b"])
def test_a_name_that_leads_out_is_refused_before_the_disk_is_touched(tmp_path, monkeypatch, name):
    """To look at a share of a stranger's server can mean to log in there."""
    touched = []
    monkeypatch.setattr(Path, "resolve", lambda path, **_: touched.append(path))
    with pytest.raises(DataError, match="leads out of the data folder"):
        inside(tmp_path, name)
    assert touched == []


def test_an_absolute_name_inside_the_data_folder_is_no_way_out(data):
    (data / "a.png").write_bytes(b"picture")
    assert picture_of(as_jsonl(data, str(data / "a.png"))).read() == b"picture"


def as_parquet(folder, image):
    pq.write_table(pa.Table.from_pylist([pope_row(1, image=image)]), folder / "rows.parquet")
    return folder / "rows.parquet"


def as_saved(folder, image):
    """Write a saved data set; the table by hand, for `datasets` would read the file into it."""
    saved = folder / "saved"
    rows = datasets.Dataset.from_list([pope_row(1, image=None)])
    rows.cast_column("image", datasets.Image()).save_to_disk(saved)
    table = pa.Table.from_pylist([pope_row(1)])
    kind = (
        pa.string() if isinstance(image, str) else pa.struct({"bytes": "binary", "path": "string"})
    )
    table = table.append_column("image", pa.array([image], kind))
    with pa.ipc.new_stream(saved / "data-00000-of-00001.arrow", table.schema) as writer:
        writer.write_table(table)
    if isinstance(image, str):
        (saved / "dataset_info.json").write_text("{}")
    return saved


def as_tsv(folder, image):
    row = pope_row(1, image=image["path"] if isinstance(image, dict) else image)
    path = folder / "rows.tsv"
    path.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    return path


@pytest.mark.parametrize("write", [as_parquet, as_saved, as_tsv])
@pytest.mark.parametrize("form", ["text", "struct"])
def test_a_table_holds_its_images_and_a_path_in_their_place_is_not_followed(data, write, form):
    path = str(data.parent / "secret.png")
    source = write(data, path if form == "text" else {"bytes": None, "path": path})
    with pytest.raises(DataError, match=r"no image bytes here|not base64"):
        picture_of(source).read()


@pytest.mark.parametrize("category", ["../../outside", "{outside}", "link"])
def test_the_category_of_an_mme_row_leads_to_no_other_folder(tmp_path, category):
    release = tmp_path / "MME" / "MME_Benchmark_release_version"
    outside = tmp_path / "outside"
    for folder in (release, outside):
        folder.mkdir(parents=True)
    (outside / "a.txt").write_text(f"{SECRET}\tYes\n")
    (release / "link").symlink_to(outside)
    question = {
        "question_id": "a.png",
        "image": "a.png",
        "category": category.format(outside=outside),
        "text": "Is it?",
    }
    (tmp_path / "MME" / "llava_mme.jsonl").write_text(json.dumps(question) + "\n")
    with pytest.raises(DataError, match=r"leads out of the|must be a folder's") as error:
        read_samples(load_task("mme"), str(tmp_path))
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("name", ["../secret.arrow", "{outside}/secret.arrow", "link.arrow"])
def test_a_saved_data_set_names_no_table_outside_its_folder(tmp_path, name):
    for folder in ("saved", "other"):
        datasets.Dataset.from_list([pope_row(1)]).save_to_disk(tmp_path / folder)
    saved = tmp_path / "saved"
    (tmp_path / "other" / "data-00000-of-00001.arrow").rename(tmp_path / "secret.arrow")
    (saved / "link.arrow").symlink_to(tmp_path / "secret.arrow")
    state = json.loads((saved / "state.json").read_text())
    state["_data_files"] = [{"filename": name.format(outside=tmp_path)}]
    (saved / "state.json").write_text(json.dumps(state))
    with pytest.raises(DataError, match="leads out of the data folder"):
        read_samples(POPE, str(saved))


HOSTILE_FEATURES = [
    {"_type": "os"},
    {"_type": "pickle"},
    {"_type": "Value", "dtype": "__import__('os').system('true')"},
    {"_type": "Array2D", "shape": [1 << 40, 1 << 40], "dtype": "int8"},
    {"_type": "Audio"},
    {"_type": "generate_from_dict"},
]


@pytest.mark.parametrize("feature", HOSTILE_FEATURES, ids=lambda f: f["_type"])
def test_the_description_of_a_saved_data_set_makes_nothing_but_columns(tmp_path, feature):
    datasets.Dataset.from_list([pope_row(1)]).save_to_disk(tmp_path / "saved")
    path = tmp_path / "saved" / "dataset_info.json"
    info = json.loads(path.read_text())
    info["features"]["question"] = feature
    path.write_text(json.dumps(info))
    with pytest.raises(DataError) as error:
        read_samples(POPE, str(tmp_path / "saved"))
    assert "\n" not in str(error.value)


def pickled_column(payload):
    """A column whose type is pickled Python, as pyarrow 13 and older would have loaded it."""
    metadata = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": payload,
    }
    field = pa.field("evil", pa.string(), metadata=metadata)
    table = pa.Table.from_pylist([pope_row(1)])
    return table.append_column(field, pa.array(["x"]))


@pytest.mark.filterwarnings("ignore:pickle-based deserialization")
@pytest.mark.parametrize("saved", [False, True])
def test_a_pickled_type_of_a_column_is_not_loaded(tmp_path, marker, saved):  # noqa: F811
    table = pickled_column(bomb(marker))
    pq.write_table(table, tmp_path / "rows.parquet")
    source = tmp_path / "rows.parquet"
    if saved:
        source = tmp_path / "saved"
        datasets.Dataset.from_list([pope_row(1)]).save_to_disk(source)
        with pa.ipc.new_stream(source / "data-00000-of-00001.arrow", table.schema) as writer:
            writer.write_table(table)
        (source / "dataset_info.json").write_text("{}")
    assert len(read_samples(POPE, str(source)).samples) == 1
    assert not marker.exists()


SCRIPTS = ["rows.py", "saved.py", "dataset.py", "__init__.py", "conftest.py", "pope.py"]


@pytest.mark.parametrize("kind", ["parquet", "saved"])
def test_a_script_in_the_data_folder_is_never_imported(tmp_path, marker, kind):  # noqa: F811
    source = tmp_path / "saved"
    if kind == "saved":
        datasets.Dataset.from_list([pope_row(1)]).save_to_disk(source)
    else:
        source.mkdir()
        as_parquet(source, None)
    for name in SCRIPTS:
        (source / name).write_text(evil_code(marker))
    assert len(read_samples(POPE, str(source)).samples) == 1
    assert not marker.exists()


@pytest.mark.parametrize("repo", ["lmms-lab/POPE", "scripts/only"])
def test_a_folder_here_does_not_stand_in_for_a_data_set_of_the_hub(
    tmp_path,
    monkeypatch,
    marker,  # noqa: F811
    repo,
):
    """`datasets` would read the folder, and name the result after the Hub."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / repo
    folder.mkdir(parents=True)
    as_parquet(folder, None)
    (folder / f"{folder.name}.py").write_text(evil_code(marker))
    with pytest.raises(DataError, match="a folder here is called"):
        read_hub(repo, "", "test", "image")
    assert not marker.exists()


@pytest.mark.parametrize(
    "suffix", [".pkl", ".pickle", ".npy", ".npz", ".py", ".csv", ".xlsx", ".h5"]
)
def test_other_kinds_of_files_are_not_read(tmp_path, marker, suffix):  # noqa: F811
    (tmp_path / f"rows{suffix}").write_bytes(bomb(marker))
    with pytest.raises(DataError, match=f"cannot read '{suffix}' files; known: .parquet, .jsonl"):
        read_rows(tmp_path / f"rows{suffix}", "image")
    assert not marker.exists()


def card(folder, name="own", **changes):
    """The card of POPE, changed, under a file name that fits its name."""
    import yaml

    content = yaml.safe_load((POPE.home / "pope.yaml").read_text()) | {"name": name} | changes
    folder.mkdir(exist_ok=True)
    path = folder / f"{name.replace('/', '-')}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    "name", [".", "..", "...", ".hidden", "a b", "-x", "x-", "a\nb", "\x1b[1m"]
)
def test_a_task_has_a_name_that_is_a_folder_of_its_own(tmp_path, name):
    with pytest.raises(CardError, match="a task has a folder of its name"):
        load_card(card(tmp_path, name))


def test_a_task_called_dot_dot_writes_nothing_above_the_run_folder(tmp_path, capsys):
    """Its card is the file `...yaml`, and its results would go to the folder above."""
    card(tmp_path / "cards", "..")
    (tmp_path / "a.jsonl").write_text('{"id": "1", "prediction": "Yes"}\n')
    out = tmp_path / "x" / "out"
    engine = ["--engine", "replay", "--model", str(tmp_path / "a.jsonl")]
    source = ["--data", str(as_jsonl(tmp_path, None)), "--tasks-dir", str(tmp_path / "cards")]
    assert main(["run", "--tasks", "..", *engine, *source, "--out", str(out)]) == 1
    assert "a task has a folder of its name" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", ["../a.jsonl", "/etc/passwd", "a/../../b.jsonl"])
@pytest.mark.parametrize(
    "key", ["file", "mini", "hub.config", "official.marker", "official.folder"]
)
def test_a_card_names_no_file_outside_its_folder(tmp_path, key, name):
    import yaml

    section, _, field = key.rpartition(".")
    content = yaml.safe_load((POPE.home / "pope.yaml").read_text())
    changes = {section: content[section] | {field: name}} if section else {field: name}
    with pytest.raises(CardError, match="leads out of the folder"):
        load_card(card(tmp_path, **changes))


@pytest.mark.parametrize(
    "model",
    [
        "..",
        ".",
        "/",
        "//",
        "../..",
        "a/..",
        "../x",
        "x/../../y",
        "owner/..",
        "./a/../..",
        "~",
    ],
)
def test_whatever_a_model_is_called_its_runs_are_below_results(tmp_path, monkeypatch, model):
    monkeypatch.chdir(tmp_path)
    runs = Path("results/runs").resolve()
    assert run_root(model).resolve().parent == runs


BOMB_CARDS = {
    "a billion laughs": "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)),
    "a name of a billion laughs": "name: &a [x, x, x, x]\ntitle: &b [*a, *a, *a, *a]\nasks: *b\n",
    "an anchor in itself": "name: &a [*a]\n",
    "deep": "name: " + "[" * 20_000,
    "deep in blocks": "".join(" " * n + "a:\n" for n in range(400)),
    "merged keys": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 9)),
    "long": "others:\n" + "- a\n" * 1_000_000,
    "many keys": "".join(f"k{n}: 1\n" for n in range(12_000)),
    "a Python object": "name: !!python/object/apply:os.system ['touch ran']\n",
    "a Python name": "name: !!python/name:os.system\n",
}


@pytest.mark.parametrize("name", BOMB_CARDS)
def test_a_card_that_would_fill_the_memory_or_run_code_is_refused_at_once(
    tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(BOMB_CARDS[name])
    started = time.process_time()
    with pytest.raises(CardError) as error:
        load_card(tmp_path / "own.yaml")
    assert time.process_time() - started < 10
    assert len(str(error.value)) < 2000
    assert ("an alias" in str(error.value)) == ("&" in BOMB_CARDS[name])
    assert sorted(tmp_path.iterdir()) == [tmp_path / "own.yaml"]


def chunk(kind, content):
    whole = kind + content
    return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))


def huge_png(width=30_000, height=30_000):
    rows = zlib.compress(bytes(1 << 20))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows)


def header_says(kind, form, side=60_000):
    """A small picture of a kind, whose header says that it is a large one."""
    buffer = io.BytesIO()
    Image.new("RGB", (257, 259)).save(buffer, kind)
    sizes = (259, 257) if kind == "JPEG" else (257, 259)
    old = struct.pack(form, *sizes)
    assert old in buffer.getvalue()
    return buffer.getvalue().replace(old, struct.pack(form, side, side))


def large(kind, frames=1, side=9_500, **settings):
    """A picture of one colour: a few kilobytes in the file, 90 million pixels in memory."""
    buffer = io.BytesIO()
    picture = Image.new("L", (side, side))
    if frames > 1:
        others = [Image.new("L", (side, side), number) for number in range(1, frames)]
        settings |= {"save_all": True, "append_images": others}
    picture.save(buffer, kind, **settings)
    assert buffer.tell() < 2_000_000
    return buffer.getvalue()


BOMBS = {
    "PNG": huge_png,
    "PNG of one row": lambda: huge_png(60_000, 1),
    "PNG of one column": lambda: huge_png(1, 60_000),
    "GIF": lambda: header_says("GIF", "<HH"),
    "JPEG": lambda: header_says("JPEG", ">HH"),
    "BMP": lambda: header_says("BMP", "<ii"),
    "TIFF": lambda: large("TIFF", compression="tiff_deflate"),
    "TIFF of two pages": lambda: large("TIFF", 2, compression="tiff_deflate"),
    "WebP": lambda: large("WEBP", lossless=True, method=0, quality=0),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_decoded(monkeypatch, name):
    content, decoded = BOMBS[name](), []
    monkeypatch.setattr(Image.Image, "convert", lambda *_: decoded.append(name))
    with pytest.raises(DataError, match=r"pixels|exceeds limit") as error:
        open_image(ImageRef("bomb", lambda: content))
    assert decoded == []
    assert "\n" not in str(error.value)


def test_a_picture_at_the_limit_is_still_opened():
    side = int(MOST_PIXELS**0.5)
    buffer = io.BytesIO()
    Image.new("1", (side, 1)).save(buffer, "PNG")
    assert open_image(ImageRef("long", buffer.getvalue)).size == (side, 1)


# What Pillow can tell by itself and would hand on: to Ghostscript, to old decoders.
OTHERS = {
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n",
    "PPM": b"P6 1 1 255\n\0\0\0",
    "SGI": None,
    "TGA": None,
    "ICO": None,
    "JPEG2000": None,
    "PCX": None,
    "ICNS": None,
}


def saved_as(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", OTHERS)
def test_pictures_of_other_kinds_never_reach_their_decoders(kind):
    """PostScript would be run by Ghostscript."""
    content = OTHERS[kind] or saved_as(kind)
    assert Image.open(io.BytesIO(content)).format == kind  # Pillow itself would
    with pytest.raises(DataError, match=f"none of {', '.join(FORMATS)}"):
        open_image(ImageRef("odd", lambda: content))


@pytest.mark.parametrize("content", [b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7\n"])
def test_documents_are_no_pictures(content):
    with pytest.raises(DataError, match="not a readable image"):
        open_image(ImageRef("odd", lambda: content))


def test_a_table_of_a_few_kilobytes_that_stands_for_millions_of_rows_is_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"question": pa.nulls(MOST_ROWS + 1, pa.string())}), path)
    assert path.stat().st_size < 100_000
    with pytest.raises(DataError, match="10,000,001 rows"):
        read_samples(POPE, str(path))


DEEP = "[" * 100_000
DEEP_FILES = {
    "rows.jsonl": json.dumps(pope_row(1)) + "\n" + f'{{"id": {DEEP}\n',
    "rows.json": DEEP,
    "deep.json": '[{"a":' * 50_000,
}


@pytest.mark.parametrize("name", DEEP_FILES)
def test_brackets_within_brackets_are_one_line(tmp_path, name):
    (tmp_path / name).write_text(DEEP_FILES[name])
    with pytest.raises(DataError) as error:
        read_samples(POPE, str(tmp_path / name))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("name", ["deep predictions.jsonl", "deep.json"])
def test_deep_predictions_are_one_line(tmp_path, capsys, name):
    rows = as_jsonl(tmp_path, None)
    (tmp_path / name).write_text(DEEP)
    files = ["--data", str(rows), "--predictions", str(tmp_path / name)]
    assert main(["score", "pope", *files]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.parametrize("field", ["id", "question", "answer", "category", "no such field"])
def test_a_line_of_100_megabytes_ends_in_one_short_line_or_in_a_number(tmp_path, capsys, field):
    long = "x" * 100_000_000
    rows = tmp_path / "rows.jsonl"
    with rows.open("w") as file:
        json.dump({**pope_row(1), field: [long] if field == "id" else long}, file)
    (tmp_path / "a.jsonl").write_text('{"id": "1", "prediction": "Yes"}\n')
    files = ["--data", str(rows), "--predictions", str(tmp_path / "a.jsonl")]
    code = main(["score", "pope", *files])
    err = capsys.readouterr().err
    assert code in (0, 1)
    assert err.count("\n") == code
    assert len(err) < 3000


HIJACKED = ["yaml", "numpy", "torch", "transformers", "tqdm", "PIL", "sitecustomize", "json", "cli"]


def test_modules_in_the_current_folder_are_not_imported(tmp_path, marker):  # noqa: F811
    """As pip installs the command: Python puts the folder of the script in front, not this one."""
    here, script = tmp_path / "here", tmp_path / "bin" / "llava-eval"
    for folder in (here, script.parent):
        folder.mkdir()
    for name in HIJACKED:
        (here / f"{name}.py").write_text(evil_code(marker))
    script.write_text("import sys\nfrom llava_eval.cli import main\nsys.exit(main())\n")
    (here / "a.jsonl").write_text('{"id": "1", "prediction": "Yes"}\n')
    as_jsonl(here, None)
    command = ["run", "--tasks", "pope", "--engine", "replay", "--model", "a.jsonl"]
    done = subprocess.run(
        [sys.executable, script, *command, "--data", "rows.jsonl", "--out", "out"],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not marker.exists()
