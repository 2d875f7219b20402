import base64
import io
import json

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from llava_eval import rows as rows_module
from llava_eval.errors import DataError
from llava_eval.rows import read_hub, read_jsonl, read_rows


def png(colour=(255, 0, 0)):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), colour).save(buffer, "PNG")
    return buffer.getvalue()


def colour_of(row):
    return Image.open(io.BytesIO(row["image"].read())).getpixel((0, 0))


COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def as_parquet(tmp_path):
    rows = [
        {"id": str(i), "image": {"bytes": png(c), "path": f"{i}.png"}}
        for i, c in enumerate(COLOURS)
    ]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    return path


def as_folder_of_parquet(tmp_path):
    return as_parquet(tmp_path).parent


def as_jsonl(tmp_path):
    for i, colour in enumerate(COLOURS):
        (tmp_path / f"{i}.png").write_bytes(png(colour))
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"id": i, "image": f"{i}.png"}) + "\n" for i in range(3)))
    return path


def as_json_list(tmp_path):
    path = as_jsonl(tmp_path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.with_suffix(".json").write_text(json.dumps(rows))
    return path.with_suffix(".json")


def as_tsv(tmp_path):
    lines = ["id\timage"]
    lines += [f"{i}\t{base64.b64encode(png(c)).decode()}" for i, c in enumerate(COLOURS)]
    path = tmp_path / "rows.tsv"
    path.write_text("\n".join(lines) + "\n")
    return path


def as_saved_to_disk(tmp_path):
    images = [Image.open(io.BytesIO(png(colour))) for colour in COLOURS]
    data = datasets.Dataset.from_dict({"id": ["0", "1", "2"], "image": images})
    data = data.cast_column("image", datasets.Image())
    data.save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.mark.parametrize(
    "write",
    [as_parquet, as_folder_of_parquet, as_jsonl, as_json_list, as_tsv, as_saved_to_disk],
)
def test_every_kind_of_file_gives_the_same_rows_and_pictures(tmp_path, write):
    rows = list(read_rows(write(tmp_path), image="image"))
    assert [str(row["id"]) for row in rows] == ["0", "1", "2"]
    assert [colour_of(row) for row in rows[::-1]] == COLOURS[::-1]


def test_rows_of_the_hub_are_those_that_were_chosen_there(monkeypatch):
    images = [None if i == 3 else {"bytes": png((i, 0, 0)), "path": None} for i in range(6)]
    data = datasets.Dataset.from_dict({"id": list(range(6)), "image": images})
    chosen = data.cast_column("image", datasets.Image()).select([5, 3, 1, 0, 4])
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: chosen)
    monkeypatch.setattr(rows_module, "ROWS_AT_ONCE", 2)
    rows = list(read_hub("owner/name", "", "test", "image"))
    assert [row["id"] for row in rows] == [5, 3, 1, 0, 4]
    assert [row.number for row in rows] == [0, 1, 2, 3, 4]
    assert [row["image"] and colour_of(row)[0] for row in rows] == [5, None, 1, 0, 4]


def test_a_picture_that_a_table_repeats_is_held_once(tmp_path):
    picture = base64.b64encode(png()).decode()
    path = tmp_path / "rows.tsv"
    path.write_text("id\timage\n" + f"0\t{picture}\n1\t{picture}\n2\t\n")
    first, second, third = read_rows(path, image="image")
    assert first["image"] is second["image"]
    assert third["image"] is None


def test_a_picture_is_not_read_before_it_is_asked_for(tmp_path):
    path = as_jsonl(tmp_path)
    (tmp_path / "1.png").unlink()
    rows = list(read_rows(path, image="image"))
    with pytest.raises(DataError, match=r"1\.png: cannot be read: No such file"):
        rows[1]["image"].read()


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "link.png"])
def test_a_picture_outside_the_data_folder_is_never_opened(tmp_path, name):
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(png())
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "rows.jsonl").write_text(json.dumps({"image": name}))
    (row,) = read_rows(folder / "rows.jsonl", image="image")
    with pytest.raises(DataError, match="leads out of the data folder"):
        row["image"].read()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"id": 1}\n{"id": 2', r"a\.jsonl:2: not valid JSON .*is the file complete"),
        ("a.jsonl", b"[1]\n", "1 must be an object"),
        ("a.jsonl", b"3\n", r"a\.jsonl:1: '3' must be an object"),
        ("a.json", b"[{", r"a\.json:1: not valid JSON"),
        ("a.json", b"[1]", r"a\.json:0: 1 must be an object"),
        ("a.jsonl", b'{"id": "\xff"}', "not UTF-8"),
        ("a.parquet", b"PAR1 and then nothing", "not a whole parquet file"),
        ("a.tsv", b"a\tb\n1\t2\t3\n4\t5\t6\t7\n", "not a readable table"),
        ("a.csv", b"a,b", r"cannot read '\.csv' files; known: \.parquet"),
    ],
)
def test_a_broken_file_is_one_line_that_names_it(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        list(read_rows(tmp_path / name, image="image"))
    assert "\n" not in str(error.value)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_rows(tmp_path / "none.jsonl", image="")


def test_a_folder_without_rows_is_an_error(tmp_path):
    with pytest.raises(DataError, match="neither parquet files nor"):
        read_rows(tmp_path, image="")


def test_a_saved_folder_of_several_splits_asks_for_one(tmp_path):
    data = datasets.Dataset.from_dict({"id": ["0"]})
    datasets.DatasetDict({"test": data, "val": data}).save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match="name the folder of one of test, val"):
        read_rows(tmp_path / "saved", image="")


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"id": 1}\r\n\r\n{"id": 2}\r\n')
    assert [row["id"] for row in read_jsonl(path)] == [1, 2]


def test_a_line_separator_inside_a_string_splits_no_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a\u2028b"}\n', encoding="utf-8")
    assert read_jsonl(path)[0]["id"] == "a\u2028b"


def test_a_field_of_another_type_is_named_with_its_place(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1, "text": null}\n')
    with pytest.raises(DataError, match=r"a\.jsonl:1: text is None, must be str"):
        read_jsonl(path)[0].require("text", str)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"id": ' + "9" * 5000 + "}"])
def test_json_that_python_cannot_hold_is_one_line(tmp_path, text):
    (tmp_path / "a.jsonl").write_text("{}\n" + text + "\n")
    with pytest.raises(DataError, match=r"a\.jsonl:2: not readable JSON") as error:
        read_jsonl(tmp_path / "a.jsonl")
    assert "\n" not in str(error.value)
