"""What is shipped and how it is installed: locks, package data, and the names that must not collide."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import imagegen

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = ("requirements.lock", "requirements-dev.lock")
STARTER = ROOT / "imagegen" / "starter"
WEB = ROOT / "imagegen" / "web"


def pins(lock: str) -> dict[str, Requirement]:
    lines = (ROOT / lock).read_text().splitlines()
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}


def pinned_version(requirement: Requirement) -> Version:
    (specifier,) = requirement.specifier
    return Version(specifier.version)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_everything_and_names_no_address(lock: str) -> None:
    for line in (ROOT / lock).read_text().splitlines():
        assert re.fullmatch(r"[a-z0-9._-]+==[0-9][^\s;:/@]*( ; [^:/@]+)?", line), line


@pytest.mark.parametrize("lock", LOCKS)
def test_torch_is_installed_before_the_lock_and_never_by_it(lock: str) -> None:
    names = set(pins(lock))
    assert names & {"torch", "torchvision", "torchaudio", "onnxruntime-gpu", "imagegen", "pip"} == set()
    assert not [name for name in names if name.startswith(("nvidia-", "cuda-"))]


def test_the_lock_meets_every_requirement() -> None:
    locked = pins("requirements.lock")
    wanted = [Requirement(line) for line in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["cpu"]]
    for requirement in wanted:
        if requirement.name != "torch":
            assert requirement.specifier.contains(pinned_version(locked[canonicalize_name(requirement.name)]))


def test_the_test_lock_adds_to_the_run_time_lock_and_changes_nothing_in_it() -> None:
    run_time, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert {name: str(dev.get(name)) for name in run_time} == {
        name: str(pin) for name, pin in run_time.items()
    }


def test_the_triton_of_the_lock_is_one_we_support() -> None:
    assert Version("3.6") <= pinned_version(pins("requirements.lock")["triton"]) < Version("3.10")


def test_no_package_of_ours_passes_for_hugging_faces_kernels(tmp_path: Path) -> None:
    """transformers and diffusers probe for a package of that name, and our folder kernels/ is none."""
    code = "from importlib.util import find_spec; spec = find_spec('kernels'); print(spec and spec.origin)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    origin = done.stdout.strip()
    assert origin == "None" or not Path(origin).is_relative_to(ROOT)
    assert not (ROOT / "kernels" / "__init__.py").exists()
    assert not (ROOT / "postprocess" / "__init__.py").exists()


def test_the_starter_is_small_enough_to_ship() -> None:
    assert (STARTER / "model_index.json").is_file()
    assert sum(file.stat().st_size for file in STARTER.rglob("*") if file.is_file()) <= 25_000_000


def test_the_wheel_holds_what_runs_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source"  # a copy, since a build leaves its traces in the folder it builds in
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("imagegen", "kernels", "postprocess"):
        shutil.copytree(
            ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", str(tmp_path), str(source)], check=True, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    shipped = set(zipfile.ZipFile(wheel).namelist())
    folders = {name.partition("/")[0] for name in shipped}
    assert folders == {
        "imagegen",
        "imagegen_kernels",
        "imagegen_postprocess",
        f"imagegen-{imagegen.__version__}.dist-info",
    }
    for package in (
        ROOT / "imagegen",
        ROOT / "kernels/imagegen_kernels",
        ROOT / "postprocess/imagegen_postprocess",
    ):
        files = [file for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
        assert {str(file.relative_to(package.parent)) for file in files} - shipped == set()


def test_the_version_is_said_once_and_the_changelog_knows_it() -> None:
    heading = re.search(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading is not None
    assert PROJECT["version"] == imagegen.__version__ == heading[1]


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the machine's business: a mirror or a closed network must do."""
    hosts = "|".join(
        ("pypi" + r"\.org", "python" + r"hosted\.org", "npm" + r"js\.org", r"deb\.debian" + r"\.org")
    )
    found = subprocess.run(
        ["git", "grep", "--cached", "-lIE", f"({hosts})"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1, found.stdout + found.stderr
