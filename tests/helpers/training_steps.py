"""Four families of models on a few images, each with the state of its training and one step."""

import numpy as np

import tinygen as tg
from tinygen import models, nn, optim
from tinygen.data import load
from tinygen.models import non_saturating

IMAGES = load("digits").train_images[:22]  # three batches, the last one smaller
EPOCHS, STEPS = 3, 9


def autoencoder(rng):
    """With BatchNorm, whose statistics change, and Dropout, which has its own generator."""
    encoder = nn.Sequential(
        nn.Flatten(), nn.Dense(64, 12, rng=rng), nn.BatchNorm(12), nn.Dropout(0.3, rng=np.random.default_rng(5))
    )
    decoder = nn.Sequential(nn.Dense(12, 64, rng=rng), nn.Reshape((8, 8, 1)))
    model = models.Autoencoder(encoder, decoder)
    params = model.parameters()
    opt = optim.Adam(params, 1e-2)
    schedule = optim.warmup(optim.cosine(1e-2, total=STEPS), steps=3)

    def step(batch, rng):
        opt.lr = schedule(opt.steps)
        loss = nn.finite(model.loss)(batch)
        opt.step(tg.grad(loss, params))
        return loss.item()

    return dict(model=model, opt=opt), step


def vae(rng):
    model = models.VAE.dense((8, 8, 1), (10,), 3, rng=rng)
    params = model.parameters()
    opt = optim.RMSprop(params, 1e-2)

    def step(batch, rng):
        loss = nn.finite(model.loss)((rng.random(batch.shape) < batch).astype(np.float32), rng)
        opt.step(tg.grad(loss, params))
        return loss.item()

    return dict(model=model, opt=opt), step


def diffusion(rng):
    """With averaged weights."""
    model = models.Diffusion(models.PointDenoiser(rng=rng, coordinates=64, hidden=16), models.cosine_schedule(), (64,))
    params = model.parameters()
    opt, average = optim.AdamW(params, 1e-2), optim.EMA(params, 0.9)

    def step(batch, rng):
        loss = nn.finite(model.loss)(2 * batch.reshape(-1, 64) - 1, rng)
        opt.step(tg.grad(loss, params))
        average.update()
        return loss.item()

    return dict(model=model, opt=opt, average=average), step


def gan(rng):
    """With two optimizers, and BatchNorm in the generator."""
    model = models.GAN.conv((8, 8, 1), (2, 4), 3, rng=rng)
    g_params, d_params = model.generator.parameters(), model.discriminator.parameters()
    g_opt, d_opt = optim.Adam(g_params, 1e-2), optim.SGD(d_params, 1e-2, momentum=0.5)

    def step(batch, rng):
        fake = model.generator(model.noise(len(batch), rng))
        d_loss = non_saturating.d_loss(model.discriminator(batch), model.discriminator(fake.detach()))
        d_opt.step(tg.grad(d_loss, d_params))
        g_loss = non_saturating.g_loss(model.discriminator(fake))
        g_opt.step(tg.grad(g_loss, g_params))
        return d_loss.item() - g_loss.item()

    return dict(model=model, g_opt=g_opt, d_opt=d_opt), step


FAMILIES = [autoencoder, vae, diffusion, gan]
