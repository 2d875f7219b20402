import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llava_eval.errors import DataError
from llava_eval.records import DataSet, Sample
from llava_eval.samples import draw, read_samples
from llava_eval.task import load_task, task_names
from tests.conftest import pope_row

POPE = load_task("pope")


def without_images(data):
    return [(s.id, s.question, s.references, dict(s.groups), s.cluster) for s in data.samples]


def test_every_local_form_of_the_hub_schema_gives_the_same_samples(
    tmp_path, write_jsonl, pope_rows
):
    jsonl = read_samples(POPE, str(write_jsonl("rows.jsonl", pope_rows)))
    pq.write_table(pa.Table.from_pylist(pope_rows), tmp_path / "rows.parquet")
    datasets.Dataset.from_list(pope_rows).save_to_disk(tmp_path / "saved")
    for name in ("rows.parquet", "saved"):
        other = read_samples(POPE, str(tmp_path / name))
        assert without_images(other) == without_images(jsonl)
        assert other.digest == jsonl.digest


def official_pope(folder, write_jsonl):
    """Two questions a category, as LLaVA's folder has them."""
    for start, category in ((1, "adversarial"), (10_000_001, "random"), (20_000_001, "popular")):
        write_jsonl(
            f"{folder}/coco/coco_pope_{category}.json",
            [
                {"question_id": 1, "image": "a.jpg", "text": "Is there a dog?", "label": "no"},
                {"question_id": 2, "image": "a.jpg", "text": "Is there a cat?", "label": "yes"},
            ],
        )
        yield from (
            {
                "question_id": start + place,
                "image": "a.jpg",
                "text": f"{text}\nAnswer the question using a single word or phrase.",
                "category": category,
            }
            for place, text in enumerate(("Is there a cat?", "Is there a dog?"))
        )


@pytest.fixture
def official(tmp_path, write_jsonl):
    questions = list(official_pope("playground/data/eval/pope", write_jsonl))
    write_jsonl("playground/data/eval/pope/llava_pope_test.jsonl", questions)
    return tmp_path


@pytest.mark.parametrize("below", ["", "playground/data/eval", "playground/data/eval/pope"])
def test_llavas_folder_is_found_at_any_of_its_levels(official, below):
    assert len(read_samples(POPE, str(official / below)).samples) == 6


def test_labels_are_joined_by_image_and_question_not_by_line(official):
    samples = read_samples(POPE, str(official)).samples
    assert [s.references[0] for s in samples] == ["yes", "no"] * 3
    assert [s.id for s in samples][:3] == ["1", "2", "10000001"]


def test_label_files_of_another_length_name_the_version_that_is_needed(official, write_jsonl):
    path = "playground/data/eval/pope/coco/coco_pope_random.json"
    write_jsonl(
        path, [{"question_id": 1, "image": "a.jpg", "text": "Is there a dog?", "label": "no"}]
    )
    with pytest.raises(DataError, match=r"1 labels for 2 random questions.*2,910 lines"):
        read_samples(POPE, str(official))


def test_label_files_with_other_questions_name_the_version_that_is_needed(official):
    path = official / "playground/data/eval/pope/coco/coco_pope_random.json"
    path.write_text(path.read_text().replace("dog", "cow"))
    with pytest.raises(DataError, match=r"no random label for 'Is there a dog\?'.*e3e39262"):
        read_samples(POPE, str(official))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no rows in it"),
        ([pope_row(1), pope_row(1)], r"rows\.jsonl:2: id '1' stands at .*:1 too"),
        ([pope_row(1, answer="maybe")], "rows.jsonl:1: the reference is 'maybe'"),
        ([pope_row(1, category=None)], "rows.jsonl:1: no category; must be adversarial"),
        ([pope_row(1, question=None)], "question is None, must be str"),
        ([{"id": "1"}], "no 'question' here; there is id"),
    ],
)
def test_rows_that_cannot_be_scored_are_refused(write_jsonl, rows, message):
    with pytest.raises(DataError, match=message):
        read_samples(POPE, str(write_jsonl("rows.jsonl", rows)))


def test_a_source_that_is_nothing_lists_what_could_be_given():
    with pytest.raises(DataError, match="no such file or folder; give 'mini', 'hub'"):
        read_samples(POPE, "./nowhere")


def test_a_number_of_rows_that_no_version_has_is_marked(write_jsonl, pope_rows):
    data = read_samples(POPE, str(write_jsonl("rows.jsonl", pope_rows)))
    assert (data.version, data.known) == ("unknown", False)


@pytest.mark.parametrize(("n", "version"), [(9000, "3,000-line"), (8910, "2,910-line")])
def test_versions_are_told_apart_by_their_number_of_rows(write_jsonl, n, version):
    data = read_samples(POPE, str(write_jsonl("rows.jsonl", [pope_row(i) for i in range(n)])))
    assert data.version.startswith(version)


def test_a_short_hub_download_is_an_error_and_not_a_low_score(monkeypatch, pope_rows):
    short = datasets.Dataset.from_list(pope_rows)
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: short)
    with pytest.raises(DataError, match="12 rows, must be 8,910 or 9,000; an incomplete download"):
        read_samples(POPE, "hub")


def test_the_repository_that_was_used_is_recorded(monkeypatch):
    rows = datasets.Dataset.from_list([pope_row(i) for i in range(9000)])

    def load(repo, *_, **__):
        if repo != "lmms-lab/POPE":
            raise datasets.exceptions.DatasetNotFoundError(f"{repo} is gone")
        return rows

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert read_samples(POPE, "hub").source == "hub:lmms-lab/POPE"


def test_without_a_network_each_repository_says_why(monkeypatch):
    def load(repo, *_, **__):
        raise ConnectionError(f"no route to {repo}")

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(DataError, match=r"no route to lmms-lab-encoder/POPE.*name local files"):
        read_samples(POPE, "hub")


def test_a_row_without_an_image_fails_when_it_is_asked_for(write_jsonl):
    data = read_samples(POPE, str(write_jsonl("rows.jsonl", [pope_row(1)])))
    with pytest.raises(DataError, match="no image in column 'image'"):
        data.samples[0].images[0].read()


def many(clusters, size):
    samples = tuple(
        Sample(f"{c}-{i}", "?", cluster=str(c)) for c in range(clusters) for i in range(size)
    )
    return DataSet("here", "v", True, samples, "digest")


def test_a_draw_takes_whole_clusters():
    drawn = draw(many(10, 4), 10)
    assert len(drawn.samples) == 8
    assert len({sample.cluster for sample in drawn.samples}) == 2
    assert drawn.drawn


def test_a_draw_is_seeded_and_does_not_depend_on_the_order_of_rows():
    data = many(10, 4)
    back = DataSet("here", "v", True, data.samples[::-1], "digest")
    assert draw(data, 10).digest == draw(back, 10).digest
    assert draw(data, 10, seed=1).digest != draw(data, 10).digest


def test_a_draw_of_everything_is_no_draw():
    assert not draw(many(3, 2), 6).drawn


@pytest.mark.parametrize("task", [t for t in task_names() if load_task(t).mini])
def test_a_saved_copy_of_every_mini_split_gives_the_same_samples(tmp_path, task):
    """As the Hub delivers it: images, and lists of images, in columns of their own type."""
    card = load_task(task)
    whole = datasets.Dataset.from_parquet(str(card.home / card.mini), cache_dir=str(tmp_path))
    one = whole.features["image"]
    kind = datasets.List(datasets.Image()) if isinstance(one, datasets.List) else datasets.Image()
    whole.cast_column("image", kind).save_to_disk(tmp_path / "saved")
    saved, mini = read_samples(card, str(tmp_path / "saved")), read_samples(card, "mini")
    assert saved.digest == mini.digest
    pictures = [[ref.read() for ref in s.images] for s in saved.samples[::9]]
    assert pictures == [[ref.read() for ref in s.images] for s in mini.samples[::9]]


def test_the_mini_split_under_its_own_path_is_marked_as_such():
    assert read_samples(POPE, str(POPE.home / POPE.mini)).source == "mini"


def test_label_files_without_questions_are_an_error(official):
    path = official / "playground/data/eval/pope/llava_pope_test.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "random" not in line))
    with pytest.raises(DataError, match=r"coco_pope_random\.json: no question of its category"):
        read_samples(POPE, str(official))


def test_a_question_with_two_labels_is_an_error(official):
    path = official / "playground/data/eval/pope/coco/coco_pope_random.json"
    path.write_text(path.read_text().replace("dog", "cat"))
    with pytest.raises(DataError, match=r"'Is there a cat\?' on a.jpg is labelled both yes and no"):
        read_samples(POPE, str(official))


def test_gqa_on_disk_is_joined_with_its_images(tmp_path):
    gqa = load_task("gqa")
    rows = pq.read_table(gqa.home / gqa.mini).to_pylist()
    for name, content in (
        (gqa.hub.config, [{k: v for k, v in row.items() if k != "image"} for row in rows]),
        (gqa.hub.images_config, [{"id": r["imageId"], "image": r["image"]} for r in rows]),
    ):
        (tmp_path / name).mkdir()
        pq.write_table(pa.Table.from_pylist(content), tmp_path / name / "testdev.parquet")
    joined = read_samples(gqa, str(tmp_path))
    assert joined.digest == read_samples(gqa, "mini").digest
    assert joined.samples[0].images[0].read() == rows[0]["image"]["bytes"]
