"""The names of the files that runs, colorizers and models leave."""

DETECTORS, MODELS = "detectors", "models"  # where runs lie: those of a fold, and those of all images
RESULT = "result.json"
ABLATION = "ablation.json"  # in a run's folder once leanet.ablate was there
CURVES = "curves.csv"  # of a fit: epoch (from 1), and the losses of each
CARD = "card.json"  # of a fitted model, written last
COLORIZER_WEIGHTS = "colorizer.pt"  # in its folder, and in a fitted model's
COLORIZER_FACTS = "colorizer.json"  # what its training took, in its folder
FEATURE_WEIGHTS = "features.pt"  # the same of maps by features: the network, and what normals look like to it
MAKING = ".seconds.json"  # beside an array of maps or features: what its making took
