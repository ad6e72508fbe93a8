"""The PyTorch side of docs/pytorch.md.

    pip install torch safetensors numpy
    python checks/book/tests/python/pytorch.py write checks/book/tests/data/pytorch.safetensors
    python checks/book/tests/python/pytorch.py read FILE      # one that Rust wrote: same names, shapes and outputs

`write` prints the outputs that the page's Rust code is held to.
"""

import sys

import torch
from safetensors.torch import load_file, save_file
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.hidden = nn.Linear(8, 16)
        self.output = nn.Linear(16, 8)

    def forward(self, x):
        return x + self.output(torch.relu(self.hidden(self.norm(x))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(Block() for _ in range(6))
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def main():
    way, file = sys.argv[1:]
    torch.manual_seed(1)
    model = Net()
    with torch.no_grad():
        for block in model.blocks:  # norms that are not the identity
            block.norm.weight.uniform_(0.5, 1.5)
            block.norm.bias.uniform_(-0.5, 0.5)
    if way == "write":
        save_file(model.state_dict(), file)
    else:
        model.load_state_dict(load_file(file))
    x = torch.arange(16, dtype=torch.float32).reshape(2, 8) / 8 - 1
    print(model(x).flatten().tolist())


if __name__ == "__main__":
    main()
