import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "command", [["lint"], ["format", "--diff", "--exit-code"]], ids=lambda words: words[0]
)
def test_buf_accepts_the_protos(command: list[str]) -> None:
    buf = Path(sys.executable).with_name("buf")
    done = subprocess.run(
        [buf, *command, ROOT / "protos"], capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")
