"""The names of leanet's commands. Imports nothing, so that `leanet --help` is quick."""

COMMANDS = {
    "train": "cross-validate a detector, or a grid of them (-m)",
    "fit": "cross-validate, then train a model on all images",
    "predict": "classify images with a model or a run",
    "report": "tables, figures and an HTML page of finished runs",
    "prepare": "make one of the paper's datasets from its published archive",
    "export": "write a model to an ONNX or PyTorch file",
    "ablate": "measure whether finished runs use their attention",
    "clean": "show what takes disk space, and remove what can be made again",
    "info": "print the layers and sizes of networks",
}
