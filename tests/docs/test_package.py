"""The built wheel has what its users need."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.docs.pages import ROOT


def test_the_wheel_has_type_information_and_all_data(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "gateway/py.typed" in names
    for pattern in ("store/scripts/*.lua", "web/console/*.*", "rpc/v1/*.pyi", "gql/schema/*.json"):
        files = [path for path in (ROOT / "gateway").glob(pattern) if path.is_file()]
        assert files
        assert {str(path.relative_to(ROOT)) for path in files} <= names
