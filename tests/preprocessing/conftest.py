import pytest
from screens import FANS, make_screen


@pytest.fixture(params=FANS, ids=str)
def whole_fan(request):
    return FANS[request.param]


@pytest.fixture
def small_screen():
    fan, height, width = FANS["off centre"]
    return make_screen(fan, height, width)
