"""A run that starts from an exported checkpoint has the very values that the checkpoint stands for."""

from pathlib import Path
from typing import cast

import pytest
import torch

from training.config import Config
from training.export import export
from training.networks import ConditionedTransformer, build_autoencoder
from training.run import Recipe
from training.start import read_component
from training.ternary import ternary_linears, ternary_weight
from training.tokenizer import train_tokenizer

CARDS = Path(__file__).resolve().parents[2] / "training" / "cards"


@pytest.fixture(scope="module")
def network() -> ConditionedTransformer:
    torch.manual_seed(0)
    return ConditionedTransformer(train_tokenizer(["red shoe", "blue bag"], 300))


@pytest.fixture(scope="module")
def checkpoint(network: ConditionedTransformer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("models") / "starter"
    autoencoder = build_autoencoder()
    autoencoder.bn.running_mean.fill_(0.25)
    export(network, autoencoder, network.tokenizer, target, CARDS)
    return target


def recipe_at(work: Path) -> Recipe:
    return Recipe(cast(Config, None), work, work)


def test_the_start_is_what_the_checkpoint_holds(
    network: ConditionedTransformer, checkpoint: Path, tmp_path: Path
) -> None:
    recipe = recipe_at(tmp_path)
    recipe.start(checkpoint)
    begun = recipe.network("text")
    assert begun.tokenizer.to_str() == recipe.tokenizer().to_str()
    written, found = ternary_linears(network.transformer), ternary_linears(begun.transformer)
    for name, linear in written.items():
        assert torch.equal(found[name].weight, ternary_weight(linear.weight))
        assert torch.equal(ternary_weight(found[name].weight), found[name].weight)
    embedding = network.transformer.context_embedder.weight
    assert torch.equal(begun.transformer.context_embedder.weight, embedding.half().float())
    projection = "model.layers.0.mlp.up_proj.weight"
    before = network.text_encoder.state_dict()[projection]
    error = (begun.text_encoder.state_dict()[projection] - before).abs().amax(1)
    assert bool((error <= before.abs().amax(1) / 250).all())
    assert bool((recipe.statistics().mean == 0.25).all())
    assert bool((recipe.autoencoder().bn.running_mean == 0.25).all())


def test_a_second_start_changes_nothing(checkpoint: Path, tmp_path: Path) -> None:
    recipe = recipe_at(tmp_path)
    recipe.start(checkpoint)
    before = (tmp_path / "start.pt").stat().st_mtime_ns
    recipe.start(tmp_path / "nowhere")
    assert (tmp_path / "start.pt").stat().st_mtime_ns == before


def test_a_run_that_began_without_one_is_left_alone(checkpoint: Path, tmp_path: Path) -> None:
    torch.save({}, tmp_path / "flow.pt")
    with pytest.raises(FileExistsError, match="another folder"):
        recipe_at(tmp_path).start(checkpoint)
    assert not (tmp_path / "start.pt").exists()


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match="safetensors"):
        read_component(tmp_path)
