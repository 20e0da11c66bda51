import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GENERATED = Path("gateway/rooms/v1")


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.suffix in (".py", ".pyi")}


def test_the_generated_code_is_what_the_protos_give(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "protos/generate.py", tmp_path], check=True, timeout=30)

    committed = contents(ROOT / GENERATED)
    del committed["__init__.py"]
    assert contents(tmp_path / GENERATED) == committed, "run `make proto`"


@pytest.mark.parametrize("command", [["lint"], ["format", "--diff", "--exit-code"]], ids=lambda words: words[0])
def test_buf_finds_nothing_to_say(command: list[str]) -> None:
    buf = Path(sys.executable).with_name("buf")
    done = subprocess.run([buf, *command, ROOT / "protos"], capture_output=True, text=True, timeout=30, check=False)

    assert (done.returncode, done.stdout) == (0, "")
