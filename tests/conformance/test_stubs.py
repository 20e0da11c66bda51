"""Stubs for TypeScript and Go, generated with their usual compilers, compile."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from protos.generate import PACKAGE, PROTOS, THIRD_PARTY

HERE = Path(__file__).parent
NODE_PROGRAMS = HERE / "node_modules/.bin"
# Where Debian's golang-*-dev packages put their sources.
GO_SOURCES = Path("/usr/share/gocode")
TSCONFIG = """{"compilerOptions": {"strict": true, "noEmit": true, "skipLibCheck": true,
  "types": [], "target": "es2022", "module": "nodenext"}}"""


def require(kind: str, *programs: Path | str) -> None:
    """Skips without the programs, or fails if GATEWAY_TEST_REQUIRES has `kind`."""
    missing = [str(program) for program in programs if shutil.which(program) is None]
    if missing and kind in os.environ.get("GATEWAY_TEST_REQUIRES", "").split(","):
        pytest.fail(f"missing: {', '.join(missing)}")
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


def run(*command: Path | str, cwd: Path, **environment: str) -> None:
    finished = subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def protoc(*options: str, imports: bool = False) -> None:
    """Compiles the protos; with `imports`, also those of Google's that they import."""
    sources = list((PROTOS / PACKAGE.replace(".", "/")).glob("*.proto"))
    sources += (path.relative_to(THIRD_PARTY) for path in THIRD_PARTY.rglob("*.proto") if imports)
    command = (sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"-I{THIRD_PARTY}")
    run(*command, *options, *sorted(sources), cwd=PROTOS)


def test_typescript_stubs_compile(tmp_path: Path) -> None:
    plugin, compiler = NODE_PROGRAMS / "protoc-gen-es", NODE_PROGRAMS / "tsc"
    require("node", plugin, compiler)
    options = (f"--es_out={tmp_path}", "--es_opt=target=ts,import_extension=js")
    protoc(f"--plugin=protoc-gen-es={plugin}", *options, imports=True)
    shutil.copy(HERE / "stubs.ts", tmp_path)
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "tsconfig.json").write_text(TSCONFIG)
    run(compiler, "--project", tmp_path, cwd=tmp_path)


def test_go_stubs_compile(tmp_path: Path) -> None:
    require("go", "go", "protoc-gen-go", "protoc-gen-go-grpc")
    sources = tmp_path / "src"
    (sources / "app").mkdir(parents=True)
    protoc(f"--go_out={sources}", f"--go-grpc_out={sources}")
    shutil.copy(HERE / "stubs.go", sources / "app")
    gopath = os.pathsep.join((str(tmp_path), str(GO_SOURCES)))
    run("go", "build", "./...", cwd=sources, GO111MODULE="off", GOPATH=gopath, GOFLAGS="")
