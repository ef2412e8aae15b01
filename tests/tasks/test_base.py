import pytest
import torch

from ser_mtl_modules.errors import SerMtlError
from ser_mtl_modules.tasks.base import Task, select


def test_main_task_comes_first_then_the_auxiliary_ones_as_they_were_named():
    main, speaker, asr, gender = (Task() for _ in range(4))
    tasks = {"speaker": speaker, "asr": asr, "gender": gender}
    chosen = select(main, ["gender", "speaker"], **tasks)
    assert isinstance(chosen, torch.nn.ModuleDict)
    assert list(chosen) == ["emotion", "gender", "speaker"]
    assert list(chosen.values()) == [main, gender, speaker]
    assert list(select(main, [], **tasks)) == ["emotion"]


def test_an_unknown_name_is_an_error_that_names_the_nearest_and_all():
    with pytest.raises(SerMtlError) as error:
        select(Task(), ["speaker", "gendre"], speaker=Task(), gender=Task())
    assert "'gendre'" in str(error.value)
    assert "Did you mean 'gender'? Known: speaker, gender." in str(error.value)
