from leanet.training.log_names import figures

HEAD = {"f1": 0.5, "auroc": 0.6, "ap": 0.7}


def test_loggers_are_told_of_every_head_that_there_is() -> None:
    result = {**HEAD, "collapsed": False, "floor": 0.4, "caan": HEAD, "combined": HEAD, "weighted": None}
    found = figures({**result, "attention_sd": 0.02})
    assert {name.rpartition("_")[0] for name in found if name.endswith("_ap")} == {
        "test/adn", "test/caan", "test/combined",
    }  # fmt: skip
    assert found["test/combined_auroc"] == 0.6 and found["test/attention_sd"] == 0.02
    older = {name: value for name, value in result.items() if name not in ("combined", "weighted")}
    assert "test/attention_sd" not in figures(older) and "test/combined_f1" not in figures(older)
    assert figures({"validation": HEAD}) == {f"validation/adn_{name}": value for name, value in HEAD.items()}
