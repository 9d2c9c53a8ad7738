"""Documents of other systems as YAML that every reader takes for the same values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

WIDTH = 88
# YAML 1.1, which the writer knows, has fewer numbers than 1.2: text that looks like one
# of the others needs quotes, too.
NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
OCTAL = re.compile(r"0o[0-7]+$")


class Dumper(yaml.SafeDumper):
    """Quotes whatever either version of YAML takes for something other than text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


Dumper.yaml_implicit_resolvers = {
    letter: list(resolvers)
    for letter, resolvers in yaml.SafeDumper.yaml_implicit_resolvers.items()
}
Dumper.add_implicit_resolver("tag:yaml.org,2002:float", NUMBER, list("-+.0123456789"))
Dumper.add_implicit_resolver("tag:yaml.org,2002:int", OCTAL, ["0"])


def yaml_text(document: Mapping[str, Any]) -> str:
    """The document in block style, its keys in the order that they have."""
    text: str = yaml.dump(
        dict(document),
        Dumper=Dumper,
        sort_keys=False,
        width=WIDTH,
        allow_unicode=True,
        default_flow_style=False,
    )
    return text
