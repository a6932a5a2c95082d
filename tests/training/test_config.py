"""The shipped configs load; a wrong key is named."""

from pathlib import Path

import pytest

from training.config import DistilPhase, FlowPhase, load_config

CONFIGS = Path(__file__).resolve().parents[2] / "training" / "configs"


@pytest.mark.parametrize("name", ["cpu", "cpu-refine", "gpu"])
def test_the_shipped_configs_load(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.yaml")
    assert isinstance(config.flow, FlowPhase)
    assert config.student.guidance > 1
    assert isinstance(config.ternary, DistilPhase)


def test_a_wrong_key_is_named(tmp_path: Path) -> None:
    text = (CONFIGS / "cpu.yaml").read_text(encoding="utf-8")
    path = tmp_path / "bad.yaml"
    path.write_text(text.replace("vocabulary_size", "vocabulary"), encoding="utf-8")
    with pytest.raises(ValueError, match="vocabulary, vocabulary_size"):
        load_config(path)
