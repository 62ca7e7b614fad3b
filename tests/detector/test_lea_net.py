import pytest
import torch
from sklearn.metrics import log_loss

from leanet.detector.adn import Adn
from leanet.detector.adn import resnet18 as make_resnet18
from leanet.detector.attention import Attention
from leanet.detector.caan import Caan, DirectAttention, mobilenet_caan, resnet_caan
from leanet.detector.inputs import CHANNELS, adn_input
from leanet.detector.lea_net import LeaNet, evidence
from leanet.detector.loss import head_loss
from leanet.detector.task import DetectorTask


def resnet18() -> Adn:
    return make_resnet18(3, 64)


@pytest.mark.parametrize("point", [1, 2, 3, 4, 5])
def test_gradients_reach_the_caan_through_the_attention_alone(point: int) -> None:
    network = LeaNet(resnet18(), mobilenet_caan(), point)
    output = network(torch.rand(4, 3, 64, 64), torch.rand(4, 1, 64, 64))
    head_loss(output.adn, torch.tensor([0, 1, 0, 1])).backward()  # no loss of CAAN's own
    caan = network.caan
    for number, block in enumerate(caan.blocks, start=1):
        gradients = [parameter.grad for parameter in block.parameters()]
        if number <= point:
            assert any(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)
        else:
            assert all(gradient is None for gradient in gradients)


def test_lea_net_is_the_adn_with_its_features_multiplied() -> None:
    network = LeaNet(resnet18(), resnet_caan(), 3).eval()
    images, maps = torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        output = network(images, maps)
        trunk = network.adn.network
        features = trunk.layer2(trunk.layer1(trunk.maxpool(trunk.act1(trunk.bn1(trunk.conv1(images))))))
        features = features * (1 + output.attention)
        expected = trunk.forward_head(trunk.layer4(trunk.layer3(features)))
    torch.testing.assert_close(output.adn, expected)


def test_the_papers_attention_trains_as_it_always_did_to_the_last_bit() -> None:
    """Eq. 2 was taken between the external network's blocks; later, gradients would be summed in another order."""

    class Between(Caan):
        def forward(self, maps: torch.Tensor, points: list[int]) -> tuple[list[torch.Tensor], torch.Tensor]:
            features = maps
            for number, block in enumerate(self.blocks, start=1):
                features = block(features)
                if number in points:
                    attention = Attention()(features)
            return [attention], self.head(features)

    gradients = []
    for between in (True, False):
        torch.manual_seed(0)
        caan = mobilenet_caan()
        network = LeaNet(make_resnet18(3, 32), Between([*caan.blocks], caan.head) if between else caan, 3)
        if between:
            network.attention[0] = torch.nn.Identity()
        torch.manual_seed(1)
        images, maps = torch.rand(8, 3, 32, 32), torch.rand(8, 1, 32, 32)
        output = network(*(given.to(memory_format=torch.channels_last) for given in (images, maps)))
        (head_loss(output.adn, torch.tensor([0, 1] * 4)) + head_loss(output.caan, torch.tensor([0, 1] * 4))).backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_at_several_points_each_attention_has_a_share_of_one() -> None:
    network = LeaNet(resnet18(), mobilenet_caan(), [2, 3]).eval()
    images, maps = torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        features, logits = network.caan(maps, [2, 3])
        whole = [Attention()(of_point) for of_point in features]
        for numbers, shares in (([0.0, 0.0], [0.5, 0.5]), ([0.0, 1.0986123], [0.25, 0.75])):  # log 3
            network.shares.copy_(torch.tensor(numbers))
            output = network(images, maps)
            expected = [share * attention for share, attention in zip(shares, whole, strict=True)]
            torch.testing.assert_close(list(output.attentions), expected)
            assert output.attention is output.attentions[-1]
            trunk = network.adn.network
            first = trunk.layer1(trunk.maxpool(trunk.act1(trunk.bn1(trunk.conv1(images))))) * (1 + expected[0])
            second = trunk.layer2(first) * (1 + expected[1])
            torch.testing.assert_close(output.adn, trunk.forward_head(trunk.layer4(trunk.layer3(second))))
            torch.testing.assert_close(output.caan, logits)
            torch.testing.assert_close(network(images, maps, output.attentions).adn, output.adn)
    output = network(images, maps)
    head_loss(output.adn, torch.tensor([0, 1])).backward()
    assert network.shares.grad.abs().min() > 0


def test_plain_and_direct_have_no_second_head() -> None:
    images, maps = torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64)
    assert LeaNet(resnet18()).eval()(images).attention is None
    direct = LeaNet(resnet18(), DirectAttention(), 2).eval()(images, maps)
    assert direct.caan is None and direct.attention is not None
    with pytest.raises(ValueError, match="anomaly maps"):
        LeaNet(resnet18(), mobilenet_caan(), 1)(images)


@pytest.mark.parametrize("sees", ["map", "rgb_map", "attentioned"])
def test_the_adn_sees_what_it_is_given(sees: str) -> None:
    images, maps = torch.rand(2, 3, 64, 64), torch.rand(2, 1, 64, 64)
    adn = make_resnet18(CHANNELS[sees], 64).eval()
    torch.testing.assert_close(LeaNet(adn, sees=sees)(images, maps).adn, adn(adn_input(sees, images, maps)))
    both = LeaNet(adn, DirectAttention(), 2, sees)(images, maps)  # an input of its own, and attention
    assert both.attention is not None and both.adn.shape == (2, 2)


def test_equation_1() -> None:
    task = DetectorTask(LeaNet(resnet18(), mobilenet_caan(), 4), lr=1e-4).eval()
    batch = {
        "images": torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8),
        "labels": torch.tensor([0, 1, 1, 0]),
        "maps": torch.rand(4, 1, 64, 64).half(),
        "scales": torch.full((4,), 0.5),
    }
    with torch.no_grad():
        loss = task.training_step(batch, 0)["loss"]
        output = task.network(batch["images"] / 255, batch["maps"].float() * 0.5)
    expected = sum(
        log_loss(batch["labels"] == unit, head[:, unit].sigmoid().double()) / 2
        for head in (output.adn, output.caan)
        for unit in (0, 1)
    )
    assert float(loss) == pytest.approx(expected, rel=1e-4)


def test_evidence_says_anomalous_where_the_second_unit_is_larger() -> None:
    logits = torch.randn(100, 2)
    assert torch.equal(evidence(logits) > 0, logits.argmax(1) == 1)
