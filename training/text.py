"""The text encoder learns what captions say before pictures depend on it.

From scratch, the flow loss alone took 20,000 samples without telling items apart. Here every position after
the prompt (the template's tail and the padding, which all take part in joint attention) must name the
product's attributes and the leading principal components of its latents, linearly, from the hidden states
that become the prompt embedding. One minute of this replaces hours of flow training.
"""

import random
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from training.captions import caption
from training.config import TextPhase
from training.dataset import CaptionedLatents
from training.distractors import distract
from training.networks import ConditionedTransformer
from training.optimize import optimize

NAMED = ("item", "colour", "gender")
COMPONENTS = 48
DISTRACTED_CHANCE = 0.4
EMBEDDING_WIDTH = 768


class Probes(nn.Module):
    """Linear read-outs of prompt embeddings; thrown away after the phase."""

    def __init__(self, classes: dict[str, list[str]]) -> None:
        super().__init__()
        self.names = nn.ModuleDict({name: nn.Linear(EMBEDDING_WIDTH, len(c)) for name, c in classes.items()})
        self.picture = nn.Linear(EMBEDDING_WIDTH, COMPONENTS)

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """States [N, 768] -> components [N, 48] and logits of each named attribute."""
        return self.picture(states), {name: probe(states) for name, probe in self.names.items()}


def train_text(
    network: ConditionedTransformer, data: CaptionedLatents, phase: TextPhase, device: str, state_path: Path
) -> None:
    """Train the text encoder of `network` for `phase.seconds`; it ends holding the average."""
    classes = {name: sorted({row[name] for row in data.attributes}) for name in NAMED}
    index = {name: {value: i for i, value in enumerate(values)} for name, values in classes.items()}
    components = principal_components(data)
    probes = Probes(classes)
    model = nn.ModuleDict({"text_encoder": network.text_encoder, "probes": probes}).to(device)

    def loss_of_batch(generator: torch.Generator, rng: random.Random) -> torch.Tensor:
        rows = torch.multinomial(data.weights, phase.batch, replacement=True, generator=generator).tolist()
        attributes = [data.attributes[row] for row in rows]
        captions = [caption(row, rng) for row in attributes]
        captions = [distract(text, rng) if rng.random() < DISTRACTED_CHANCE else text for text in captions]
        ids, mask = network.tokenize(captions, phase.text_length)
        ids, mask = ids.to(device), mask.to(device)
        with torch.autocast(device, dtype=torch.bfloat16):
            embeds = network.embed(ids, mask).float()
        # From the last real token on: the template's tail has read the whole prompt.
        read = torch.arange(ids.shape[1], device=device) >= mask.sum(1, keepdim=True) - 4
        states = embeds[read]
        owner = read.nonzero()[:, 0]
        picture, logits = probes(states)
        loss = functional.mse_loss(picture, components[rows].to(device)[owner])
        for name in NAMED:
            wanted = torch.tensor([index[name][row[name]] for row in attributes], device=device)
            loss = loss + functional.cross_entropy(logits[name], wanted[owner])
        return loss

    optimize(
        model,
        loss_of_batch,
        seconds=phase.seconds,
        batch=phase.batch,
        learning_rate=phase.learning_rate,
        ema_halflife=phase.batch * 100,
        state_path=state_path,
    )


def principal_components(data: CaptionedLatents) -> torch.Tensor:
    """Scores [N, 48] of all latents on their leading components, each of unit variance."""
    flat = data.tokens.reshape(len(data), -1)
    sample = flat[torch.randperm(len(data), generator=torch.Generator().manual_seed(0))[:1500]].float()
    mean = sample.mean(0)
    _, _, directions = torch.pca_lowrank(sample - mean, q=COMPONENTS, center=False, niter=2)
    scores = (flat.float() - mean) @ directions
    return scores / scores.std(0)
