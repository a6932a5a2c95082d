"""The whole recipe, resumable: `python -m training.run --config FILE --data DIR --work DIR [--phase NAME]`.

Each phase continues from its own state in the work folder and costs nothing once done. `export` writes the
newest network there is to --target, so it may be run while training goes on. With --from, a new run starts
from an exported checkpoint instead of from random weights: phases that need not run again can be left out.
With --beside, it shares the latents and the teacher of another run.
"""

import argparse
import logging
import random
from pathlib import Path

import torch
from diffusers import AutoencoderKLFlux2
from tokenizers import Tokenizer

from training.autoencoder import DecoderTrainer, LatentPictures, train_decoder, train_encoder
from training.captions import caption
from training.config import Config, load_config
from training.dataset import CaptionedLatents, Statistics
from training.distil import train_distil
from training.distractors import distract
from training.export import export
from training.flow import train_flow
from training.networks import ConditionedTransformer, build_autoencoder
from training.prepare import prepare
from training.start import start_from
from training.state import load_state
from training.taef2 import load_decoder
from training.ternary import make_ternary
from training.text import train_text
from training.tokenizer import train_tokenizer

START, TOKENIZER = "start", "tokenizer.json"
PHASES = ("prepare", "coarse", "middle", "decoder", "encoder", "text", "flow", "student", "ternary", "export")
TOKENIZER_CAPTIONS = 60_000
FEWER_LEVELS = {"middle": "coarse", "decoder": "middle"}
# What each phase of the transformer starts from, and, after flow, imitates; ternary without a student: flow.
TAUGHT_BY = {"flow": "text", "student": "flow", "ternary": "student"}
LATENT_PIXELS = 128  # half the native size: the starter's f16 latents are FLUX.2's f8 latents of this


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with products/ and weights/")
    parser.add_argument("--work", type=Path, required=True, help="folder for latents and states")
    parser.add_argument("--from", dest="start", type=Path, help="checkpoint that a new run starts from")
    parser.add_argument("--beside", type=Path, help="work folder of a run to share latents and teacher with")
    parser.add_argument("--target", type=Path, default=Path("imagegen/starter"), help="checkpoint to write")
    parser.add_argument("--dense", action="store_true", help="export float32 weights of the same values")
    parser.add_argument("--phase", choices=PHASES, action="append", help="only these (default: all in order)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    config = load_config(arguments.config)
    recipe = Recipe(config, arguments.data, arguments.work)
    if arguments.start:
        recipe.start(arguments.start)
    if arguments.beside:
        recipe.share(arguments.beside)
    for phase in arguments.phase or PHASES:
        if phase == "export":
            recipe.export(arguments.target, arguments.dense)
        else:
            recipe.run(phase)


class Recipe:
    """One run's settings and folders."""

    def __init__(self, config: Config, data: Path, work: Path) -> None:
        self.config, self.data, self.work = config, data, work
        self.latents = work / "latents"

    def start(self, checkpoint: Path) -> None:
        """Let the run start from a checkpoint; nothing where it has started from one already."""
        if self._state(START).exists():
            return
        if any(self._state(phase).exists() for phase in PHASES):
            raise FileExistsError(
                f"{self.work} holds a run that began without a checkpoint: take another folder"
            )
        self.work.mkdir(parents=True, exist_ok=True)
        start_from(checkpoint, self._state(START), self.work / TOKENIZER)

    def share(self, other: Path) -> None:
        """Link the latents and the teacher of the run in `other`; what is here already stays."""
        self.work.mkdir(parents=True, exist_ok=True)
        for link in (self.latents, self._state("flow")):
            shared = (other / link.name).resolve(strict=True)
            if not link.exists():
                link.symlink_to(shared)

    def run(self, phase: str) -> None:
        """Run or continue one phase."""
        torch.manual_seed(self.config.seed)
        if phase == "prepare":
            parquets = [self.data / name for name in self.config.parquets]
            prepare(parquets, self.data / "weights" / "taef2_encoder.pth", self.latents, LATENT_PIXELS)
        elif phase in ("coarse", "middle", "decoder", "encoder"):
            self._train_autoencoder(phase)
        else:
            self._train_network(phase)

    def _train_autoencoder(self, half: str) -> None:
        parquet, side = self.data / self.config.parquets[0], 2 * LATENT_PIXELS
        pictures = LatentPictures(parquet, self.latents, self.work / "pictures.npy", side)
        autoencoder = build_autoencoder()
        state = self._state(half)
        settings = getattr(self.config, half)
        if half == "encoder":
            train_encoder(autoencoder, pictures, settings, state)
            return
        trainer = DecoderTrainer(autoencoder)
        if half in FEWER_LEVELS:
            trainer.load_state_dict(self._average(FEWER_LEVELS[half]))
        teacher = load_decoder(self.data / "weights" / "taef2_decoder.pth")
        train_decoder(trainer, teacher, pictures, settings, state)

    def _train_network(self, phase: str) -> None:
        dataset = CaptionedLatents(self.latents, "train", self.statistics())
        device, state = self.config.device, self._state(phase)
        if phase == "text":
            network = self._beginning(self.tokenizer(dataset)).to(device)
            train_text(network, dataset, self.config.text, device, state)
            return
        before = TAUGHT_BY[phase]
        if phase == "ternary" and not self._state(before).exists():
            before = TAUGHT_BY[before]
        # A checkpoint to start from draws in four strides already, with ternary weights: its loss as a
        # student is half of what the teacher's would be.
        begins = "text" if phase != "flow" and self._state(START).exists() else before
        network = self.network(begins).to(device)
        network.text_encoder.requires_grad_(False)
        if phase == "flow":
            train_flow(network, dataset, self.config.flow, device, state)
            return
        teacher = self.network(before).to(device).requires_grad_(False)
        if phase == "ternary":
            make_ternary(network.transformer)
        settings = {"student": self.config.student, "ternary": self.config.ternary}[phase]
        train_distil(network, teacher, dataset, settings, device, state)

    def tokenizer(self, dataset: CaptionedLatents | None = None) -> Tokenizer:
        """The tokenizer of this run; trained at the first call, which needs the data."""
        path = self.work / TOKENIZER
        if dataset is not None and not path.exists():
            rng = random.Random(self.config.seed)
            texts = (
                distract(caption(rng.choice(dataset.attributes), rng), rng) for _ in range(TOKENIZER_CAPTIONS)
            )
            train_tokenizer(texts, self.config.vocabulary_size).save(str(path))
        tokenizer: Tokenizer = Tokenizer.from_file(str(path))
        return tokenizer

    def network(self, phase: str) -> ConditionedTransformer:
        """The moving average of a phase's network, float32; the transformer of `text` is the beginning's."""
        network = self._beginning(self.tokenizer())
        if phase == "text" and self._state(START).exists() and not self._state(phase).exists():
            return network  # with the start's text encoder
        network.load_state_dict(self._average(phase), strict=False)
        return network

    def newest(self) -> str:
        """The furthest phase of the network that has a state."""
        return next(phase for phase in ("ternary", "student", "flow") if self._state(phase).exists())

    def autoencoder(self) -> AutoencoderKLFlux2:
        """The autoencoder as far as its halves have got, with the statistics of the latents in its bn."""
        autoencoder = build_autoencoder()
        start = load_state(self._state(START))
        if start is not None:
            autoencoder.load_state_dict(start["autoencoder"])
        for half in ("decoder", "encoder"):
            if self._state(half).exists():
                autoencoder.load_state_dict(self._average(half), strict=False)
        statistics = self.statistics()
        autoencoder.bn.running_mean.copy_(statistics.mean)
        autoencoder.bn.running_var.copy_(statistics.variance)
        return autoencoder.eval()

    def statistics(self) -> Statistics:
        """Mean and variance of the training latents, the start's or computed once: nothing may move them."""
        path = self.work / "statistics.pt"
        start = load_state(self._state(START))
        if start is not None:
            bn = start["autoencoder"]
            return Statistics(bn["bn.running_mean"], bn["bn.running_var"])
        if not path.exists():
            found = CaptionedLatents(self.latents, "train").statistics
            torch.save({"mean": found.mean, "variance": found.variance}, path)
        return Statistics(**torch.load(path, weights_only=True))

    def export(self, target: Path, dense: bool) -> None:
        """Write the newest network with the autoencoder, as far as each has got."""
        cards = Path(__file__).parent / "cards"
        network = self.network(self.newest())
        export(network, self.autoencoder(), self.tokenizer(), target, cards, dense)

    def _beginning(self, tokenizer: Tokenizer) -> ConditionedTransformer:
        """The network as the start has it, or with random weights where the run has none."""
        network = ConditionedTransformer(tokenizer)
        start = load_state(self._state(START))
        if start is not None:
            network.load_state_dict(start["network"], strict=False)
        return network

    def _state(self, phase: str) -> Path:
        return self.work / f"{phase}.pt"

    def _average(self, phase: str) -> dict[str, torch.Tensor]:
        state = load_state(self._state(phase))
        if state is None:
            raise FileNotFoundError(f"{self._state(phase)}: run the phase '{phase}' first")
        average: dict[str, torch.Tensor] = state["average"]
        return average


if __name__ == "__main__":
    main()
