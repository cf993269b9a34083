"""The real Dagster UI in a real browser: the graph, one run by click, pictures, and captions that attack the page."""

import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import pytest

from tests.e2e.hostile_shard import HOSTILE_SHARD, HOSTILE_TAR, hostile_tar
from tests.e2e.processes import REPOSITORY, Project, free_port, installed, new_project, started

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e .[dev]")

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
# Without these the browser asks servers of its vendor, also where nothing but the loopback can be reached.
OFFLINE = [
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PICTURES = REPOSITORY / "test-output" / "ui"
TIMEOUT_MS = 90_000
GROUPS = ("pool", "encoder", "features", "clusters", "scores", "subsets")
SCORES = ("caption_language", "caption_length", "clip_score", "image_size", "prototype_distance")
# Controls that move or hide text: ESC and its kin, and what Unicode says about direction.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Server(NamedTuple):
    """A running `dagster dev` over a finished project."""

    project: Project
    url: str

    def ask(self, query: str) -> dict[str, object]:
        """Answer to a GraphQL query, past any proxy."""
        body = json.dumps({"query": query}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            content = json.load(answer)
        assert "errors" not in content, content
        return content["data"]

    def is_loaded(self) -> bool:
        """Whether GraphQL answers and the code location is there."""
        try:
            found = self.ask("{repositoriesOrError{__typename ... on RepositoryConnection{nodes{name}}}}")
        except OSError:
            return False
        return bool(found["repositoriesOrError"].get("nodes"))

    def materializations(self) -> set[tuple[str, str | None, str]]:
        """Asset, partition and run of every materialization."""
        found = self.ask("{assetsOrError{... on AssetConnection{nodes{key{path} assetMaterializations{partition runId}}}}}")
        return {
            ("/".join(node["key"]["path"]), event["partition"], event["runId"])
            for node in found["assetsOrError"]["nodes"]
            for event in node["assetMaterializations"]
        }

    def runs(self) -> dict[str, tuple[str, dict[str, str]]]:
        """Status and tags of every run."""
        found = self.ask("{runsOrError{... on Runs{results{runId status tags{key value}}}}}")
        runs = found["runsOrError"]["results"]
        return {run["runId"]: (run["status"], {tag["key"]: tag["value"] for tag in run["tags"]}) for run in runs}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The demo of the installed command, a hostile shard added to it, and the UI over both."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium, or name one in $CHROMIUM")
    project = new_project(tmp_path_factory.mktemp("ui") / "project")
    done = project.curate("demo", ".", "--shards", "2", "--samples", "120")
    assert done.returncode == 0, done.stderr
    hostile_tar(project.folder / "pool" / HOSTILE_TAR)
    done = project.curate("apply")
    assert done.returncode == 0, done.stderr
    port = str(free_port())
    command = (installed("dagster"), "dev", "-w", str(REPOSITORY / "workspace.yaml"), "-h", "127.0.0.1", "-p", port)
    with started(*command, project=project) as running:
        server = Server(project, f"http://127.0.0.1:{port}")
        running.wait_until(server.is_loaded, "an answer of GraphQL", timeout_s=240)
        yield server


@pytest.fixture(scope="module")
def browser(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator["playwright.BrowserContext"]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with playwright.sync_playwright() as engine:
        context = engine.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("chromium")),
            executable_path=CHROMIUM,
            headless=True,
            args=["--headless=new", "--no-sandbox", "--disable-gpu", *OFFLINE],
            viewport={"width": 1600, "height": 1100},
        )
        yield context
        context.close()


@pytest.fixture
def page(browser: "playwright.BrowserContext") -> Iterator["playwright.Page"]:
    """A page; after the test no text of the pool may have become live in it."""
    page = browser.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    playwright.expect.set_options(timeout=TIMEOUT_MS)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    # Dagster's greeting covers the first page that is ever opened.
    page.add_locator_handler(page.get_by_role("button", name="Skip", exact=True), lambda button: button.click())
    yield page
    assert page.evaluate("window.__pwned") is None
    assert page.locator("a[href^='javascript:' i], iframe[src*='tracker']").count() == 0
    assert "pwned" not in page.title()
    strangers = [url for url in asked if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).hostname != "127.0.0.1"]
    assert asked
    assert strangers == []
    page.close()


def saved(page: "playwright.Page", name: str) -> None:
    page.screenshot(path=PICTURES / f"{name}.png")


def show_partition(page: "playwright.Page", server: Server, asset: str, shard: str) -> None:
    page.goto(f"{server.url}/assets/{asset}?view=partitions&partition={quote(shard)}")
    playwright.expect(page.get_by_text("delta_version", exact=True).first).to_be_visible()


def open_picture(page: "playwright.Page", name: str) -> "playwright.Locator":
    """The picture behind a metadata entry, once the browser has decoded it."""
    page.get_by_role("row").filter(has_text=name).get_by_text("[Show Markdown]").first.click()
    picture = page.get_by_role("dialog").locator("img")
    playwright.expect(picture).to_be_visible()
    assert picture.get_attribute("src").startswith("data:image/png;base64,")
    page.wait_for_function("[...document.images].some(image => image.src.startsWith('data:') && image.naturalWidth > 0)")
    return picture


def test_the_graph_shows_every_group_and_asset(page: "playwright.Page", server: Server) -> None:
    page.goto(f"{server.url}/asset-groups")
    for group in GROUPS:
        playwright.expect(page.get_by_title(group, exact=True).first).to_be_visible()
    saved(page, "groups")
    page.mouse.click(1000, 1000)
    page.keyboard.press("Alt+e")  # expands all groups
    for asset in (*SCORES, "raw_pool", "rejected_samples", "filter_network", "embeddings", "centroids", "hard_half"):
        playwright.expect(page.get_by_text(asset, exact=True).first).to_be_visible()
    saved(page, "assets")


def test_one_partition_is_materialized_by_click(page: "playwright.Page", server: Server) -> None:
    before, runs_before = server.materializations(), server.runs()
    page.goto(f"{server.url}/assets/scores/caption_length")
    playwright.expect(page.get_by_text("Unicode code points of the caption")).to_be_visible()  # the column's meaning
    page.get_by_role("button", name="Materialize…").click()
    page.get_by_role("dialog").get_by_text("Select a partition or create one").click()
    page.get_by_title("00001", exact=True).last.click()
    saved(page, "materialize")
    page.get_by_text("Launch runs to materialize").click()  # closes the list
    page.get_by_role("button", name=re.compile("^Launch (1 )?run$")).click()
    toast = page.get_by_text(re.compile("Launched run"))
    playwright.expect(toast).to_be_visible()
    (run,) = server.runs().keys() - runs_before.keys()
    page.goto(f"{server.url}/runs/{run}")
    playwright.expect(page.get_by_text("Success", exact=True).first).to_be_visible()
    playwright.expect(page.get_by_text("RUN_SUCCESS").first).to_be_visible()
    saved(page, "run")
    assert server.materializations() - before == {("scores/caption_length", "00001", run)}
    status, tags = server.runs()[run]
    assert (status, tags["dagster/from_ui"], tags["dagster/partition"]) == ("SUCCESS", "true", "00001")
    assert nothing_due(server.project) == {"materialized": {}, "failed": {}, "held_back": {}}


def nothing_due(project: Project) -> dict[str, object]:
    done: subprocess.CompletedProcess[str] = project.curate("apply", "--json")
    assert done.returncode == 0, done.stderr
    return {name: value for name, value in json.loads(done.stdout).items() if name != "up_to_date"}


def test_a_subset_shows_its_contact_sheet(page: "playwright.Page", server: Server) -> None:
    show_partition(page, server, "subsets/aligned", "00000")
    picture = open_picture(page, "contact_sheet")
    assert picture.evaluate("image => [image.naturalWidth, image.complete]") == [640, True]
    saved(page, "contact_sheet")


def test_a_score_shows_its_histogram(page: "playwright.Page", server: Server) -> None:
    show_partition(page, server, "scores/clip_score", "00000")
    open_picture(page, "histogram_clip_score")
    saved(page, "histogram")


@pytest.mark.parametrize("asset", ["subsets/basic", "decisions/basic", "raw_pool"])
def test_hostile_captions_stay_text(asset: str, page: "playwright.Page", server: Server) -> None:
    show_partition(page, server, asset, HOSTILE_SHARD)
    shown = page.locator("body").inner_text()
    assert CONTROLS.findall(shown) == []
    if asset == "subsets/basic":
        for fragment in ("<script>window.__pwned=1</script>", "onerror=", "![a red car](https://", "⟨U+001B⟩", "⟨U+202E⟩"):
            assert fragment in shown
    saved(page, f"hostile_{asset.replace('/', '_')}")


def test_the_runs_page_shows_the_runs_of_the_command(page: "playwright.Page", server: Server) -> None:
    ours = {run: status for run, (status, tags) in server.runs().items() if tags.get("curation/command") == "apply"}
    assert len(ours) > 20
    assert set(ours.values()) == {"SUCCESS"}
    page.goto(f"{server.url}/runs?q[0]=tag:curation/command=apply")
    playwright.expect(page.get_by_text("curation/command: apply").first).to_be_visible()
    listed = set(page.locator("a[href^='/runs/']").all_inner_texts())
    known = {run[:8] for run in ours}
    assert len(listed & known) >= 20
    playwright.expect(page.get_by_text("Failure", exact=True)).to_have_count(0)
    saved(page, "runs")
