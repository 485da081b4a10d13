#!/usr/bin/env python3
"""The tutorial's network in PyTorch: seconds of a training step and of inference, as JSON."""

import common
import torch
from torch.nn import functional


class Network:
    def __init__(self, options, values):
        if options.threads:
            torch.set_num_threads(options.threads)
        torch.backends.cuda.matmul.allow_tf32 = options.tf32
        torch.backends.cudnn.allow_tf32 = options.tf32
        torch.backends.cudnn.benchmark = True
        kind = "".join(
            f", {name}" for name in ("compile", "tf32", "channels_last") if getattr(options, name)
        )
        self.version = f"PyTorch {torch.__version__} on {options.device}{kind}"
        self.options = options
        self.device = torch.device(options.device)
        self.format = torch.channels_last if options.channels_last else torch.contiguous_format
        self.values = {name: self.placed(value).requires_grad_() for name, value in values.items()}
        self.optimizer = torch.optim.Adam(self.values.values(), lr=options.learning_rate, fused=True)
        self.run = torch.compile(self.logits) if options.compile else self.logits

    def placed(self, value):
        tensor = torch.from_numpy(value)
        if tensor.ndim == 4:  # PyTorch has columns and channels first
            tensor = tensor.permute(3, 2, 0, 1).contiguous(memory_format=self.format)
        return tensor.to(self.device)

    def logits(self, x, train):
        values = self.values

        def conv(x, name):
            w = values[name + "/w"]
            return functional.conv2d(x, w, values[name + "/b"], padding=w.shape[-1] // 2)

        for name in common.modules(self.options):
            three = conv(torch.relu(conv(x, name + "/reduce3")), name + "/three")
            five = conv(torch.relu(conv(x, name + "/reduce5")), name + "/five")
            pool = conv(functional.max_pool2d(x, 3, 1, 1), name + "/pool")
            x = torch.relu(torch.cat([conv(x, name + "/one"), three, five, pool], dim=1))
        x = torch.relu(x.flatten(1) @ values["fc1/w"] + values["fc1/b"])
        x = functional.dropout(x, self.options.dropout, training=train)
        return x @ values["fc2/w"] + values["fc2/b"]

    def images(self, images):
        tensor = torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2)
        return tensor.contiguous(memory_format=self.format)

    def wait(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def train(self, images, labels):
        self.optimizer.zero_grad(set_to_none=True)
        labels = torch.from_numpy(labels).to(self.device)
        functional.cross_entropy(self.run(self.images(images), True), labels).backward()
        self.optimizer.step()
        self.wait()

    def classify(self, images):
        with torch.inference_mode():
            torch.softmax(self.run(self.images(images), False), dim=1).cpu()

    def memory(self):
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated()
        return common.memory()


parser = common.arguments(__doc__)
parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
parser.add_argument("--compile", action="store_true", help="through torch.compile")
parser.add_argument("--tf32", action="store_true", help="products in TF32 on a GPU that has it")
parser.add_argument("--channels-last", action="store_true", help="images as NHWC")
common.main(parser.parse_args(), Network)
