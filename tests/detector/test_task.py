import numpy as np
import torch

from leanet.detector.adn import basic_cnn
from leanet.detector.caan import DirectAttention, mobilenet_caan
from leanet.detector.lea_net import LeaNet, evidence
from leanet.detector.task import DetectorTask, answers, probabilities


def batch(rows: int = 5, size: int = 128) -> dict[str, torch.Tensor]:
    images = torch.randint(0, 256, (rows, 3, size, size), dtype=torch.uint8)
    return {"images": images, "maps": torch.rand(rows, 1, size, size).half(), "scales": torch.ones(rows)}


def test_the_attention_s_sd_is_that_of_each_image_at_its_own_size() -> None:
    task, given = DetectorTask(LeaNet(basic_cnn(3, 128), DirectAttention(), 1), lr=1e-3), batch()
    found = answers(task, given, batch_size=2)
    with torch.inference_mode():
        maps = task.eval()(given).attention.numpy()
    assert maps.shape == (5, 1, 64, 64) and found.attention.shape == (5, 32, 32)  # what is kept is smaller
    np.testing.assert_allclose(found.attention_sd, [image.std() for image in maps], rtol=1e-4)


def test_answers_are_what_the_heads_say() -> None:
    task, given = DetectorTask(LeaNet(basic_cnn(3, 32), mobilenet_caan(), 2), lr=1e-3), batch(size=32)
    found = answers(task, given, batch_size=2)
    with torch.inference_mode():
        output = task.eval()(given)
    for head in ("adn", "caan"):
        torch.testing.assert_close(found.evidence[head], evidence(getattr(output, head)))
        assert torch.equal(found.probabilities[head], torch.sigmoid(found.evidence[head]))
    assert probabilities(task, {name: values[:0] for name, values in given.items()}) == {}
