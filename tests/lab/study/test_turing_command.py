"""Whether a person can tell: command."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from browsers import CHROMIUM
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.lab.study.plan import PRACTICE
from koalarize.lab.study.session import read_record
from koalarize.web import server
from turing_parts import HOST, give, open_trial


@pytest.fixture
def here(folder, colorizers, tmp_path, monkeypatch):
    """A working directory; `serve` is a person who answers as many trials as the list says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Colorizer, "load", lambda *_, **__: colorizers["fake"])
    answers: list[str] = []

    def serve(app, *, port, open_browser, announce):
        announce("http://127.0.0.1:1/")
        client = TestClient(app, base_url=HOST)
        while answers and not client.get("/api/state").json()["finished"]:
            give(client, open_trial(client)["trial"], answers.pop(0))

    monkeypatch.setattr(server, "serve", serve)
    return answers


WORDS = ["lab", "turing", "photos", "--trials", "4", "--catch", "0", "--size", "96", "--no-browser"]


def test_the_command_stops_goes_on_and_reports(here, capsys):
    here += ["real"] * 2
    assert main(WORDS) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "http://127.0.0.1:1/" in said.err
    assert "2 of 4 answered; the same command continues" in said.err
    here += ["real"] * 2
    assert main([*WORDS, "-o", "report.json"]) == 0
    said = capsys.readouterr()
    assert "going on with turing.json: 2 of 4 answered" in said.err
    assert "| koala | 2 | 100.0 % | 34.2 % to 100.0 % |" in said.out
    assert json.loads(Path("report.json").read_text())["models"][0]["name"] == "koala"


def test_reports_of_several_people(here, capsys):
    for person in ("Ada L", "Bob"):
        here += ["recoloured"] * 4
        assert main([*WORDS, "--person", person]) == 0
    capsys.readouterr()
    files = ["turing-Ada-L.json", "turing-Bob.json"]
    for flag in ("--report", "--summary"):
        assert main(["lab", "turing", flag, *files]) == 0
        out = capsys.readouterr().out
        assert "2 people" in out
        assert "| Ada L | 4 of 4 |" in out
    assert main(["lab", "turing", "--report", files[0], files[0]]) == 1
    assert "the same session" in capsys.readouterr().err
    for number, file in enumerate(files):  # two people without a name, files of one name
        facts = json.loads(Path(file).read_text())
        facts["settings"]["person"] = None
        Path(f"p{number}").mkdir()
        Path(f"p{number}/turing.json").write_text(json.dumps(facts))
    assert main(["lab", "turing", "--report", "p0/turing.json", "p1/turing.json"]) == 0
    assert "| p1/turing.json | 4 of 4 |" in capsys.readouterr().out


def test_few_photos_come_again_and_the_command_says_so(here, capsys):
    assert main(["lab", "turing", "photos", "--trials", "20", "--no-browser"]) == 0
    assert "only 12 photos for 24 trials" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["photos", "--mode", "both"], 2, "`--mode` is `both`"),
        (["photos", "photos"], 2, "2 folders are given"),
        (["photos", "--model", "a.onnx", "--model", "b/a.onnx"], 2, "two models are called `a`"),
        (["nowhere"], 1, "`nowhere` is no folder"),
        (["--report", "nowhere.json"], 1, "the session `nowhere.json` cannot be read"),
        (["--report", "photos"], 1, "the session `photos` cannot be read"),
        (["photos", "-o", "nowhere/r.json"], 1, "the folder `nowhere` of `r.json` does not exist"),
        ([], 2, "missing"),
    ],
)
def test_wrong_commands(here, monkeypatch, capsys, words, code, text):
    monkeypatch.setattr("koalarize.models.store.find_model", lambda _: Path("photos/00.png"))
    assert main(["lab", "turing", *words]) == code
    error = capsys.readouterr().err
    assert text in error.lower() if text == "missing" else text in error
    assert not Path("turing.json").exists()


FLAGS = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run"


@contextlib.contextmanager
def running(folder: Path, *words: str):
    """Run the whole program and yield its address; Ctrl-C ends it."""
    command = [
        sys.executable,
        "-m",
        "koalarize",
        "lab",
        "turing",
        str(folder),
        "--no-browser",
        *words,
    ]
    with subprocess.Popen(
        [*command, "--port", "0"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        try:
            for line in run.stderr:
                if found := re.search(r"http://\S+", line):
                    yield found[0], run
                    break
            else:
                raise AssertionError("the program ended before it served")
        finally:
            if run.poll() is None:
                run.send_signal(signal.SIGINT)


#: The cross before each picture stands so long in the page, and so long here.
CROSS = "const CROSS_MS = 500;", "const CROSS_MS = 50;"


def serve_sooner(route) -> None:
    """Hand out the page's script with a short cross: half a second, ten times, is only waited."""
    answer = route.fetch()
    published = answer.text()
    assert published.count(CROSS[0]) == 1
    route.fulfill(response=answer, body=published.replace(*CROSS))


def wait_for(page, selector: str, *, hidden: bool = False) -> None:
    """Look every 20 ms: Playwright's own waiting soon looks but every 500 ms."""
    until = time.monotonic() + 30
    while page.is_visible(selector) == hidden:
        assert time.monotonic() < until, f"{selector} is {'still' if hidden else 'not'} there"
        page.wait_for_timeout(20)


def judge(page, key: str) -> None:
    wait_for(page, "#question")
    page.wait_for_timeout(150)  # sooner would be excluded
    page.keyboard.press(key)
    wait_for(page, "#question", hidden=True)


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    options = [*FLAGS.split(), "--disable-background-networking"]
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=options)
        yield found
        found.close()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize(("mode", "width"), [("single", 1200), ("pair", 320)])
def test_a_person_in_a_browser(browser, folder, tmp_path, mode, width):
    file = tmp_path / "s.json"
    words = ["--mode", mode, "--trials", "4", "--catch", "1", "--seconds", "0.3"]
    with running(folder, *words, "--session", str(file)) as (address, run):
        page = browser.new_page(viewport={"width": width, "height": 800})
        troubles, requests = [], []
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda message: troubles.append(message.text))
        page.on("request", lambda request: requests.append(request.url))
        page.route("**/page.js", serve_sooner)
        page.goto(address)
        page.click("#practise")
        for _ in range(PRACTICE):
            judge(page, "ArrowLeft")
            wait_for(page, "#feedback")
            page.keyboard.press("Space")
        page.keyboard.press("Enter")
        judge(page, "ArrowLeft")
        wait_for(page, "#question")
        page.reload()  # in the middle of a trial, which then counts as shown twice
        wait_for(page, "#resume")
        page.click("#start")
        for key in ("ArrowRight", "ArrowLeft", "ArrowRight"):
            judge(page, key)
        wait_for(page, "#question")
        page.wait_for_timeout(150)
        page.click("#second")  # by touch
        wait_for(page, "#results")
        assert "shown more than once" in page.inner_text("#facts")
        assert page.locator("#chart circle").count() >= 1
        narrow = "document.documentElement.scrollWidth <= innerWidth"
        assert page.evaluate(narrow)
        table = "(box => box.scrollWidth <= box.clientWidth)(document.querySelector('.scroll'))"
        assert page.evaluate(table)
        page.close()
        assert troubles == []
        assert all(url.startswith((address, f"blob:{address}", "data:")) for url in requests)
        run.send_signal(signal.SIGINT)
        report, _ = run.communicate(timeout=30)
        assert run.returncode == 0
    assert "| koala |" in report
    answers = read_record(file).answers
    assert [answer.views for answer in answers] == [1, 2, 1, 1, 1]
    assert all(abs(answer.shown_ms - 300) < 60 for answer in answers)
    assert all(answer.reaction_ms > 100 for answer in answers)
