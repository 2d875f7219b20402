"""Every format can be read back, and nobody's text can do anything in it."""

import csv
import html.parser
import io
import re
import shutil
import subprocess

import pytest

from llava_eval.cli import main
from llava_eval.leaderboard import FORMATS, build_leaderboard
from llava_eval.leaderboard.page import table
from llava_eval.store import find_runs
from tests.boards import result_of, write_run

EVIL = [
    "=cmd('calc')",
    " @SUM(1+1)",
    "<script>alert(1)</script>",
    '"><img src=x onerror="alert(1)">',
    r"\input{/etc/passwd} $\catcode`\%=0$ 100% a_b^c #1 ~ {",
    "a|b\\|c",
    "*starred",
    "[x](javascript:alert(1)) **bold** `code` _y_ ~~z~~ &amp;",
    "\x1b[31mred\x1b[0m\r\nsecond line\t\u202egnp",
    "猫 Ünïcode ±†–",
]


@pytest.fixture
def board(tmp_path):
    for place, name in enumerate(EVIL):
        result = result_of("pope", 80.0 + place, unparsed=place, data=f"{place:016}")
        write_run(tmp_path / str(place) / "pope", result, model=name)
    write_run(tmp_path / "g" / "gqa", result_of("gqa", 61.25), model=EVIL[0])
    return build_leaderboard(find_runs([tmp_path]))


def rows_of_csv(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_one_row_per_number_at_full_precision(board):
    rows = rows_of_csv(FORMATS["csv"](board))
    [row] = [row for row in rows if row["task"] == "gqa" and row["source"] == "measured"]
    assert (row["metric"], row["unit"], row["primary"]) == ("accuracy", "percent", "yes")
    numbers = [float(row[name]) for name in ("value", "low", "high", "error")]
    assert numbers == [61.25, 61.25 - 0.98, 61.25 + 0.98, 0.5]
    assert (row["n"], row["rows"], row["failed"], row["complete"]) == ("12578", "12578", "0", "yes")
    assert row["flags"] == ""


def test_csv_says_what_is_wrong_with_a_number_and_where_a_published_one_is_from(board):
    rows = rows_of_csv(FORMATS["csv"](board))
    flagged = [row["flags"] for row in rows if row["source"] == "measured" and row["flags"]]
    assert len(flagged) == len(EVIL) - 1
    assert all(flag.startswith("other rows (data ") for flag in flagged)
    [hd] = [
        r
        for r in rows
        if r["model"] == "LLaVA-1.5-13B-HD" and r["task"] == "pope" and r["primary"] == "yes"
    ]
    assert (hd["source"], hd["value"], hd["low"]) == ("paper", "86.3", "")
    assert hd["flags"] == "mean of the three F1"


def test_csv_has_the_groups_that_the_paper_prints(board):
    rows = rows_of_csv(FORMATS["csv"](board))
    found = {
        r["group"]: r["value"]
        for r in rows
        if r["model"] == "LLaVA-1.5-7B" and r["task"] == "pope" and r["primary"] == "no"
    }
    assert found == {"random": "87.3", "popular": "86.1", "adversarial": "84.2"}


def test_no_cell_of_the_csv_is_a_formula(board):
    for row in csv.reader(io.StringIO(FORMATS["csv"](board))):
        for cell in row:
            assert not cell.lstrip().startswith(("=", "+", "@", "\t", "\r"))
            assert not cell.startswith("-") or float(cell)


class Reader(html.parser.HTMLParser):
    """Collects the tags, attributes and cells of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.rows, self.open = set(), set(), [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
        if tag not in ("meta",) and not tag.startswith("!"):
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


def test_html_is_well_formed_has_every_cell_and_runs_nothing(board):
    page = Reader(FORMATS["html"](board))
    assert page.open == []
    assert page.tags == {
        *("html", "head", "meta", "title", "style", "body", "table", "thead"),
        *("tbody", "tr", "th", "td", "small", "sup", "strong", "ul", "li"),
    }
    assert page.attributes == {"lang", "charset", "title"}
    assert {len(row) for row in page.rows} == {1 + len(board.columns)}
    assert len(page.rows) == 2 + len(board.lines)
    assert page.rows[-1][0] == "LLaVA-7B (v1) [paper]"
    assert "<script>alert(1)</script>" in [row[0] for row in page.rows]


def test_html_can_stand_in_another_page(board):
    assert table(board).startswith("<table>")
    assert "<html" not in table(board)


def test_markdown_has_as_many_cells_in_every_row(board):
    lines = FORMATS["md"](board).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len(rows) == 3 + len(board.lines)
    assert {row.count("|") for row in rows} == {len(board.columns) + 2}
    assert all(line.startswith("- ") for line in lines[len(rows) + 1 :])


@pytest.mark.parametrize("harm", ["<script", "<img", "](javascript", "**bold**", " `code`", "\x1b"])
def test_markdown_takes_names_as_text(board, harm):
    assert harm not in FORMATS["md"](board)


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_lets_a_terminal_obey_a_name(board, name):
    text = FORMATS[name](board)
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "x1b[31mred" in text.replace("{[}", "[")


def test_text_has_the_number_its_interval_its_mark_its_counts_and_its_best(board):
    text = FORMATS["text"](board)
    assert re.search(r"^=cmd\('calc'\) +61\.2 ±1\.0 +80\.0 ±1\.0$", text, re.M)
    assert re.search(r"^LLaVA-1\.5-13B-LoRA \[zoo\] +63\.3 +\*86\.7$", text, re.M)
    assert re.search(r"^a\|b\\\|c +85\.0 ±1\.0 †\d 5u$", text, re.M)
    assert re.search(r"^samples +12,578 +8,910$", text, re.M)


def plain(latex):
    """Take out what is escaped: what remains means something to LaTeX."""
    return re.sub(r"\\[&%$#_{}]", "", re.sub(r"^%.*\n", "", latex, flags=re.M))


def test_latex_is_balanced_escaped_and_has_every_cell(board):
    latex = plain(FORMATS["latex"](board))
    assert latex.isascii()
    assert latex.count("{") == latex.count("}")
    assert latex.count("$") % 2 == 0
    assert not re.search(r"[%#_^~|<>\"]", latex)
    commands = set(re.findall(r"\\([a-zA-Z]+)", latex))
    assert commands <= {
        *("begin", "end", "centering", "scriptsize", "setlength", "tabcolsep", "toprule"),
        *("midrule", "bottomrule", "textbf", "textsuperscript", "dagger", "pm", "medskip", "par"),
        *("textbackslash", "textasciicircum", "textasciitilde", "textless", "textgreater"),
        "textbar",
    }
    rows = [line for line in latex.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 2 + len(board.lines)
    assert {row.count("&") for row in rows} == {len(board.columns)}
    assert not [row for row in rows if row.startswith(("[", "*"))]  # an argument of the \\\\ above
    for environment in re.findall(r"\\begin\{(\w+\*?)\}", latex):
        assert latex.count(rf"\end{{{environment}}}") == 1


def test_latex_compiles_with_booktabs_where_there_is_a_latex(board, tmp_path):
    (tmp_path / "table.tex").write_text(FORMATS["latex"](board), encoding="utf-8")
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{table}"
    (tmp_path / "paper.tex").write_text(document + r"\end{document}")
    if shutil.which("kpsewhich") and subprocess.run(["kpsewhich", "booktabs.sty"]).returncode == 0:
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:]
        assert (tmp_path / "paper.pdf").stat().st_size > 1000


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_can_be_written_to_a_file(tmp_path, name, capsys):
    write_run(tmp_path / "pope", result_of("pope"))
    out = tmp_path / "table.out"
    assert main(["leaderboard", str(tmp_path), "--format", name, "--out", str(out)]) == 0
    assert "a-model" in out.read_text(encoding="utf-8")
    assert capsys.readouterr().out == ""
