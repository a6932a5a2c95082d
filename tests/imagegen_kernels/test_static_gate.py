"""Every kernel with every tile in use, compiled for every compute capability that has a table: what can be
known of machine code without a card."""

import json
from pathlib import Path

import pytest

from imagegen_kernels import card
from tests.imagegen_kernels import launches
from tests.imagegen_kernels.compiled import compile_for, packs_along_a_row

TUNED = Path(str(card.__file__)).parent / "tuned"
GATE = json.loads(Path(__file__).with_name("static_gate.json").read_text())["cards"]


def test_every_table_is_gated_and_says_where_it_comes_from() -> None:
    assert {path.stem.removeprefix("sm_") for path in TUNED.glob("sm_*.json")} == set(GATE)
    for path in TUNED.glob("*.json"):
        assert json.loads(path.read_text())["origin"]
        assert {"ternary", "binary", "int4", "int8", "float"} <= set(card.table(path.stem) or {})


@pytest.mark.slow
@pytest.mark.parametrize("capability", GATE)
def test_machine_code_is_within_its_limits(
    capability: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    triton = pytest.importorskip("triton")
    monkeypatch.setattr(triton.knobs.cache, "dir", str(tmp_path / "cache"))
    gate, faults = GATE[capability], []
    for name, (kernel, warps, stages, arguments) in launches.collect(int(capability)).items():
        found = compile_for(int(capability), kernel, arguments, warps, stages, tmp_path)
        if found.stack:
            faults.append(f"{name}: {found.stack} bytes a thread are kept in memory")
        if found.shared > gate["shared"]:
            faults.append(f"{name}: {found.shared} bytes of shared memory")
        if "BITS" not in arguments:
            continue
        kind = name.split()[0]
        rates = gate["float"] if kind.startswith("float") else gate
        if found.tensor_core != {rates["opcode"]}:
            faults.append(f"{name}: multiplied by {found.tensor_core or 'nothing'}")
        cycles = arguments["TOKENS"] * arguments["ROWS"] * arguments.get("STEP", 128) / rates["rate"]
        slots, limit = found.loop.total() * warps / 4 / cycles, rates["slots"][kind]
        if not 0 < slots <= limit:
            faults.append(f"{name}: {slots:.2f} issue slots a tensor-core cycle, above {limit}")
        if kind in ("ternary", "int4") and not packs_along_a_row(found.middle):
            faults.append(f"{name}: the look-up gets codes of more than one row")
    assert not faults, "\n".join(faults)
