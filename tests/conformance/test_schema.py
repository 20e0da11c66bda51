"""The schema under the tools of frontends: graphql-eslint, Relay's compiler and
graphql-codegen."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conformance.conftest import HERE, RunNode

pytestmark = pytest.mark.node

ROOT = HERE.parent.parent
SCHEMA = ROOT / "schema" / "schema.graphql"


async def test_graphql_eslint_finds_nothing_in_the_schema(run_node: RunNode) -> None:
    program, config = "node_modules/eslint/bin/eslint.js", HERE / "eslint.config.mjs"
    findings = await run_node(program, "--config", str(config), str(SCHEMA), cwd=ROOT)
    assert findings == ""


def test_no_type_has_the_name_of_a_global_of_browsers() -> None:
    """A generated type would shadow it. Relay gives `Node` its name."""
    # TypeScript has a package of its own for each platform.
    [library] = HERE.glob("node_modules/@typescript/typescript-*/lib/lib.dom.d.ts")
    globals_ = library.read_text()
    types = re.findall(
        r"^(?:type|interface|enum|input|scalar) (\w+)", SCHEMA.read_text(), re.MULTILINE
    )
    names = set(re.findall(r"^(?:declare var|interface|type) (\w+)", globals_, re.MULTILINE))
    assert {"PublishedTrackEvent", "Room"} <= set(types)
    assert names & set(types) == {"Node"}


async def test_relay_compiles_a_wall_of_rooms(run_node: RunNode, tmp_path: Path) -> None:
    shutil.copy(SCHEMA, tmp_path)
    shutil.copy(HERE / "relay" / "Wall.ts", tmp_path)
    (tmp_path / "out").mkdir()
    config = {
        "src": ".",
        "schema": SCHEMA.name,
        "language": "typescript",
        "artifactDirectory": "out",
    }
    (tmp_path / "relay.config.json").write_text(json.dumps(config))
    await run_node("node_modules/relay-compiler/cli.js", "relay.config.json", cwd=tmp_path)
    compiled = {path.name.removesuffix(".graphql.ts") for path in (tmp_path / "out").iterdir()}
    assert compiled == {
        "WallQuery",
        "Wall_rooms",
        "WallRoomsPaginationQuery",
        "Wall_room",
        "WallRoomRefetchQuery",
        "WallEventsSubscription",
        "WallCreateRoomMutation",
    }


async def test_codegen_types_compile_with_a_program_that_uses_them(
    run_node: RunNode, tmp_path: Path
) -> None:
    await run_node("codegen.mjs", str(tmp_path))
    shutil.copy(HERE / "frontend.ts", tmp_path)
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    options = {
        "strict": True,
        "noEmit": True,
        "module": "nodenext",
        "target": "es2022",
        "types": [],
    }
    files = ["schema.ts", "operations.ts", "frontend.ts"]
    (tmp_path / "tsconfig.json").write_text(
        json.dumps({"compilerOptions": options, "files": files})
    )
    await run_node("node_modules/typescript/bin/tsc", "--project", str(tmp_path))
