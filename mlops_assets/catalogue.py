"""Finds product folders and loads them: the declaration in defs.yaml and the objects of its Python modules."""

import importlib
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from mlops_assets.core.errors import ProductSpecError

if TYPE_CHECKING:  # a rollback asks for names only, and must not wait for what loading a product needs
    import yaml

    from mlops_assets.core.declared.monitors import Monitors
    from mlops_assets.core.product import Product
    from mlops_assets.core.product_spec import ProductSpec

PRODUCTS_FOLDER = Path(__file__).parent / "products"
PRODUCTS_PACKAGE = "mlops_assets.products"


def product_names() -> tuple[str, ...]:
    """Names of all product folders, sorted: folders of `products/` that hold a defs.yaml."""
    return tuple(sorted(path.parent.name for path in PRODUCTS_FOLDER.glob("*/defs.yaml")))


def chosen_products(names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the named products in the order given, each once; all of them when none is named.

    Raises: ProductSpecError for a name without a folder, before anything is loaded.
    """
    known = product_names()
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ProductSpecError(f"no product {', '.join(unknown)}: the products are {', '.join(known)}")
    return tuple(dict.fromkeys(names or known))


@cache
def load_product(name: str) -> "Product":
    """Load one product by its folder's name.

    Raises: ProductSpecError when there is no such folder, its defs.yaml is wrong (with file and line), or one of its
    Python modules lacks what a product needs.
    """
    folder = PRODUCTS_FOLDER / name
    if not (folder / "defs.yaml").is_file():
        raise ProductSpecError(f"no product {name!r}: the products are {', '.join(product_names())}")
    return assemble(read_spec(folder / "defs.yaml"), folder=folder)


def broken_products(names: Sequence[str]) -> dict[str, str]:
    """Return those of the products that cannot be loaded, each with what is wrong with it."""
    broken = {}
    for name in names:
        try:
            load_product(name)
        except ProductSpecError as error:
            broken[name] = str(error)
    return broken


def assemble(spec: "ProductSpec", *, folder: Path) -> "Product":
    """Join a validated declaration with the Python objects of its folder, and check that they agree.

    Raises: ProductSpecError naming the module and what is missing in it, or the declared name that does not exist.
    """
    from mlops_assets.core.declaration import check_declaration
    from mlops_assets.core.product import Product

    if spec.name != folder.name:
        raise ProductSpecError(
            f"{folder / 'defs.yaml'}: name is {spec.name!r}, but the folder is {folder.name!r}"
        )
    schemas, dataset, features = (_module(folder, name) for name in ("schemas", "dataset", "features"))
    product = Product(
        spec=spec,
        folder=folder,
        event_schema=_attribute(schemas, "EventSchema"),
        readers=_attribute(dataset, "SOURCES"),
        sample=_attribute(dataset, "sample"),
        view=_attribute(features, "VIEW"),
        baselines=_attribute(features, "BASELINES"),
        monitors=_monitors(folder),
    )
    _check_names(product)
    check_declaration(product)
    return product


def read_product_spec(name: str) -> "ProductSpec":
    """Read the declaration of one product alone, without its Python modules."""
    return read_spec(PRODUCTS_FOLDER / name / "defs.yaml")


def read_spec(path: Path) -> "ProductSpec":
    """Read and validate a defs.yaml.

    Raises: ProductSpecError naming file, line, key and what is expected there.
    """
    import yaml
    from pydantic import ValidationError

    from mlops_assets.core.product_spec import ProductSpec

    text = path.read_text(encoding="utf-8")
    try:
        document = yaml.safe_load(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ProductSpecError(f"{path} is no valid YAML: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("attributes"), dict):
        raise ProductSpecError(f"{path}:1: a product's defs.yaml needs the keys type and attributes")
    try:
        return ProductSpec.model_validate(document["attributes"])
    except ValidationError as error:
        problems = [_problem(path, root, detail) for detail in error.errors(include_url=False)]
        raise ProductSpecError("\n".join(problems)) from error


def _module(folder: Path, name: str) -> ModuleType:
    """Import one module of a product.

    Raises: ProductSpecError naming the file, and the line of the folder at which it failed.
    """
    try:
        return importlib.import_module(f"{PRODUCTS_PACKAGE}.{folder.name}.{name}")
    except Exception as error:  # the module is the user's code
        places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
        if isinstance(error, SyntaxError) and error.filename:
            places.append((error.filename, error.lineno))
        own = [place for place in places if Path(place[0]).parent == folder]
        file, line = own[-1] if own else (folder / f"{name}.py", 1)
        raise ProductSpecError(f"{file}:{line}: {type(error).__name__}: {error}") from error


def _monitors(folder: Path) -> "Monitors":
    """The product's own monitors; none without a monitors.py."""
    if not (folder / "monitors.py").is_file():
        return {}
    return _attribute(_module(folder, "monitors"), "MONITORS")


def _problem(path: Path, root: "yaml.Node | None", detail: Mapping[str, Any]) -> str:
    location = [
        part for part in detail["loc"] if part not in ("time", "stratified") or detail["loc"][0] != "split"
    ]
    line = _line_of(root, ["attributes", *location])
    key = ".".join(str(part) for part in location)
    found = "" if detail["type"] in ("missing", "extra_forbidden") else f", found {detail['input']!r}"
    return f"{path}:{line}: {key or 'attributes'}: {detail['msg']}{found}"


def _line_of(node: "yaml.Node | None", location: Sequence[str | int]) -> int:
    line = 1
    for part in location:
        child = _child(node, part)
        if child is None:
            break
        line, node = child
    return line


def _child(node: "yaml.Node | None", part: str | int) -> "tuple[int, yaml.Node] | None":
    import yaml

    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line + 1, node.value[part]
    return None


def _attribute(module: ModuleType, name: str) -> Any:  # the modules are the user's: Product states the types
    if not hasattr(module, name):
        raise ProductSpecError(
            f"{module.__file__} defines no {name}; every product's {module.__name__} needs one"
        )
    return getattr(module, name)


def _check_names(product: "Product") -> None:
    from mlops_assets.core.features.expressions import Expression
    from mlops_assets.core.features.view import FeatureView

    spec, view = product.spec, product.view
    if not isinstance(view, FeatureView) or not all(
        isinstance(e, Expression) for e in product.baselines.values()
    ):
        raise ProductSpecError(
            f"{product.folder / 'features.py'}: VIEW is a FeatureView, BASELINES maps names to expressions"
        )
    if view.id_column != spec.id_column:
        raise ProductSpecError(
            f"{product.name}: id_column is {spec.id_column}, but the view's is {view.id_column}"
        )
    declared = {
        "model_features": spec.model_features or (),
        "training.monotone_constraints": tuple(spec.training.monotone_constraints),
        **{f"variants.{v.name}.extra_features": v.extra_features for v in spec.variants},
    }
    for where, names in declared.items():
        unknown = [name for name in names if name not in view.feature_names]
        if unknown:
            raise ProductSpecError(
                f"{product.folder / 'defs.yaml'}: {where}: the view has no feature {', '.join(unknown)}; "
                f"it has {', '.join(view.feature_names)}"
            )
    if spec.label.column in view.feature_names or spec.label.column in view.input_columns:
        raise ProductSpecError(
            f"{product.name}: the label {spec.label.column} is among the features or their inputs"
        )
