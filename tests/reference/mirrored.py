"""The network of ``cam_networks.py`` in PyTorch."""

import torch

from cam_networks import weights


def mirror():
    """The network as modules of PyTorch."""
    nn, given = torch.nn, {k: [torch.tensor(a) for a in v] for k, v in weights().items()}
    modules = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3),
        nn.BatchNorm2d(12, eps=1e-3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(12, 5),
    )
    for place, name in ((0, "conv1"), (3, "conv2")):
        modules[place].weight.data = given[name][0].permute(3, 2, 0, 1).contiguous()
        modules[place].bias.data = given[name][1]
    gamma, beta, mean, variance = given["norm"]
    modules[4].weight.data, modules[4].bias.data = gamma, beta
    modules[4].running_mean, modules[4].running_var = mean, variance
    modules[8].weight.data, modules[8].bias.data = (
        given["dense"][0].T.contiguous(),
        given["dense"][1],
    )
    return modules.eval()
