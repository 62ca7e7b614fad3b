"""The columns, tables and figures to choose from, each with a few words for `--help`."""

from leanet.report.paper import TABLES as PAPERS

COLUMNS = {
    "f1": "F1; in the paper's tables at the best point, chosen on the test folds",
    "left_out": "F1 with each fold's point chosen by the other folds",
    "nested": "F1 with each fold's point chosen on validation images",
    "thresholded": "F1 above a threshold chosen on validation images, not 0.5",
    "at_prior": "F1 above the share of positives in training, not 0.5",
    "lift": "the difference to the same ADN alone, with its 95 % interval and p",
    "detectable": "the lift that its test would find four times out of five",
    "auroc": "area under the ROC curve",
    "ap": "average precision",
    "floor": "F1 of calling every image positive",
    "collapsed": "number of folds in which all test images got the same prediction",
    "seconds": "training of the detector, per fold",
    "between": "SD between the means of repeats with other splits",
    "caan": "F1 of CAAN's own head",
    "combined": "F1 of the mean of CAAN and ADN",
    "weighted": "F1 of CAAN and ADN, weighted on validation images",
    "caan_auroc": "AUROC of CAAN's own head",
    "combined_auroc": "AUROC of the mean of CAAN and ADN",
    "map_shift": "how much brighter the maps of unseen normals are; 0.5: not at all",
    "map_pixel_auroc": "AUROC of the anomaly map against the pixel masks",
    "map_aupro": "overlap of the anomaly map with the masked regions (AUPRO)",
    "attention_pixel_auroc": "AUROC of the attention against the pixel masks",
    "attention_aupro": "overlap of the attention with the masked regions (AUPRO)",
    "evidence_pixel_auroc": "AUROC of the evidence map against the pixel masks",
    "evidence_aupro": "overlap of the evidence map with the masked regions (AUPRO)",
    "attention_sd": "SD over an image of the attention",
    "constant": "drop of F1 with the attention's mean in its place (leanet.ablate)",
    "shuffled": "drop of F1 with other images' attention (leanet.ablate)",
    "constant_auroc": "the same drop of AUROC",
    "shuffled_auroc": "the same drop of AUROC",
}
TABLES: dict[int | str, str] = {
    **{number: f"the paper's Table {number}, with its numbers beside yours" for number in PAPERS},
    "cells": "all cells",
    "kinds": "how many anomalous images of each kind are found",
}
FIGURES: dict[int | str, str] = {
    3: "the paper's Figure 3: image, recoloured image and anomaly map",
    4: "the paper's Figure 4: F1 over the share of positives",
    5: "the paper's Figure 5: features before and after the attention",
    6: "the paper's Figure 6: as Figure 3, for the datasets of the appendix",
    "points": "F1 at the five points, beside the ADN alone",
    "lifts": "the lift of each model over its ADN alone",
    "curves": "the losses by epoch",
    "mistakes": "the worst mistakes of each model",
}
