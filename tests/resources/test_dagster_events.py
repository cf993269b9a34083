"""After redaction no file of a DAGSTER_HOME holds the sample, and Dagster still reads every event."""

import base64
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from curation_assets.algorithms.identity import uid_hex
from curation_assets.demo.pool import generate_pool
from curation_assets.errors import ArgumentError, LakeError
from resources import dagster_events
from resources.byte_scan import Needle, scan
from resources.dagster_events import redact_events
from resources.event_redaction import REMOVED, REMOVED_TAG, Redactor
from tests.small_project import SUBSETS, make_project, run_apply

pytestmark = pytest.mark.slow  # makes lakes

KEY = dg.AssetKey(["subsets", "basic"])
CAPTION = 'A "müde" Katze\nam <b>日本</b> Tor'
UID = "8123456789abcdef0fedcba987654321"
DIGEST = bytes(range(32))
NEEDLES = [Needle("text", CAPTION.encode()), Needle("text", b"dog"), Needle("sha256", DIGEST)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, str]]]:
    """A DAGSTER_HOME in which a project was materialized, and uid and caption of a sample shown there and of all others."""
    home, drawn = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("small")
    generate_pool(drawn, shards=2, samples_per_shard=24, seed=1)
    project = make_project(tmp_path_factory.mktemp("project"), drawn / "pool" / "*.tar", {"basic": SUBSETS["basic"]})
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run_apply(project, instance)
        shown = set(str([metadata(m) for m in materializations(instance, KEY)]).split("'"))
    pool = project.lake.read("raw_pool")
    samples = zip(uid_hex(pool["uid_hi"].to_numpy(), pool["uid_lo"].to_numpy()), pool["text"].to_pylist(), strict=True)
    return home, sorted(samples, key=lambda sample: (sample[0] not in shown or len(sample[1]) < 12, sample[0]))


@pytest.fixture
def home(made: tuple[Path, list[tuple[str, str]]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "home"))


@pytest.fixture
def sample(made: tuple[Path, list[tuple[str, str]]]) -> tuple[str, Needle]:
    """uid and caption of a sample that the gallery of a subset shows."""
    uid, caption = made[1][0]
    return uid, Needle("text", caption.encode())


@pytest.fixture(scope="module")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose databases have tables and no rows, which takes Dagster a second."""
    home = tmp_path_factory.mktemp("empty")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        report(instance, {})
        instance.wipe_assets([dg.AssetKey("asset")])
    return home


@pytest.fixture
def small_home(empty_home: Path, tmp_path: Path) -> Iterator[tuple[Path, dg.DagsterInstance]]:
    """A home without runs, and its instance, open."""
    home = Path(shutil.copytree(empty_home, tmp_path / "small"))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield home, instance


def materializations(instance: dg.DagsterInstance, key: dg.AssetKey) -> list[dg.EventLogRecord]:
    return list(instance.fetch_materializations(key, limit=1000).records)


def metadata(record: dg.EventLogRecord) -> dict[str, object]:
    return {name: value.value for name, value in record.asset_materialization.metadata.items()}


def bytes_of(home: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and not path.name.endswith("-shm")}


def values(home: Path) -> list[tuple[Path, str, object]]:
    """Every value of every database."""
    found = []
    for path in sorted(home.rglob("*.db")):
        with closing(sqlite3.connect(path)) as connection:
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in connection.execute(f'SELECT * FROM "{table}" ORDER BY rowid'):
                    found += [(path, table, value) for value in row]
    return found


def test_a_shown_sample_leaves_no_byte_and_dagster_reads_the_rest(home: Path, sample: tuple[str, Needle]):
    uid, caption = sample
    needles = [Needle("uid", bytes.fromhex(uid)), caption]
    assert {hit.index for hit in scan([home], needles).hits} >= {0}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        keys = instance.get_asset_keys()
        before = {key: materializations(instance, key) for key in keys}
    old = values(home)
    done = redact_events(home, [uid], needles)
    assert scan([home], needles).hits == ()
    assert uid.encode() not in b"".join(bytes_of(home).values())
    new = values(home)
    changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
    assert done == dagster_events.Redacted(len(changed), len({a[0] for a, _ in changed}), "")
    assert {a[1] for a, _ in changed} <= {"event_logs", "asset_keys"}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_asset_keys() == keys
        removed, shown = 0, sum(uid in str(metadata(r)) for records in before.values() for r in records)
        for key in keys:
            after = materializations(instance, key)
            assert [r.event_log_entry.tags for r in after] == [r.event_log_entry.tags for r in before[key]]
            for was, now in zip(before[key], after, strict=True):
                lost = {name for name, value in metadata(was).items() if metadata(now)[name] != value}
                assert {metadata(now)[name] for name in lost} <= {REMOVED}
                assert lost in (set(), {"samples", "contact_sheet"})
                removed += bool(lost)
        records = instance.get_asset_records(list(keys))
        assert {r.asset_entry.asset_key for r in records} == set(keys)
        assert all(r.asset_entry.last_materialization_record for r in records)
        for run in instance.get_runs():
            assert instance.all_logs(run.run_id)
            assert instance.get_run_stats(run.run_id).run_id == run.run_id
    assert removed == shown > 0


def test_a_second_time_nothing_is_rewritten(home: Path, sample: tuple[str, Needle]):
    redact_events(home, [sample[0]], [sample[1]])
    before = {path: path.stat().st_mtime_ns for path in bytes_of(home)}
    assert redact_events(home, [sample[0]], [sample[1]]) == dagster_events.Redacted(0, 0, "")
    assert {path: path.stat().st_mtime_ns for path in bytes_of(home)} == before


def test_where_nothing_is_found_nothing_is_written(home: Path):
    before = bytes_of(home)
    assert redact_events(home, [UID], NEEDLES[:1] + NEEDLES[2:]).files == 0
    assert bytes_of(home) == before


def report(
    instance: dg.DagsterInstance, values: dict[str, object], *, description: str = "", tags: dict[str, str] | None = None
) -> None:
    event = dg.AssetMaterialization(
        "asset", metadata=values, description=description, tags={"dagster/data_version": "v1", **(tags or {})}
    )
    instance.report_runless_asset_event(event)


def test_every_kind_of_metadata(small_home: tuple[Path, dg.DagsterInstance]):
    home, instance = small_home
    picture = f"![x](data:image/png;base64,{base64.b64encode(bytes(3000)).decode()})"
    held = {
        "text": CAPTION,
        "short": "dog",
        "md": dg.MetadataValue.md(f"| {CAPTION} |"),
        "json": dg.MetadataValue.json({"a": [{UID: 1}, DIGEST.hex().upper()]}),
        "nested": json.dumps({"b": json.dumps({"c": CAPTION})}),
        "url": dg.MetadataValue.url(f"https://x/?uid={UID}"),
        "table": dg.MetadataValue.table([dg.TableRecord({"uid": UID})]),
        "picture": dg.MetadataValue.md(picture),
        "half": int(UID[:16], 16) - (1 << 64),
    }
    kept = {
        "rows": 3,
        "hotdog": "hotdog",
        "float": 0.5,
        "path": dg.MetadataValue.path("/a"),
        "asset": dg.MetadataValue.asset(KEY),
    }
    report(instance, {**held, **kept}, description=f"of {UID} and more", tags={"note": UID})
    report(instance, {"picture": dg.MetadataValue.md(picture)})
    redact_events(home, [UID], NEEDLES)
    newest, oldest = [r.asset_materialization for r in reversed(materializations(instance, dg.AssetKey("asset")))][::-1]
    assert {name: value.value for name, value in oldest.metadata.items() if name in held} == dict.fromkeys(held, REMOVED)
    assert {name: oldest.metadata[name].value for name in kept} == {**kept, "path": "/a", "asset": KEY}
    assert (oldest.description, oldest.tags["note"], oldest.tags["dagster/data_version"]) == (REMOVED, REMOVED_TAG, "v1")
    assert newest.metadata["picture"].value == picture
    assert scan([home], [Needle("uid", bytes.fromhex(UID)), *NEEDLES]).hits == ()


def test_captions_that_read_like_dagster_break_no_event(small_home: tuple[Path, dg.DagsterInstance]):
    home, instance = small_home
    hostile = ["ASSET_MATERIALIZATION", "StepMaterializationData", "event_specific_data", "dagster/data_version", "asset",
               "__class__", '"label": "rows"', "EventLogEntry", "entry_data", "IntMetadataEntryData", '["asset"]']  # fmt: skip
    for caption in hostile:
        report(instance, {"rows": 1, "caption": caption})
    redact_events(home, [], [Needle("text", caption.encode()) for caption in hostile])
    events = [r.asset_materialization for r in materializations(instance, dg.AssetKey("asset"))]
    assert [event.metadata["caption"].value for event in events] == [REMOVED] * len(hostile)
    assert {(event.metadata["rows"].value, event.tags["dagster/data_version"]) for event in events} == {(1, "v1")}
    assert redact_events(home, [], [Needle("text", caption.encode()) for caption in hostile]).events == 0


def test_columns_that_are_no_json_and_other_databases(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as connection:
        connection.execute('CREATE TABLE "a ""b" (id INTEGER PRIMARY KEY, key TEXT UNIQUE, "va lue" TEXT, body BLOB)')
        rows = [
            (4, UID, CAPTION, b"x"),
            (9, "dog", "dog", None),
            (11, "k", json.dumps([UID, 5]), b"y"),
            (12, CAPTION, "{broken " + CAPTION, 1),
        ]
        connection.executemany('INSERT INTO "a ""b" VALUES (?, ?, ?, ?)', rows)
        connection.commit()
    assert redact_events(tmp_path, [UID], NEEDLES).events == 4
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as connection:
        assert connection.execute('SELECT * FROM "a ""b"').fetchall() == [
            (4, REMOVED, REMOVED, b"x"), (9, "dog", "dog", None), (11, "k", f'["{REMOVED}", 5]', b"y"),
            (12, CAPTION, REMOVED, 1)
        ]  # fmt: skip


def test_free_pages_that_a_killed_redaction_left(tmp_path: Path):
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (x TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", [(CAPTION * 50,)] * 20)
        connection.commit()
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("DELETE FROM t")
        connection.commit()
    assert scan([path], NEEDLES).hits
    assert redact_events(tmp_path, [], NEEDLES) == dagster_events.Redacted(0, 1, "")
    assert scan([path], NEEDLES).hits == ()


def test_lines_of_logs(tmp_path: Path):
    folder = tmp_path / "storage" / "run" / "compute_logs"
    folder.mkdir(parents=True)
    (folder / "a.err").write_bytes(f"one\nsample {UID} failed\n\xff".encode("latin-1") + b"\nlast")
    (folder / "a.err").chmod(0o640)
    (folder / "b.out").write_text(f"before\n{CAPTION}\nafter\n")
    (folder / "c.log").write_text("nothing\n")
    (tmp_path / "d.log").write_text(UID)
    before = (folder / "c.log").stat().st_mtime_ns
    assert redact_events(tmp_path, [UID], NEEDLES) == dagster_events.Redacted(2, 2, "")
    assert (folder / "a.err").read_bytes() == f"one\n{REMOVED}\n\xff\nlast".encode("latin-1")
    assert (folder / "a.err").stat().st_mode & 0o777 == 0o640
    assert (folder / "b.out").read_text() == f"{REMOVED}\n"  # the caption reaches over two lines
    assert (folder / "c.log").stat().st_mtime_ns == before
    assert (tmp_path / "d.log").read_text() == UID
    assert sorted(path.name for path in folder.iterdir()) == ["a.err", "b.out", "c.log"]


@pytest.mark.parametrize("begin", ["BEGIN EXCLUSIVE", "BEGIN"])
def test_a_database_in_use(small_home: tuple[Path, dg.DagsterInstance], begin: str, monkeypatch: pytest.MonkeyPatch):
    home, instance = small_home
    report(instance, {"uid": UID})
    monkeypatch.setattr(dagster_events, "BUSY_S", 0.1)
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db", isolation_level=None)) as other:
        other.execute(begin)
        other.execute("SELECT count(*) FROM event_logs").fetchone()
        with pytest.raises(LakeError, match=r"index.db cannot be cleaned: .*Stop `dagster dev`, the daemon and all runs"):
            redact_events(home, [UID], [])
        other.execute("ROLLBACK")
    redact_events(home, [UID], [])
    assert scan([home], [Needle("uid", bytes.fromhex(UID))]).hits == ()


def test_a_damaged_database_and_arguments_that_name_nothing(tmp_path: Path):
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0" + b"\1" * 5000)
    with pytest.raises(LakeError, match=r"a.db cannot be cleaned"):
        redact_events(tmp_path, [UID], [])
    with pytest.raises(ArgumentError, match=r"no DAGSTER_HOME .*/none; name the folder"):
        redact_events(tmp_path / "none", [UID], [])
    for wrong in ("xyz", UID[2:], ""):
        with pytest.raises(ArgumentError, match=rf"'{wrong}' is no uid; a uid is 32 hex digits"):
            redact_events(tmp_path, [wrong], [])


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("telemetry: {enabled: false}", ""),
        ("storage: {sqlite: {base_dir: HOME/x}}", ""),
        ("storage: {sqlite: {base_dir: /elsewhere}}", "storage"),
        ("storage: {sqlite: {base_dir: {env: X}}}", "storage"),
        ("storage: {postgres: {postgres_url: x}}", "storage"),
        ("event_log_storage: {module: m, class: PostgresEventLogStorage, config: {}}\ncompute_logs: {module: s3, class: S3}",
         "event_log_storage, compute_logs"),
        ("compute_logs: {module: m, class: LocalComputeLogManager, config: {base_dir: HOME/logs}}", ""),
        ("compute_logs: {module: m, class: NoOpComputeLogManager}", ""),
        ("storage: [", None),
    ],
)  # fmt: skip
def test_storages_elsewhere_are_named(config: str, named: str | None, tmp_path: Path):
    (tmp_path / "dagster.yaml").write_text(config.replace("HOME", str(tmp_path)))
    uncovered = redact_events(tmp_path, [], []).uncovered
    if named is None:
        assert "cannot be read, so nobody knows where" in uncovered
    else:
        assert uncovered.partition(" configures ")[2].partition(", which may lie outside")[0] == named


def test_a_text_without_needles_is_the_same_object():
    redactor = Redactor(NEEDLES)
    text = b'{"a": "hotdog"}'
    assert redactor.redacted(text, "event") is text
