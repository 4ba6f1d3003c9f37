"""One small model for each name that a run can keep."""

SMALL = {
    "ConvAutoencoder": dict(image_size=8, maps=(2, 3), code=4),
    "DenseAutoencoder": dict(image_shape=(8, 8, 1), widths=(5, 3)),
    "VAE.dense": dict(image_shape=(8, 8, 1), widths=(5,), latent=3),
    "DenseGAN": dict(coordinates=2, widths=(8,), latent=3),
    "DCGAN": dict(image_size=8, maps=(2, 4), latent=3),
    "Diffusion.unet": dict(image_shape=(8, 8, 1), channels=16, multiples=(1, 2), middle=2, overview=True),
}
