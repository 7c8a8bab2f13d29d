"""Public names that load lazily: a module of the same name would take their place as soon as it is imported."""

import importlib
import pkgutil

import llm_brain


def test_no_public_name_of_a_package_is_the_name_of_one_of_its_modules() -> None:
    hidden = {}
    for module in pkgutil.walk_packages(llm_brain.__path__, "llm_brain."):
        if module.ispkg:
            package = importlib.import_module(module.name)
            modules = {inner.name for inner in pkgutil.iter_modules(package.__path__)}
            if both := modules & set(getattr(package, "__all__", ())):
                hidden[module.name] = both
    assert hidden == {}
