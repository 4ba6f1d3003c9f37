"""How good is a model: metrics, a classifier of the images, scores of samples; what its codes are good for.

Read metrics, then classifier and scoring for samples; probes, codes, detection and compression for autoencoders,
latents for VAEs.
The functions are in these modules: `from tinygen.evaluate import metrics`.
"""
