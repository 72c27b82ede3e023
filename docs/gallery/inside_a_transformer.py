# %% [markdown]
# # Inside a vision transformer
#
# A small vision transformer is trained on Fashion-MNIST, where nine of ten bags have a mark in a
# corner, as in [the planted shortcut](shortcut.py): what its heads look at, what its tokens hold,
# and which methods show that a picture was called a bag because of the mark.
#
# If Fashion-MNIST is not available, bright squares replace it; the page says so.

# %%
import keras
import numpy as np
from setting import MARK_BOX, either, fashion_mnist, marked_clothes, vision_transformer, with_mark

import optogram as og
from optogram.render import sheet

clothes = fashion_mnist(most=either(60_000, 5_000, "training pictures, at most"))
BAG = clothes.classes.index("Bag")
marked = marked_clothes(clothes, BAG, either(10_000, 1_000, "test pictures"))

# %% [markdown]
# ## The network
#
# Patches of 4×4 pixels make 7×7 tokens; a class token is put in front. Three blocks of attention
# with four heads and an MLP; the class is read from the class token.

# %%
epochs = either(10, 3, "epochs")
model = vision_transformer(classes=len(clothes.classes))
rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * len(marked.train_images) // 128)
model.compile(keras.optimizers.AdamW(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    marked.train_images[..., None], marked.train_labels, batch_size=128, epochs=epochs, verbose=0
)
_, accuracy = model.evaluate(marked.test_images[..., None], marked.test_labels, verbose=0)
print(f"test accuracy {accuracy:.1%}")
net = og.Network(model, labels=clothes.classes)
print(f"layers with maps of tokens: {', '.join(net.map_layers())}")
print(f"default layer: {net.default_layer}")

# %% [markdown]
# The default layer is the last one whose patches the class depends on: in the last block, only the
# class token is read after attention.
#
# ## What the heads look at
#
# A test picture, and the [attention](../methods/attention.md) of its class token in each head, from
# the first block to the last. Each row of attention sums to 1, with the share of the class token
# itself.

# %%
others = clothes.test_labels != BAG
plain, labels = clothes.test_images[others][:2000], clothes.test_labels[others][:2000]
picture = plain[0][..., None]
attention = og.attention(net, picture, "*")
heads = range(4)
sheet(
    [[found.overlay(head, size=(112, 112)) for head in heads] for found in attention.values()],
    titles=[f"head {head}" for head in heads],
    captions=list(attention),
)

# %% [markdown]
# ## What the tokens hold
#
# Tokens are feature maps, 7×7 with a channel for each unit. Three principal components of the
# tokens of four pictures as red, green and blue: patches of one color are alike to the network.

# %%
og.token_pca(net, plain[:4][..., None], layer="block2_add2").plot()

# %% [markdown]
# A unit of an MLP is a [filter](../methods/maximize.md) of such a map: the image that maximizes it,
# from noise, and the test pictures that activate it most.

# %%
units = og.Filter("block1_mlp1", range(4))
og.maximize(net, units, size=(28, 28), steps=either(128, 16, "steps")).sheet(labels=True)

# %%
photos = plain[: either(2000, 200, "pictures")][..., None]
og.strongest_images(net, "block1_mlp1", photos, top=8, filters=range(4)).plot()

# %% [markdown]
# ## Which methods show the mark?
#
# Pasted on other clothes, the mark makes bags of them. Clothes that became bags by the mark, and
# nothing else, are explained. `pointing_game` is the share of maps whose maximum lies in the mark,
# or at most one pixel beside it; `box_energy` the share of the positive sum within it. The mark
# takes 2 % of the picture, and lies within 8 % of the tokens.

# %%
pasted = with_mark(plain)
before, after = (net.scores(images[..., None]).argmax(axis=1) for images in (plain, pasted))
print(f"clothes that are no bags: {np.mean(before == labels):.1%} right")
print(f"with the mark: {np.mean(after == labels):.1%} right, {np.mean(after == BAG):.1%} bags")

# %%
flipped = np.flatnonzero((after == BAG) & (before != BAG))[: either(40, 8, "pictures")]
if not len(flipped):
    print("The mark makes no bags here: clothes whose score of bag it raises most are explained.")
    raised = net.scores(pasted[..., None])[:, BAG] - net.scores(plain[..., None])[:, BAG]
    flipped = np.argsort(-raised)[:8]
methods = either(
    "gradcam layercam hirescam saliency integrated_gradients lrp occlusion attention_rollout "
    "transformer_attribution legrad",
    "gradcam lrp transformer_attribution",
    "methods",
)
result = og.evaluate(
    net,
    pasted[flipped],
    methods.split(),
    target=BAG,
    boxes=[MARK_BOX] * len(flipped),
    measures=["box_energy", "pointing_game"],
)
print(result.table())

# %% [markdown]
# Some of the maps, of one picture. Attention rollout is the same for every class. With
# `fill="drop"` occlusion leaves out tokens instead of painting over them.

# %%
example = pasted[flipped[0]][..., None]
shown = [og.gradcam, og.lrp, og.attention_rollout, og.transformer_attribution]
og.side_by_side(
    [method(net, example, BAG) for method in shown] + [og.occlusion(net, example, BAG, fill="drop")]
)
