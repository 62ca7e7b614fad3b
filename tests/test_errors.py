import pytest
import torch

from leanet.errors import LeanetError, readable_memory_errors


def test_a_lack_of_gpu_memory_is_a_mistake_of_one_line() -> None:
    with pytest.raises(LeanetError, match=r"^out of GPU memory: use smaller batches .*$"), readable_memory_errors():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has 1.2 GiB free.")


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="a bug"), readable_memory_errors():
        raise RuntimeError("a bug")
