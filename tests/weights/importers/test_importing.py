"""Whole imports: of every layout, without loss, and of sources that are broken."""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from imagegen.errors import CheckpointInvalid, InvalidRequest, OutputNotWritable
from imagegen.networks.preview_decoder import PreviewDecoder
from imagegen.networks.quantized_linear import QuantizedLinear
from imagegen.weights import preview_file
from imagegen.weights.catalog import list_models, read_card
from imagegen.weights.importers.importing import Options, import_model
from imagegen.weights.load import load_components
from imagegen.weights.verify import verify
from imagegen_kernels.formats import dequantize
from tests.weights.importers.conftest import Import
from tests.weights.importers.dense import dense_state, expected_state
from tests.weights.importers.writers import FILE, bfl_state, write_bfl, write_gemlite, write_gguf, write_mlx

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000  # sched.h; os has them since Python 3.12
LINEAR = "single_transformer_blocks.0.attn.to_out.weight"


def assert_same(folder: Path, source: Path, component: str = "transformer") -> None:
    found, expected = dense_state(folder, component), expected_state(source)
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(found[name].float(), tensor.float()), name


Write = Callable[[Path, Path], Path]
LAYOUTS: dict[str, tuple[str, Write]] = {
    "unpacked": ("ternary", lambda source, target: source),
    "unpacked-binary": ("binary", lambda source, target: source),
    "bfl": ("ternary", lambda source, target: write_bfl(source, target / "klein.safetensors")),
    "comfyui": (
        "ternary",
        lambda source, target: write_bfl(source, target / "k.safetensors", "model.diffusion_model."),
    ),
    "gguf-f16": ("ternary", lambda source, target: write_gguf(source, target / "klein.gguf", "F16")),
    "gguf-q1_0": ("binary", lambda source, target: write_gguf(source, target / "klein.gguf", "Q1_0")),
    "gemlite": ("ternary", lambda source, target: write_gemlite(source, target / "pack")),
    "gemlite-1bit": ("binary", lambda source, target: write_gemlite(source, target / "pack", 1)),
    "mlx": ("ternary", lambda source, target: write_mlx(source, target / "pack")),
    "mlx-1bit": ("binary", lambda source, target: write_mlx(source, target / "pack", 1)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_carried_over_without_loss(
    layout: str, tmp_path: Path, ternary: Path, binary: Path, imported: Import
) -> None:
    format, write = LAYOUTS[layout]
    dense = half(ternary if format == "ternary" else binary, tmp_path / "half")
    source = write(dense, tmp_path)
    result = imported(source, rest=dense if source.is_file() else None)
    assert {note["format"] for name, note in result.layers.items() if name.startswith("tr")} == {format}
    assert all(note["error"] == 0 for note in result.layers.values())
    assert_same(result.card.path, dense)
    assert len(verify(result.card)) > 8
    load_components(result.card, "cpu")


def half(source: Path, target: Path) -> Path:
    """The checkpoint with the transformer in float16, as the packs have what they do not pack."""
    shutil.copytree(source, target)
    state = {name: tensor.half() for name, tensor in load_file(target / "transformer" / FILE).items()}
    (target / "transformer" / FILE).unlink()
    save_file(state, target / "transformer" / FILE)
    return target


def test_diffusers_reads_the_same_out_of_bfls_names(ternary: Path) -> None:
    from diffusers.loaders.single_file_utils import convert_flux2_transformer_checkpoint_to_diffusers

    theirs = convert_flux2_transformer_checkpoint_to_diffusers(bfl_state(ternary))
    state = load_file(ternary / "transformer" / FILE)
    assert set(theirs) == set(state)
    assert all(torch.equal(theirs[name], state[name]) for name in state)


def test_the_network_gives_what_diffusers_gives(ternary: Path, imported: Import) -> None:
    """On the dequantised weights, in float32: the import moved and renamed nothing wrongly."""
    from diffusers import Flux2Transformer2DModel

    network = load_components(imported(ternary).card, "cpu", torch.float32).transformer
    for path, module in list(network.named_modules()):
        if isinstance(module, QuantizedLinear):
            linear = torch.nn.Linear(module.weight.shape[1], module.weight.shape[0], bias=False)
            linear.weight = torch.nn.Parameter(dequantize(module.weight))
            network.set_submodule(path, linear)
    reference = Flux2Transformer2DModel.from_pretrained(ternary / "transformer")
    latents, prompt = torch.randn(1, 16, 32), torch.randn(1, 8, 384)
    positions = torch.cartesian_prod(torch.arange(1), torch.arange(4), torch.arange(4), torch.arange(1))
    words = torch.cartesian_prod(*[torch.arange(1)] * 3, torch.arange(8))
    with torch.inference_mode():
        theirs = reference(
            hidden_states=latents,
            encoder_hidden_states=prompt,
            timestep=torch.tensor([0.5]),
            img_ids=positions[None],
            txt_ids=words[None],
        ).sample
        modulation = network.modulations(torch.tensor([500.0]))[0]
        ours = network(latents, network.embed_text(prompt), modulation, network.rotary(8, 4, 4))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "format"), [("Q4_0", "int4"), ("Q8_0", "int8")])
def test_ggufs_codes_are_kept_as_gguf_dequantises_them(
    kind: str, format: str, tmp_path: Path, ternary: Path, tiny_checkpoint: Path, imported: Import
) -> None:
    from gguf import GGUFReader
    from gguf import dequantize as theirs

    path = write_gguf(tiny_checkpoint, tmp_path / "klein.gguf", kind)
    result = imported(path, rest=tiny_checkpoint)
    kinds = {(n["format"], n["group_size"]) for name, n in result.layers.items() if name.startswith("tr")}
    assert kinds == {(format, 32)}
    (stored,) = [
        tensor for tensor in GGUFReader(path).tensors if tensor.name == "single_blocks.0.linear2.weight"
    ]
    expected = torch.from_numpy(theirs(stored.data, stored.tensor_type))
    assert torch.equal(dense_state(result.card.path)[LINEAR], expected)


def test_ggufs_bfloat16_stays_what_it_is(tmp_path: Path, tiny_checkpoint: Path, imported: Import) -> None:
    path = write_gguf(tiny_checkpoint, tmp_path / "klein.gguf", "BF16")
    result = imported(path, rest=tiny_checkpoint)
    found = dense_state(result.card.path)[LINEAR]
    assert (result.layers, found.dtype) == ({}, torch.bfloat16)
    assert torch.equal(found, expected_state(tiny_checkpoint)[LINEAR].bfloat16())


def test_ggufs_k_types_come_in_when_a_format_is_asked_for(
    tmp_path: Path, tiny_checkpoint: Path, models: Path, imported: Import
) -> None:
    from gguf import GGUFReader
    from gguf import dequantize as theirs

    path = write_gguf(tiny_checkpoint, tmp_path / "klein.gguf", "Q2_K")
    stored = [t for t in GGUFReader(path).tensors if t.tensor_type.name == "Q2_K"]
    assert "double_blocks.0.img_mlp.2.weight" in [t.name for t in stored]
    with pytest.raises(CheckpointInvalid, match=r"without loss: row 0, columns 0 to 15: .*Q2_K") as error:
        imported(path, rest=tiny_checkpoint)
    assert "--format" in str(error.value.hint)
    assert_nothing_made(models)
    result = imported(path, rest=tiny_checkpoint, format="int8")
    found = dense_state(result.card.path)["transformer_blocks.0.ff.linear_out.weight"]
    (expected,) = [
        theirs(t.data, t.tensor_type) for t in stored if t.name == "double_blocks.0.img_mlp.2.weight"
    ]
    dense = torch.from_numpy(expected)
    assert float((found - dense).norm() / dense.norm()) < 0.01


def test_a_dense_model_stays_dense_or_takes_the_format_asked_for(
    tiny_checkpoint: Path, models: Path, imported: Import
) -> None:
    kept = imported(tiny_checkpoint)
    assert kept.layers == {}
    assert_same(kept.card.path, tiny_checkpoint)
    small = import_model(tiny_checkpoint, "small", models, Options("int4", "int8", group_size=None))
    assert {note["format"] for note in small.layers.values()} == {"int4", "int8"}
    errors = [note["error"] for name, note in small.layers.items() if name.startswith("transformer.")]
    assert 0.05 < min(errors) < max(errors) < 0.12, "int4, groups of 64, of normal weights"
    manifest = json.loads((small.card.path / "imagegen.json").read_text())
    assert manifest["components"]["transformer"]["formats"]["int4"]["weights"] == 983040
    assert len(manifest["imported"]["relative_errors"]) == len(small.layers)
    assert small.card.steps == 4
    load_components(small.card, "cpu")


def test_a_model_that_was_never_taught_to_look_at_photos_stays_one(
    tiny_checkpoint: Path, tmp_path: Path, imported: Import
) -> None:
    blind = tmp_path / "blind"
    shutil.copytree(tiny_checkpoint, blind)
    own = json.loads((blind / "imagegen.json").read_text())
    (blind / "imagegen.json").write_text(json.dumps({**own, "references": 0}))
    assert read_card(tiny_checkpoint).references == 4
    assert imported(blind).card.references == 0


def test_a_preview_decoder_comes_along_or_is_given(
    tiny_checkpoint: Path, tmp_path: Path, models: Path, imported: Import
) -> None:
    state = PreviewDecoder(8, 8).state_dict()
    own, other = tmp_path / "own", tmp_path / "taef2.safetensors"
    shutil.copytree(tiny_checkpoint, own)
    save_file(state, own / preview_file.FILE)
    save_file({name: 2 * tensor for name, tensor in state.items()}, other)
    card = imported(own).card
    assert (card.path / preview_file.FILE).read_bytes() == (own / preview_file.FILE).read_bytes()
    assert preview_file.FILE in verify(card)
    given = import_model(own, "given", models, preview_decoder=other).card
    assert (given.path / preview_file.FILE).read_bytes() == other.read_bytes()
    assert preview_file.load_preview_decoder(given, torch.device("cpu")) is not None
    smaller = import_model(card.path, "smaller", models, Options("int8")).card
    assert (smaller.path / preview_file.FILE).is_file(), "quantised, it keeps it"


@pytest.mark.parametrize(
    ("channels", "message"), [(8, "is missing"), (4, "latents of 4 channels, the model's have 8")]
)
def test_a_preview_decoder_that_does_not_fit_is_refused_before_a_byte_is_written(
    tiny_checkpoint: Path, tmp_path: Path, models: Path, imported: Import, channels: int, message: str
) -> None:
    file = tmp_path / "taef2.safetensors"
    if channels != 8:
        save_file(PreviewDecoder(channels, 8).state_dict(), file)
    with pytest.raises(CheckpointInvalid, match=message) as error:
        imported(tiny_checkpoint, preview_decoder=file)
    assert error.value.field == str(file)
    assert_nothing_made(models)
    assert not (models / ".new.importing").exists()


def test_only_the_layers_of_the_text_encoder_that_run_are_copied(
    tiny_checkpoint: Path, imported: Import
) -> None:
    state = dense_state(imported(tiny_checkpoint).card.path, "text_encoder")
    assert any("layers.2." in name for name in state)
    assert not any("layers.3." in name for name in state), "the last one asked for is 3: layers 0 to 2"


def change(folder: Path, edit: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    path = folder / "transformer" / FILE
    state = {name: tensor.clone() for name, tensor in load_file(path).items()}
    edit(state)
    path.unlink()
    save_file(state, path)


@pytest.fixture
def source(ternary: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ternary, tmp_path / "source"))


def assert_nothing_made(models: Path) -> None:
    assert [card.path for card in list_models(models) if card.path.is_relative_to(models)] == []
    assert not (models / "new").exists()


def test_what_is_not_ternary_is_refused_with_its_group(source: Path, models: Path, imported: Import) -> None:
    def spoil(state: dict[str, torch.Tensor]) -> None:
        state[LINEAR][5, 130] = 7

    change(source, spoil)
    with pytest.raises(CheckpointInvalid, match="without loss: row 5, columns 128 to 255") as error:
        imported(source)
    assert LINEAR in error.value.message
    assert "--format" in str(error.value.hint)
    assert_nothing_made(models)
    result = imported(source, format="ternary")
    assert result.layers[f"transformer.{LINEAR.removesuffix('.weight')}"]["error"] > 0


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "no complete safetensors"),
        (lambda path: path.write_bytes(b""), "no complete safetensors"),
        (lambda path: path.unlink(), "no weights"),
        (lambda path: path.rename(path.with_suffix(".bin")), "pickle"),
    ],
    ids=["truncated", "empty", "missing", "pickle"],
)
def test_a_damaged_file_is_named(
    source: Path, models: Path, imported: Import, harm: Callable[[Path], Any], message: str
) -> None:
    harm(source / "transformer" / FILE)
    with pytest.raises(CheckpointInvalid, match=message) as error:
        imported(source)
    assert "transformer" in str(error.value.field)
    assert_nothing_made(models)


def test_an_index_must_name_files_beside_it(source: Path, models: Path, imported: Import) -> None:
    path = source / "transformer" / FILE
    names = list(load_file(path))
    index = path.with_name(f"{FILE}.index.json")
    index.write_text(json.dumps({"weight_map": dict.fromkeys(names, "../vae/" + FILE)}))
    with pytest.raises(CheckpointInvalid, match="no file name") as error:
        imported(source)
    assert error.value.field == str(index)
    index.write_text(json.dumps({"weight_map": dict.fromkeys(names, "gone.safetensors")}))
    with pytest.raises(CheckpointInvalid, match="is missing") as error:
        imported(source)
    assert_nothing_made(models)


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04evil", b"PK\x03\x04evil", b"GGUF\x03\x00\x00\x00", b"words"]
)
def test_a_file_that_is_no_checkpoint_is_refused(
    tmp_path: Path, ternary: Path, models: Path, imported: Import, content: bytes
) -> None:
    path = tmp_path / "klein.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointInvalid) as error:
        imported(path, rest=ternary)
    assert error.value.field == str(path)
    assert_nothing_made(models)


def test_what_a_file_lacks_must_be_given(tmp_path: Path, ternary: Path, imported: Import) -> None:
    with pytest.raises(CheckpointInvalid, match="no text encoder, no vae") as error:
        imported(write_bfl(ternary, tmp_path / "klein.safetensors"))
    assert "--rest-from" in str(error.value.hint)


@pytest.mark.parametrize("name", ["../up", "", ".hidden", "a/b", "x" * 80])
def test_a_name_is_no_path(ternary: Path, models: Path, name: str) -> None:
    with pytest.raises(InvalidRequest, match="no name"):
        import_model(ternary, name, models)


def test_a_name_that_is_taken_is_refused(ternary: Path, imported: Import) -> None:
    imported(ternary)
    with pytest.raises(InvalidRequest, match="there is a model new already"):
        imported(ternary)


def stop_after(parts: int) -> Callable[[str, int, int], None]:
    calls = iter(range(parts))

    def tell(what: str, done: int, total: int) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt

    return tell


def test_what_was_interrupted_is_no_model_and_goes_on_where_it_stopped(
    ternary: Path, models: Path, imported: Import
) -> None:
    with pytest.raises(KeyboardInterrupt):
        import_model(ternary, "new", models, on_progress=stop_after(12))
    assert_nothing_made(models)
    part = models / ".new.importing" / "transformer" / f"{FILE}.part"
    before = part.stat()
    result = imported(ternary)
    assert (result.card.path / "transformer" / FILE).stat().st_ino == before.st_ino, "the file went on"
    assert_same(result.card.path, ternary)
    assert not (models / ".new.importing").exists()
    assert not list(result.card.path.rglob("*.journal"))


def test_another_source_does_not_go_on_with_it(
    ternary: Path, binary: Path, models: Path, imported: Import
) -> None:
    with pytest.raises(KeyboardInterrupt):
        import_model(ternary, "new", models, on_progress=stop_after(12))
    assert_same(imported(binary).card.path, binary)


def test_two_imports_of_one_name_do_not_meet(ternary: Path, models: Path) -> None:
    def second(what: str, done: int, total: int) -> None:
        with pytest.raises(InvalidRequest, match="being imported already"):
            import_model(ternary, "new", models)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_model(ternary, "new", models, on_progress=second)


def _in_a_process(run: Callable[..., None], *arguments: object) -> int | None:
    child = multiprocessing.get_context("fork").Process(target=run, args=arguments)
    child.start()
    child.join(120)
    return child.exitcode


def _killed_in_the_middle(source: Path, models: Path) -> None:
    calls = iter(range(12))

    def tell(what: str, done: int, total: int) -> None:
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    import_model(source, "new", models, on_progress=tell)


def test_what_a_killed_process_left_is_gone_on_with(ternary: Path, models: Path, imported: Import) -> None:
    assert _in_a_process(_killed_in_the_middle, ternary, models) == -signal.SIGKILL
    assert_nothing_made(models)
    before = (models / ".new.importing" / "transformer" / f"{FILE}.part").stat()
    card = imported(ternary).card
    assert (card.path / "transformer" / FILE).stat().st_ino == before.st_ino, "the file went on"
    assert_same(card.path, ternary)
    verify(card)


def _end_with_what_is_said(source: Path, models: Path) -> None:
    """Exit code 42 where a full disk is said to be one, and what to do."""
    try:
        import_model(source, "new", models)
    except OutputNotWritable as error:
        os._exit(42 if "disk is full" in error.message and "run it again" in str(error.hint) else 1)
    os._exit(0)


def _with_little_room(source: Path, models: Path, bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, bytes))
    _end_with_what_is_said(source, models)


def test_a_full_disk_is_said_and_gone_on_from(ternary: Path, models: Path, imported: Import) -> None:
    assert _in_a_process(_with_little_room, ternary, models, 200_000) == 42
    assert_nothing_made(models)
    assert_same(imported(ternary).card.path, ternary)


def _on_a_small_disk(source: Path, models: Path, size: int) -> None:
    """The models' folder is a file system of that many bytes, which this process alone sees."""
    libc, user, group = ctypes.CDLL(None), os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWUSER | CLONE_NEWNS):
        os._exit(77)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    if libc.mount(b"tmpfs", os.fsencode(models), b"tmpfs", 0, f"size={size}".encode()):
        os._exit(77)
    _end_with_what_is_said(source, models)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's namespaces")
def test_a_file_system_without_room_is_said(ternary: Path, models: Path) -> None:
    models.mkdir()
    code = _in_a_process(_on_a_small_disk, ternary, models, 200_000)
    if code == 77:
        pytest.skip("this machine lets nobody mount a file system")
    assert code == 42


def test_a_wrong_hash_is_found(ternary: Path, imported: Import) -> None:
    card = imported(ternary).card
    path = card.path / "vae" / FILE
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointInvalid, match="sha256") as error:
        verify(read_card(card.path))
    assert error.value.field == str(path)
