"""P(anomalous) of photographs, without leanet or PyTorch: python onnx_predict.py DETECTOR.onnx IMAGE…

Images are decoded as leanet does it, but for colour profiles and 16-bit grey, which few photographs have.
"""

import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1])
size = session.get_inputs()[0].shape[1]
fit = session.get_modelmeta().custom_metadata_map.get("fit", "stretch")
for file in sys.argv[2:]:
    upright = ImageOps.exif_transpose(Image.open(file)).convert("RGBA")
    image = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB")
    if fit == "pad":
        square = ImageOps.pad(image, (size, size), Image.Resampling.BICUBIC, color=(128, 128, 128))
    elif fit == "crop":
        square = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    else:
        square = image.resize((size, size), Image.Resampling.BICUBIC)
    probability = session.run(["probability"], {"images": np.asarray(square)[None]})[0][0]
    print(f"{file}\t{probability:.6f}")
