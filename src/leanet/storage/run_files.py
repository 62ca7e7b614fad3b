"""Names of the files that runs, colorizers and models write."""

DETECTORS, MODELS = "detectors", "models"  # folders of runs on one fold, and of models on all images
RESULT = "result.json"
CHECKPOINT = "last.ckpt"  # of a fit: its state, and at the end the trained networks
TRAINED_ON = "trained_on.txt"  # in a run's or model's folder: SHA-256 of each image file that it was trained on
ABLATION = "ablation.json"  # in a run's folder, written by leanet.ablate
CURVES = "curves.csv"  # of a fit: epoch (from 1) and losses
REFERENCE = "reference.npz"  # in a fitted model's folder: features of its training images, for distances to them
CARD = "card.json"  # of a fitted model, written last
COLORIZER_WEIGHTS = "colorizer.pt"  # in the colorizer's folder, and in a fitted model's
COLORIZER_FACTS = "colorizer.json"  # in the colorizer's folder: epochs and seconds of its training
FEATURE_WEIGHTS = "features.pt"  # of maps from features: the network and the model of normal features
MAKING = ".seconds.json"  # beside an array of maps or features: the seconds that its computation took
