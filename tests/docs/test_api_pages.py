import importlib

import pytest
from lm_envs_docs import api_pages

from tests.test_architecture import PUBLIC_PACKAGES


def test_every_public_package_has_a_page():
    assert set(api_pages.PACKAGES) >= set(PUBLIC_PACKAGES)


@pytest.mark.parametrize("name", [*api_pages.PACKAGES, *api_pages.MODULES])
def test_page_lists_every_public_name_once(name):
    module, page = importlib.import_module(name), api_pages.page(name)
    names = api_pages.public_names(module)
    assert names
    for each in names:
        assert page.count(f":: {name}.{each}\n") == 1
    assert f"generated/{name}.rst" in api_pages.index()
