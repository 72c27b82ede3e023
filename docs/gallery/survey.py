# %% [markdown]
# # A survey as a table
#
# A small network is trained on Fashion-MNIST and surveyed. The store is then opened with xarray
# alone: any question about units is a line.
#
# If Fashion-MNIST is not available, bright squares replace it; the page says so.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from setting import either, fashion_mnist

import optogram as og

clothes = fashion_mnist(most=either(60_000, 4_000, "training pictures, at most"))
trained = og.training.train(clothes, epochs=either(10, 2, "epochs"))
net = og.Network(trained.model, labels=trained.classes)
folder = Path(tempfile.mkdtemp())
pictures = folder / "clothes.npy"
np.save(pictures, clothes.test_images[: either(10_000, 1_000, "pictures of the survey")])

# %% [markdown]
# ## The survey
#
# Statistics, strongest pictures, classes and nearest units of every layer; patterns of the last
# layer with maps. Pictures are in a file, where the survey finds them again when units are drawn.

# %%
place = folder / "net.zarr"
survey = og.survey(net, pictures, place)
layer = net.default_layer
shown = range(either(16, 4, "units with patterns"))
survey = og.survey(
    net, pictures, place, what="patterns", layers=layer, units=shown, steps=either(128, 16, "steps")
)
survey

# %%
survey.plot([(layer, unit) for unit in shown[:4]])

# %% [markdown]
# ## The same store with xarray

# %%
units = xr.open_zarr(place, group="units").load()
units

# %% [markdown]
# How often do the units of each layer fire?

# %%
names = list(dict.fromkeys(units.layer.values))
shares = [units.fires.values[units.layer.values == name] for name in names]
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
axes.boxplot(shares, tick_labels=names)
axes.set_ylabel("share of pictures in which a unit fires")
axes.tick_params(axis="x", rotation=30)
plt.show()

# %% [markdown]
# Which classes does each unit of the last layer with maps serve? Rows are classes, columns units;
# red raises the logit.

# %%
classes = xr.open_zarr(place, group="classes").load()
mine = classes.contribution.values[:, units.layer.values == layer]
limit = np.abs(mine).max()
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
image = axes.imshow(mine, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
axes.set_yticks(range(len(mine)), [net.labels.names[i] for i in classes["class"].values])
axes.set_xlabel(f"unit of {layer}")
figure.colorbar(image, label="gradient × activation")
plt.show()

# %% [markdown]
# Units that are alike, and how much:

# %%
row = int(np.flatnonzero(units.layer.values == layer)[0])
for other, correlation in zip(
    units.nearest_unit.values[row], units.nearest_correlation.values[row], strict=True
):
    print(f"unit 0 and unit {units.channel.values[other]}: r = {correlation:.2f}")
