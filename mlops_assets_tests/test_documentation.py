"""What the documentation says exists, and what it shows works."""

import ast
import importlib.util
import json
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import dagster as dg
import pytest
import typer
import yaml
from typer.core import TyperGroup
from typer.testing import CliRunner

from mlops_assets.catalogue import PRODUCTS_FOLDER, load_product, product_names
from mlops_assets.cli import app
from mlops_assets.components.model_product import product_definitions
from mlops_assets.core.alerts.declared_sinks import alert_sinks
from mlops_assets.core.product_spec import ProductSpec
from mlops_assets.core.settings import VARIABLES, load_settings
from mlops_assets.definitions import platform_resources
from mlops_assets_tests.support.documents.markdown_pages import ROOT, Block, Page, pages

PAGES = pages()
MLOPS = re.compile(r"(?:^|.*[ /])mlops ([a-z].*)")
PRODUCT_FILE = re.compile(r"products/(\w+)/defs\.yaml")
RUN_CONFIG, INSTANCE, SPEC, SINKS = "run-config", "dagster.yaml", "defs.yaml", "alert_sinks.yaml"
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def blocks(language: str) -> list[tuple[Page, Block]]:
    return [(page, block) for page in PAGES for block in page.blocks(language)]


def block_id(value: Page | Block) -> str:
    return value.name if isinstance(value, Page) else f"{value.start}"


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    home = tmp_path_factory.mktemp("home")
    settings = load_settings({"MLOPS_HOME": str(home)}, working_directory=home)
    products = [product_definitions(load_product(name)) for name in product_names()]
    return dg.Definitions.merge(*products, dg.Definitions(resources=dict(platform_resources(settings))))


@every_page
def test_every_relative_link_leads_somewhere(page: Page) -> None:
    for link in page.links:
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.path.parent / path).resolve() if path else page.path
        assert target.exists(), link
        assert not anchor or anchor in Page(target).anchors, link


@every_page
def test_every_make_target_exists(page: Page) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {match[1] for command in page.commands if (match := re.match(r"make ([a-z-]+)", command))}
    assert named <= targets


@every_page
def test_every_mlops_command_takes_the_shown_arguments(page: Page) -> None:
    group = typer.main.get_command(app)
    for command in page.commands:
        if not (match := MLOPS.fullmatch(command)) or "PRODUCT" in command:
            continue
        name, *arguments = shlex.split(match[1])
        if arguments or command.startswith((".venv", "mlops")):
            assert name in group.commands, command
            asked = group.commands[name]
            if isinstance(asked, TyperGroup):
                if not arguments or arguments[0].isupper() or "[" in arguments[0] or "|" in arguments[0]:
                    continue  # the group itself
                name, *arguments = arguments
                asked = asked.commands[name]
            takes_all = any(parameter.required for parameter in asked.params)
            asked.make_context(name, arguments, resilient_parsing=takes_all and not arguments)


@every_page
def test_every_module_that_is_run_exists(page: Page) -> None:
    modules = {name for command in page.commands for name in re.findall(r"-m ([a-z_.0-9]+)", command)}
    modules |= {command for command in page.commands if re.fullmatch(r"benchmarks\.[a-z_0-9]+", command)}
    for module in modules - {"dagster"}:
        assert importlib.util.find_spec(module), module


@every_page
def test_every_job_that_is_launched_exists(page: Page, definitions: dg.Definitions) -> None:
    for command in page.commands:
        if match := re.search(r"dg launch --job (\w+)", command):
            assert definitions.resolve_job_def(match[1])


def test_every_environment_variable_is_in_the_reference_as_the_code_describes_it() -> None:
    reference = Page(ROOT / "docs/reference/configuration.md").text
    assert not [name for name, meaning in VARIABLES.items() if f"| `{name}` | {meaning} |" not in reference]


def test_the_readme_can_be_read_at_one_sitting() -> None:
    assert len(Page(ROOT / "README.md").text.split()) <= 900


def test_the_recording_loads_soon() -> None:
    assert (ROOT / "docs/images/recording.gif").stat().st_size < 1_500_000


def test_every_benchmark_has_its_claim_command_peer_and_keys() -> None:
    rows = [
        line.split("|")[1:-1]
        for line in Page(ROOT / "benchmarks/README.md").text.splitlines()
        if line.startswith("|") and "python -m" in line
    ]
    listed = {found for row in rows for found in re.findall(r"benchmarks\.(\w+)", row[1])}
    commands = {
        path.stem for path in ROOT.glob("benchmarks/[a-z]*.py") if "__main__" in path.read_text("utf-8")
    }
    commands |= {path.parent.name for path in ROOT.glob("benchmarks/*/__main__.py")}
    assert listed == commands
    assert all(len(row) == 4 and all(cell.strip() for cell in row) for row in rows)


def test_the_sites_navigation_has_every_page_once_and_decisions_in_their_index() -> None:
    listed = re.findall(r'"([^"]+\.md)"', (ROOT / "zensical.toml").read_text(encoding="utf-8"))
    decisions = {page.name for page in PAGES if re.match(r"docs/decisions/\d", page.name)}
    assert sorted(listed) == sorted({page.name for page in PAGES} - decisions)


def test_the_sites_build_finds_what_a_page_would_load_from_elsewhere(tmp_path: Path) -> None:
    build_site = runpy.run_path(str(ROOT / "docs/build_site.py"))
    found = {
        '<script src="https://cdn.example/a.js"></script>': True,
        '<img alt="" src=//cdn.example/a.png>': True,
        '<link rel="stylesheet" href="https://fonts.example/css">': True,
        '<link href="https://fonts.example" rel="preconnect">': True,
        "<style>@import 'https://fonts.example/css'; </style>": True,
        "<style>body { background: url(//cdn.example/a.png) }</style>": True,
        '<a href="https://example.org">a page that a person may open</a>': False,
        '<link rel="canonical" href="https://example.org">': False,
        '<script src="assets/a.js"></script>': False,
    }
    for number, html in enumerate(found):
        (tmp_path / f"{number}.html").write_text(html, encoding="utf-8")
    told = "\n".join(build_site["loaded_from_elsewhere"](tmp_path))
    assert [f"{number}.html: " in told for number in range(len(found))] == list(found.values())


@every_page
def test_no_unknown_environment_variable_is_named(page: Page) -> None:
    assert set(re.findall(r"\bMLOPS_[A-Z_]+[A-Z]", page.text)) <= set(VARIABLES)


def test_the_decision_about_rooms_has_the_layers_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (core,) = (c for c in contracts["contracts"] if c.get("containers") == ["mlops_assets.core"])
    rows = re.findall(r"^\| \d+ \| (.+) \|$", Page(ROOT / "docs/decisions/018-rooms.md").text, re.MULTILINE)
    assert [row.replace("`", "").split(", ") for row in rows] == [c.split(" | ") for c in core["layers"]]


def test_every_decision_is_in_the_index_under_its_title() -> None:
    index = Page(ROOT / "docs/decisions/README.md").text
    for path in ROOT.glob("docs/decisions/[0-9]*.md"):
        assert f"[{path.name[:3]}]({path.name})" in index


@pytest.mark.parametrize(("page", "block"), blocks("python"), ids=block_id)
def test_every_python_example_compiles(page: Page, block: Block) -> None:
    compile(block.text, f"{page.name}: {block.title}", "exec")


@pytest.mark.parametrize(("page", "block"), blocks("yaml"), ids=block_id)
def test_every_yaml_example_is_valid(
    page: Page, block: Block, definitions: dg.Definitions, tmp_path: Path
) -> None:
    document = yaml.safe_load(block.text)
    if block.title == RUN_CONFIG:
        (op,) = document["ops"]
        job = definitions.resolve_job_def(f"{op.split('__')[0]}__retrain")
        assert dg.validate_run_config(job, document)
    elif block.title == INSTANCE:
        (tmp_path / INSTANCE).write_text(block.text, encoding="utf-8")
        with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
            assert instance.get_settings("concurrency") == document["concurrency"]
    elif block.title == SPEC:
        assert ProductSpec.model_validate(document["attributes"])
    elif block.title == SINKS:
        (tmp_path / SINKS).write_text(block.text, encoding="utf-8")
        environ = dict.fromkeys(re.findall(r"{env: (\w+)}", block.text), "https://example.com/secret")
        home = load_settings({"MLOPS_HOME": str(tmp_path)}, working_directory=tmp_path)
        assert set(alert_sinks(home, environ).declared) == set(document["sinks"])
    else:
        assert ProductSpec.model_validate(attributes_around(page, block) | document)


def attributes_around(page: Page, block: Block) -> dict[str, object]:
    """The declaration that a fragment changes: the page's own, else the product's that was named last before it."""
    own = [found for found in page.blocks("yaml") if found.title == SPEC]
    if own:
        return yaml.safe_load(own[0].text)["attributes"]
    named = PRODUCT_FILE.findall(page.text[: block.start])
    folder = PRODUCTS_FOLDER / named[-1] if named else page.path.parent
    return yaml.safe_load((folder / SPEC).read_text(encoding="utf-8"))["attributes"]


def test_the_readme_shows_the_same_product_as_the_how_to_page() -> None:
    readme, how_to = Page(ROOT / "README.md"), Page(ROOT / "docs/how-to/add-a-product.md")
    assert readme.block(SPEC) == how_to.block(SPEC)


def test_the_reference_of_the_command_line_is_current() -> None:
    typer_program = Path(sys.executable).with_name("typer")
    command = ["mlops_assets.cli", "utils", "docs", "--name", "mlops"]
    made = subprocess.run([typer_program, *command], capture_output=True, text=True, check=True, cwd=ROOT)
    page = Page(ROOT / "docs/reference/command-line.md").text
    assert page.strip() == made.stdout.strip(), f"run: typer {' '.join(command)} --output {page}"


def test_the_story_tells_of_every_asset(definitions: dg.Definitions) -> None:
    text = Page(ROOT / "docs/explanation/assets.md").text
    keys = definitions.resolve_asset_graph().materializable_asset_keys
    variants = {f"model_{v.name}" for name in product_names() for v in load_product(name).spec.variants}
    nouns = {key.path[-1] for key in keys} - variants
    stages = re.findall(r"^\| \w+ \| `(\w+)` \|", text, re.MULTILINE)
    assert set(stages) == nouns


def test_each_step_of_the_tour_names_the_files_that_it_goes_through() -> None:
    walks = (
        Page(ROOT / "docs/architecture.md").text.partition("## One row")[2].partition("## Where to change")[0]
    )
    steps = re.findall(r"^\d+\. (.*?)(?=^\d+\. |^## |\Z)", walks, re.MULTILINE | re.DOTALL)
    assert len(steps) > 20
    assert not [step for step in steps if not re.search(r"`[\w/]+\.py`", step)]


def test_the_reference_has_every_check_and_every_metadata_key(definitions: dg.Definitions) -> None:
    text = Page(ROOT / "docs/reference/metadata-and-checks.md").text
    checks = {key.name for key in definitions.resolve_asset_graph().asset_check_keys}
    named = {"gate_<name>" if name.startswith("gate_") else name for name in checks}
    assert not sorted(name for name in named | metadata_keys() if f"`{name}`" not in text)


def metadata_keys() -> set[str]:
    """Text keys of dictionaries that become a materialization's metadata in `assets/`."""
    keys: set[str] = set()
    for file in ROOT.glob("mlops_assets/assets/*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                names = [key.value for key in node.keys if isinstance(key, ast.Constant)]
                values = [ast.unparse(value) for value in node.values]
                is_metadata = any("MetadataValue" in value or "picture(" in value for value in values)
                keys.update(str(name) for name in names if is_metadata)
    return keys


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in ("demo", "status", "gc"))])
def test_help_is_shown(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 0


@pytest.mark.parametrize("command", ["status", "gc"])
def test_an_empty_home_has_nothing_to_show(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    answer = CliRunner().invoke(app, [command, "--json"])
    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout.strip().splitlines()[-1])
    if command == "status":
        assert {entry["product"]: entry["rows"] for entry in document["products"]} == dict.fromkeys(
            product_names()
        )
    else:
        assert not any(entry["count"] for entry in document["removals"])
