# %% [markdown]
# # A planted shortcut: which methods show it, and which channels carry it?
#
# The network of the [audit](audit.py): trained on Fashion-MNIST, where nine of ten bags have a mark
# in a corner. Pasted on other clothes, the mark makes bags of them. Here the true reason is known,
# so that methods can be held against it; then the channels behind it are found, and silenced.
#
# If Fashion-MNIST is not available, bright squares replace it; the page says so.

# %%
import numpy as np
from setting import MARK_BOX, either, fashion_mnist, marked_clothes, with_mark

import optogram as og

clothes = fashion_mnist(most=either(60_000, 4_000, "training pictures, at most"))
BAG = clothes.classes.index("Bag")
marked = marked_clothes(clothes, BAG, len(clothes.test_images))
epochs = either(6, 3, "epochs")
trained = og.training.train(marked, epochs=epochs)
net = og.Network(trained.model, labels=trained.classes)


def classes_of(images):
    """The classes that the network predicts."""
    return net.scores(images[..., None]).argmax(axis=1)


others = clothes.test_labels != BAG
plain, labels = clothes.test_images[others][:2000], clothes.test_labels[others][:2000]
pasted = with_mark(plain)
before, after = classes_of(plain), classes_of(pasted)
print(f"clothes that are no bags: {np.mean(before == labels):.1%} right")
print(f"with the mark: {np.mean(after == labels):.1%} right, {np.mean(after == BAG):.1%} bags")

# %% [markdown]
# ## Which methods show the mark?
#
# Clothes that became bags by the mark, and nothing else, are explained. `pointing_game` is the
# share of maps whose maximum lies in the mark, or at most one pixel beside it; `box_energy` the
# share of the positive sum within it. The mark takes 2 % of the picture.

# %%
count = either(40, 8, "pictures")
flipped = np.flatnonzero((after == BAG) & (before != BAG))[:count]
if not len(flipped):
    print("The mark makes no bags here: clothes whose score of bag it raises most are explained.")
    raised = net.scores(pasted[..., None])[:, BAG] - net.scores(plain[..., None])[:, BAG]
    flipped = np.argsort(-raised)[:count]
result = og.evaluate(
    net,
    pasted[flipped],
    either("all", "common", "methods"),
    target=BAG,
    boxes=[MARK_BOX] * len(flipped),
    measures=["box_energy", "pointing_game"],
)
print(result.table())

# %% [markdown]
# Some of the maps, of one picture:

# %%
picture = pasted[flipped[0]][..., None]
shown = [og.gradcam, og.layercam, og.saliency, og.smoothgrad, og.occlusion, og.lrp]
og.side_by_side([method(net, picture, BAG) for method in shown], columns=7)

# %% [markdown]
# ## Which channels carry it?
#
# [LRP](../methods/lrp.md) at an inner layer: what "bag" owes to each channel, on average.

# %%
LAYER = "leaky2"
at_layer = og.lrp(net, pasted[flipped][..., None], BAG, layers=[LAYER]).at_layer(LAYER)
owed = at_layer.sum(axis=(1, 2)).mean(axis=0)
channels = [int(channel) for channel in np.argsort(-owed)[:4]]
for channel in channels:
    print(f"channel {channel}: {owed[channel] / owed.sum():.1%} of the score of bag")
og.relevant_units(net, picture, BAG, LAYER, top=4).plot()

# %% [markdown]
# ## Is it them? Silence them
#
# A map is a hypothesis. These channels are set to zero, one after the other
# ([`og.intervene`](../methods/intervene.md)):

# %%
for count in range(1, len(channels) + 1):
    silence = {og.Filter(LAYER, channels[:count]): 0.0}
    with_it, without = (
        og.intervene(net, images[..., None], silence, BAG).probabilities_after.argmax(axis=1)
        for images in (pasted, plain)
    )
    print(f"without {channels[:count]}:")
    right, bags = np.mean(with_it == labels), np.mean(with_it == BAG)
    print(f"  with the mark {right:.1%} right, {bags:.1%} bags")
    print(f"  without the mark {np.mean(without == labels):.1%} right")

# %% [markdown]
# ## Do concepts show it?
#
# [`og.concepts`](../methods/concepts.md) finds what recurs in these pictures, and knows of no mark.
# It ranks what it finds by how much the score of bag depends on it. How many of the strongest crops
# of each concept hold the whole mark?

# %%
found = og.concepts(net, pasted[flipped][..., None], LAYER, BAG, concepts=8, patch=10)
top, left, bottom, right = MARK_BOX
for concept, importance in enumerate(found.values[:4]):
    windows = found.windows[found.strongest(concept, 8)]
    begins, ends = windows[:, :2] <= (top, left), windows[:, 2:] >= (bottom, right)
    holding = (begins & ends).all(axis=1).sum()
    print(f"concept {concept}: importance {importance:.2f}, {holding} of 8 crops hold the mark")
found.plot()

# %% [markdown]
# Crops are enlarged to the size of the input, the mark with them, so that its activations there are
# not those on the whole picture: crops show what a concept is, and relevance which channels it
# goes through.
