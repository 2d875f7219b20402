"""Checkpoints are other people's files: nothing in them runs, and nothing else is loaded.

What is promised stands in docs/security.md; `test_hostile_data` and `test_hostile_text` have the
rest of it.
"""

import ast
import json
import os
import pickle
import re
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

import llava_eval
from llava_eval.checkpoint import find_checkpoint
from llava_eval.engines import EngineSettings, load_engine
from llava_eval.errors import ModelError, UsageError
from llava_eval.records import Request
from tests.tiny import make_checkpoint

PACKAGE = Path(llava_eval.__file__).parent
DOCS = PACKAGE.parent / "docs" / "security.md"

# Modules that turn bytes into code or objects; functions of others that do, or that start a shell.
MODULES = {
    "_pickle", "cPickle", "cloudpickle", "code", "ctypes", "dill", "imp", "importlib", "joblib",
    "marshal", "pickle", "runpy", "shelve",
}  # fmt: skip
BUILTINS = {"__import__", "compile", "eval", "exec", "input"}
METHODS = {
    "full_load", "getoutput", "getstatusoutput", "hub.load", "mktemp", "np.load", "numpy.load",
    "os.popen", "os.system", "read_hdf", "read_pickle", "torch.load", "unsafe_load",
}  # fmt: skip
EXCEPTIONS = {"UnpicklingError", "version"}  # of such modules, harmless
OWN_TABLES = {"__init__.py", "cli.py"}  # import modules of ours, by names that stand there
SAFE_LOADERS = {"_UniqueKeys"}  # classes of ours below yaml.SafeLoader


def suspicious(source):
    """Name every construct that could run what a file says."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in MODULES)
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in MODULES:
            yield from {alias.name for alias in node.names} - EXCEPTIONS
        if isinstance(node, ast.Call):
            yield from suspicious_call(node)


def suspicious_call(call):
    name, last = ast.unparse(call.func), ast.unparse(call.func).split(".")[-1]
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if name in BUILTINS or name in METHODS or last in METHODS:
        yield name
    if name == "yaml.load" and given.get("Loader") not in SAFE_LOADERS:
        yield "yaml.load"
    if given.get("shell") == "True" or given.get("allow_pickle") == "True":
        yield f"{name}(...=True)"
    if "trust_remote_code" in given and given["trust_remote_code"] not in TRUSTED:
        yield f"{name}(trust_remote_code)"


# The only values that trust_remote_code is ever given: no, or what the user said.
TRUSTED = {"False", "settings.trust_remote_code", "options.trust_remote_code"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.name))
def test_nothing_in_the_package_turns_bytes_into_code(path):
    found = list(suspicious(path.read_text(encoding="utf-8")))
    ours = path.parent == PACKAGE and path.name in OWN_TABLES
    assert found == (["import_module"] if ours else [])


def test_our_yaml_loader_is_a_safe_one():
    from yaml import SafeLoader

    from llava_eval import strict

    assert all(issubclass(getattr(strict, name), SafeLoader) for name in SAFE_LOADERS)


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')",
        "exec('1')",
        "import pickle",
        "from marshal import loads",
        "import joblib.externals",
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.UnsafeLoader)",
        "yaml.unsafe_load(text)",
        "numpy.load(path)",
        "f(path, allow_pickle=True)",
        "torch.load(path)",
        "pandas.read_pickle(path)",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
        "__import__('os')",
        "tempfile.mktemp()",
    ],
)
def test_the_search_for_such_code_finds_it(source):
    assert list(suspicious(source))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def folder(tiny, tmp_path):
    return shutil.copytree(tiny, tmp_path / "model")


@pytest.fixture
def marker(tmp_path):
    """A file that appears when somebody's code has run."""
    return tmp_path / "it-ran"


def bomb(marker):
    """A pickle that makes the marker when it is loaded."""

    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch '{marker}'",)

    return pickle.dumps({"weight": Bomb()}, protocol=2)  # torch warns of others


def evil_code(marker):
    return f"from pathlib import Path\nPath({str(marker)!r}).touch()\n"


def change(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def ask(folder, **settings):
    """The answers to two questions without an image."""
    engine = load_engine(EngineSettings(str(folder), **settings))
    asked = [Request(str(n), f"What is {n}?", (), 4) for n in range(2)]
    return sorted((p.id, p.text, p.error) for batch in engine.generate(asked) for p in batch)


def test_the_hostile_pickle_of_these_tests_does_run(marker):
    pickle.loads(bomb(marker))
    assert marker.exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "weights.pkl"])
@pytest.mark.parametrize("allow_pickle", [False, True])
def test_pickled_weights_alone_are_never_unpickled(folder, marker, name, allow_pickle):
    """With --allow-pickle torch reads tensors and nothing else."""
    (folder / "model.safetensors").unlink()
    (folder / name).write_bytes(bomb(marker))
    refusal = "can run code when loaded"
    if allow_pickle:  # transformers looks for pytorch_model.bin alone
        refusal = "more than tensors" if name == "pytorch_model.bin" else "cannot be loaded"
    with pytest.raises(ModelError, match=r"holds no" if ".pkl" in name else refusal) as error:
        ask(folder, allow_pickle=allow_pickle)
    assert not marker.exists()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "name",
    ["pytorch_model.bin", "model.pt", "training_args.bin", "optimizer.pt", "scheduler.pt", "a.pkl"],
)
def test_a_pickle_beside_safetensors_is_left_alone(tiny, folder, marker, name):
    (folder / name).write_bytes(bomb(marker))
    assert ask(folder) == ask(tiny)
    assert not marker.exists()


def test_a_pickle_that_calls_itself_safetensors_is_no_weights_file(folder, marker):
    (folder / "model.safetensors").write_bytes(bomb(marker))
    with pytest.raises(ModelError, match="cannot be loaded"):
        ask(folder)
    assert not marker.exists()


def sharded(folder, name):
    """Give the weights an index that says that they are in a file of this name."""
    names = list(load_file(folder / "model.safetensors"))
    index = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(names, name)}
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "name", ["evil.bin", "../evil.bin", "/tmp/evil.bin", "../other.safetensors"]
)
def test_an_index_of_shards_names_no_file_but_the_weights_beside_it(folder, marker, name):
    sharded(folder, name)
    (folder / "evil.bin").write_bytes(bomb(marker))
    shutil.copy(folder / "model-1.safetensors", folder.parent / "other.safetensors")
    with pytest.raises(ModelError, match=re.escape(repr(name)) + ", which is not among"):
        ask(folder)
    assert not marker.exists()


def test_weights_in_shards_are_loaded(tiny, folder):
    sharded(folder, "model-1.safetensors")
    assert ask(folder) == ask(tiny)


def point_elsewhere(folder):
    shutil.copy(folder / "config.json", folder / "config.1.0.0.json")
    change(folder / "config.json", configuration_files=["config.1.0.0.json"])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (point_elsewhere, "configuration_files names other files"),
        (lambda f: change(f / "config.json", transformers_weights="a.safetensors"), "names other"),
        (lambda f: (f / "adapter_config.json").write_text("{}"), "an adapter beside a model"),
    ],
)
def test_a_checkpoint_sends_transformers_to_no_other_files(folder, spoil, message):
    spoil(folder)
    with pytest.raises(ModelError, match=message):
        ask(folder)


CODE_MAP = {
    "AutoConfig": "evil.Evil",
    "AutoModel": "evil.Evil",
    "AutoProcessor": "evil.Evil",
    "AutoTokenizer": ["evil.Evil", "evil.Evil"],
    "AutoImageProcessor": "evil.Evil",
}
CONFIGS = [
    "config.json", "processor_config.json", "tokenizer_config.json", "preprocessor_config.json",
    "generation_config.json", "video_preprocessor_config.json",
]  # fmt: skip


def bring_code(folder, name, marker, nested=False):
    """Make a configuration file ask for the code beside it."""
    (folder / "evil.py").write_text(evil_code(marker) + "class Evil: pass\n")
    path = folder / name
    path.write_text(path.read_text() if path.exists() else "{}")
    change(
        path, **({"image_processor": {"auto_map": CODE_MAP}} if nested else {"auto_map": CODE_MAP})
    )
    return path


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("nested", [False, True])
def test_code_that_comes_with_a_checkpoint_needs_the_users_word(folder, marker, name, nested):
    bring_code(folder, name, marker, nested)
    with pytest.raises(ModelError, match=f"{name}: brings its own Python code.*--trust-remote"):
        ask(folder)
    assert not marker.exists()


def test_the_word_is_found_however_json_spells_it(folder, marker):
    path = bring_code(folder, "tokenizer_config.json", marker)
    path.write_text(path.read_text().replace('"auto_map"', r'"auto\u005fmap"'))
    with pytest.raises(ModelError, match="brings its own Python code"):
        ask(folder)
    assert not marker.exists()


def test_with_the_users_word_it_runs(folder, marker):
    """So the tests above can fail."""
    bring_code(folder, "processor_config.json", marker)
    with pytest.raises(ModelError):  # the code runs, and is no processor
        ask(folder, trust_remote_code=True)
    assert marker.exists()


def test_a_generate_function_of_the_checkpoints_own_is_not_run(tiny, folder, marker):
    (folder / "custom_generate").mkdir()
    code = evil_code(marker) + "def generate(*a, **k): Path('x')\n"
    (folder / "custom_generate" / "generate.py").write_text(code)
    assert ask(folder) == ask(tiny)
    assert not marker.exists()


def test_a_chat_template_is_never_rendered(tiny, folder):
    """Prompts come from the family's template, so even one that is no Jinja does no harm."""
    template = "{{ raise_exception('rendered') }}{% for x in range(10**9) %}"
    (folder / "chat_template.jinja").write_text(template)
    change(folder / "tokenizer_config.json", chat_template=template)
    assert ask(folder) == ask(tiny)


def test_an_attention_kernel_of_the_hub_needs_the_users_word(folder):
    with pytest.raises(UsageError, match=r"code on the Hub.*--trust-remote-code"):
        ask(folder, attention="somebody/kernel")


def test_an_attention_kernel_that_the_checkpoint_names_is_not_used(tiny, folder):
    change(folder / "config.json", _attn_implementation="somebody/kernel")
    assert ask(folder) == ask(tiny)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, '{"a": ' + "9" * 5000 + "}"])
def test_a_configuration_that_python_cannot_hold_is_one_line(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(ModelError, match=r"config\.json: cannot be read") as error:
        find_checkpoint(str(folder))
    assert "\n" not in str(error.value)


NAMED = re.compile(r"`(test_\w+)(?:\.py)?::(test_\w+)`")


def test_every_test_that_the_page_of_promises_names_exists():
    named = NAMED.findall(DOCS.read_text(encoding="utf-8"))
    assert len(named) > 30
    missing = [f"{file}::{test}" for file, test in named if test not in names_in(file)]
    assert missing == []


def test_every_test_of_a_promise_is_named_on_the_page():
    named = {test for _, test in NAMED.findall(DOCS.read_text(encoding="utf-8"))}
    for file in ("test_security", "test_hostile_data", "test_hostile_text"):
        assert sorted(names_in(file) - named - CONTROLS) == []


# Tests that others can fail, and tests of this page.
CONTROLS = {
    "test_every_test_of_a_promise_is_named_on_the_page",
    "test_every_test_that_the_page_of_promises_names_exists",
    "test_the_hostile_pickle_of_these_tests_does_run",
    "test_the_search_for_such_code_finds_it",
    "test_weights_in_shards_are_loaded",
    "test_with_the_users_word_it_runs",
}


def names_in(file):
    """The tests of a module."""
    source = (Path(__file__).parent / f"{file}.py").read_text(encoding="utf-8")
    functions = [n.name for n in ast.parse(source).body if isinstance(n, ast.FunctionDef)]
    return {name for name in functions if name.startswith("test_")}
