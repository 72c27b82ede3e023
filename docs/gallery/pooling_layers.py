# %% [markdown]
# # The pooling layers of VGG16
#
# After the fifth tutorial (Japanese): a list of all convolution and pooling layers of VGG16, the
# strongest map over the photo, every map of the pooling layers in its own file, and all maps of a
# layer in one mosaic.
#
# If the ImageNet weights of VGG16 are not available, VGG16 runs with random weights to show shapes
# and numbers, and the embedded network makes the pictures.

# %%
from pathlib import Path

import numpy as np
from PIL import Image
from setting import either, network

import optogram as og
from optogram.render import sheet

photo = og.datasets.sample_photo("chelsea")
embedded = og.load("efficientnet-lite0")
vgg16 = network("vgg16")

# %% [markdown]
# ## All 18 layers

# %%
maps = og.feature_maps(vgg16, photo)
for number, (name, one) in enumerate(maps.items(), 1):
    print(f"{number:2} {name:14} {one.values.shape}")

# %% [markdown]
# ## The strongest map of the last layer
#
# The map with the highest mean, as numbers, and over the photo at full size.


# %%
def strongest_over_photo(maps):
    """The values of the strongest map, and the map over the photo."""
    channel = maps.strongest(1)[0, 0]
    print(maps.layer, "channel", channel)
    print(np.array2string(maps.values[0, ..., channel], precision=2, suppress_small=True))
    return maps.overlay(channel, photo=Image.open(photo))


strongest_over_photo(maps["block5_pool"])

# %%
ends = ["stem_relu6", "block2b_add", "block3b_add", "block4b_add", "head_relu6"]
own = og.feature_maps(embedded, photo, ends)
strongest_over_photo(own["head_relu6"])

# %% [markdown]
# ## Every map of each pooling layer
#
# One file per map, each layer on one scale from 0 to its maximum: 1 472 files.

# %%
most = either(512, 16, "maps a layer, at most")
folder = Path("maps")
for block in range(1, 6):
    layer = maps[f"block{block}_pool"]
    count = min(most, layer.values.shape[-1])
    (folder / layer.layer).mkdir(parents=True)
    layer.write_each(folder / layer.layer, channels=range(count), cmap="rocket")
print(len(list(folder.glob("*/*.png"))), "files")

# %% [markdown]
# The five strongest maps per layer, for VGG16 and, at five depths, for the embedded network:


# %%
def five_strongest(found):
    """One row per layer, each on its own scale."""
    rows = [[one.mosaic(channels=one.strongest(5)[0], columns=5, cell=112)] for one in found]
    return sheet(rows, captions=[one.layer for one in found])


five_strongest([maps[f"block{block}_pool"] for block in range(1, 6)])

# %%
five_strongest(own.values())

# %% [markdown]
# ## All maps of a layer in one mosaic
#
# Near square, with all maps: 128 of 128 and 512 of 512.

# %%
maps["block2_pool"].mosaic(cell=64)

# %%
own["block4b_add"].mosaic(cell=64)
