"""The benchmarks run, on models so small that their times mean nothing."""

import json
import sys
from importlib.util import find_spec

import pytest
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

from llava_eval.bench import engine as bench
from llava_eval.bench import gpu, overhead
from llava_eval.bench.floor import language_flops, necessary, vision_flops
from llava_eval.bench.workloads import invent_workload
from llava_eval.engines.timing import ALL_STAGES


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    assert bench.main(["--quick", "--out", str(folder)]) == 0
    assert (folder / "engine.png").stat().st_size > 10_000
    return json.loads((folder / "engine.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_engine_answers_every_workload_as_generate_does(report):
    assert list(report["workloads"]) == list(bench.IMAGES)
    assert all(found["identical"] for found in report["workloads"].values())


@pytest.mark.slow
def test_the_report_has_every_figure(report):
    assert report["machine"]["matmul_gflops"] > 0
    for found in report["workloads"].values():
        assert found["speedup_vs_batch1"] > 0
        assert found["floor_ratio"] > 0
        assert found["peak_memory_bytes"] > 2**20
        assert set(found["stages"]) <= set(ALL_STAGES)


@pytest.mark.slow
def test_stages_add_up_to_about_what_was_timed(report):
    for found in report["workloads"].values():
        assert 0.3 < sum(found["stages"].values()) / found["cpu_seconds"]["ours"] < 3


@pytest.mark.slow
def test_without_an_interpreter_for_it_lmms_eval_is_nowhere_in_the_report(report):
    assert "lmms" not in json.dumps(report)
    assert "lmms" not in bench.markdown(report)


@pytest.mark.slow
def test_with_lmms_eval_the_table_has_a_column_more(report):
    found = report["workloads"]["mme"]
    beside = {**found, "lmms_eval_vs_batch1": 0.97}
    without = bench.markdown({**report, "workloads": {"mme": found}}).splitlines()
    given = {**report, "workloads": {"mme": beside}, "peer": {"lmms_eval": "0.7.3"}}
    table = bench.markdown(given).splitlines()
    assert "lmms-eval 0.7.3" in table[0]
    assert [line.count("|") for line in table[2:5]] == [without[2].count("|") + 1] * 3
    assert "0.97x" in table[4]


@pytest.mark.skipif(find_spec("lmms_eval") is not None, reason="lmms-eval is installed")
def test_an_interpreter_without_lmms_eval_is_refused_in_one_line(capsys):
    with pytest.raises(SystemExit) as stopped:
        bench.main(["--peer-python", sys.executable])
    assert stopped.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"--peer-python: {sys.executable}: cannot import lmms-eval's class" in line
    assert "No module named 'lmms_eval'" in line


def test_an_interpreter_that_is_none_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        bench.main(["--peer-python", str(tmp_path / "python")])
    assert stopped.value.code == 2
    assert "no interpreter" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "images", "questions", "distinct"),
    [("pope", 4, 72, 41), ("gqa", 2, 64, 64), ("vqav2", 4, 22, 22), ("mme", 3, 6, 6)],
)
def test_workloads_have_the_shape_of_their_benchmark(name, images, questions, distinct):
    requests = invent_workload(name, images).requests
    assert len(requests) == questions
    assert len({(r.images[0].name, r.text) for r in requests}) == distinct
    assert len({r.images[0].read() for r in requests}) == images


@pytest.mark.slow
def test_without_a_gpu_the_benchmark_makes_a_dry_pass(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    assert gpu.main(["--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "No GPU: a dry pass" in printed
    assert "| POPE | 8,910 | 500 |" in printed
    report = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert report["dry"]
    assert report["benchmarks"]["POPE"]["seconds"] > 0


@pytest.mark.slow
def test_the_way_around_the_model_loses_no_row(tmp_path, capsys):
    assert overhead.main(["--rows", "200", "400", "--out", str(tmp_path)]) == 0
    assert "each row more takes" in capsys.readouterr().out
    found = json.loads((tmp_path / "overhead.json").read_text(encoding="utf-8"))
    assert [(one["rows"], one["failed"]) for one in found] == [(200, 0), (400, 0)]


def llava_7b():
    return LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=1024,
            intermediate_size=4096,
            num_hidden_layers=24,
            num_attention_heads=16,
            image_size=336,
            patch_size=14,
        ),
        text_config=LlamaConfig(vocab_size=32_064),
    )


def test_the_floor_of_the_7b_model_is_what_its_parameters_say():
    """6.476 of 6.738 billion parameters are in linear layers; 23 ViT layers hold 290 million."""
    one_token = language_flops(llava_7b().text_config, 0, 1)
    assert one_token == pytest.approx(2 * 6.476e9, rel=0.001)
    assert vision_flops(llava_7b()) == pytest.approx(2 * 577 * 290e6 + 23 * 1.36e9 + 24e9, rel=0.02)


def test_the_floor_counts_what_is_shared_once():
    config = llava_7b()
    together = necessary(config, [[([1, 2, 3, 4], 2), ([1, 2, 3, 5], 2)]])
    apart = necessary(config, [[([1, 2, 3, 4], 2)], [([1, 2, 3, 5], 2)]])
    assert (together.images, together.prefix_tokens, together.question_tokens) == (1, 3, 2)
    assert apart.total - together.total == vision_flops(config) + language_flops(
        config.text_config, 0, 3
    )


def test_the_least_work_spares_the_last_layer_where_nothing_is_read():
    text = LlamaConfig(
        hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    assert language_flops(text, 0, 5, read=0) == 5 * 2 * (2 * 8 * 8)  # keys and values
    assert language_flops(text, 0, 5, read=5) == language_flops(text, 0, 5)
    assert language_flops(text, 0, 5, read=1) == 4 * 256 + language_flops(text, 4, 1)


def test_the_least_work_has_the_system_text_once():
    config = llava_7b()
    image = config.image_token_id
    one = necessary(config, [[([1, 2, image, 5], 1)]])
    two = necessary(config, [[([1, 2, image, 5], 1)], [([1, 2, image, 6], 1)]])
    system = language_flops(config.text_config, 0, 2, read=0)
    assert two.least == 2 * one.least - system
    assert two.total == 2 * one.total
