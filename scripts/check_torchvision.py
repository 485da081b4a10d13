#!/usr/bin/env python3
"""Imports torchvision's own GoogLeNet, random but whole, and compares logits with PyTorch.

    pip install torch torchvision safetensors onnx onnxruntime
    scripts/check_torchvision.py target/release/inception runs/torchvision
    INCEPTION_TORCHVISION=runs/torchvision cargo test --release --test training pytorch -- --ignored --nocapture

The first command also runs the imported network as an ONNX model, the second on the adapter. Where
torchvision's published weights have been downloaded (by torchvision itself), --pretrained takes those.
"""

import subprocess
import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime
import torch
import torchvision
from safetensors.torch import save_file

COUNT = 4


def random_model():
    """As torchvision makes it, with batch normalisation that has seen some images."""
    torch.manual_seed(1)
    model = torchvision.models.GoogLeNet(init_weights=False, transform_input=True)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.7, 1.4)
            torch.nn.init.uniform_(module.bias, -0.3, 0.3)
            module.momentum = None  # the mean of all batches
    for seed in range(2):
        logits_of(model.train(), random_images(seed))
    return model.eval()


def pretrained_model():
    weights = torchvision.models.GoogLeNet_Weights.IMAGENET1K_V1
    return torchvision.models.googlenet(weights=weights).eval()


def random_images(seed):
    """Bytes [count, height, width, channels]: patches of any colour, as noise alone is grey to a model."""
    generator = torch.Generator().manual_seed(seed)
    patches = torch.randint(0, 192, (COUNT, 7, 7, 3), generator=generator)
    noise = torch.randint(0, 64, (COUNT, 224, 224, 3), generator=generator)
    return patches.repeat_interleave(32, 1).repeat_interleave(32, 2) + noise


def logits_of(model, images):
    """For bytes [count, height, width, channels], through torchvision's own transforms."""
    normalise = torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.no_grad():
        return model(normalise(images.permute(0, 3, 1, 2) / 255.0))


def main():
    program, folder = sys.argv[1], Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    model = pretrained_model() if "--pretrained" in sys.argv else random_model()
    state, imported, exported = (folder / name for name in ("state.safetensors", "model.safetensors", "model.onnx"))
    save_file(model.state_dict(), state)
    images = random_images(2)
    logits = logits_of(model, images)
    save_file({"images": images.float(), "logits": logits.contiguous()}, folder / "expected.safetensors")

    subprocess.run([program, "import", state, "--out", imported], check=True)
    subprocess.run([program, "export", imported, "--onnx", exported], check=True)
    onnx.checker.check_model(str(exported), full_check=True)
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    made = session.run(["logits"], {"images": images.permute(0, 3, 1, 2).float().numpy()})[0]
    apart = numpy.abs(made - logits.numpy()).max()
    print(
        f"torchvision {torchvision.__version__}, ONNX Runtime {onnxruntime.__version__}: {COUNT} images, "
        f"logits from {logits.min():.3f} to {logits.max():.3f}, at most {apart:.1e} apart; "
        f"from image to image they differ by {(logits - logits.mean(0)).abs().max():.3f}"
    )
    assert apart < 1e-5 * (logits.max() - logits.min())


if __name__ == "__main__":
    main()
