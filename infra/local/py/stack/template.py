"""Reads template.yaml and makes the variant of it that the emulator gets.

Resolving intrinsic functions is done here only for properties that are applied or compared by direct calls; the stack
itself is resolved by the emulator's CloudFormation.
"""

import copy
import re

import yaml

FUNCTION = "AWS::Serverless::Function"

# In production the functions ignore an endpoint from the environment; here they must use the emulator's.
PRODUCTION_ONLY = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags."""


def _tag(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    return {name: value}


_Loader.add_multi_constructor("!", _tag)


def load(path):
    """The template as plain data, with long-form intrinsic functions."""
    with open(path, encoding="utf-8") as file:
        return yaml.load(file, _Loader)  # noqa: S506 a subclass of SafeLoader


def resources(template, kind):
    """Logical id and properties of every resource of a type."""
    for name, resource in template["Resources"].items():
        if resource["Type"] == kind:
            yield name, resource.get("Properties", {})


def binaries(template):
    """Binary name to logical id, for every function."""
    return {
        resource["Metadata"]["BuildProperties"]["Binary"]: name
        for name, resource in template["Resources"].items()
        if resource["Type"] == FUNCTION
    }


def without_functions(template):
    """The template without its functions and whatever refers to them."""
    result = copy.deepcopy(template)
    gone = set()
    more = {name for name, _ in resources(result, FUNCTION)}
    while more:
        gone |= more
        kept = {name: item for name, item in result["Resources"].items() if name not in gone}
        more = {name for name, item in kept.items() if references(item) & gone}
    result["Resources"] = kept
    result["Outputs"] = {name: item for name, item in result["Outputs"].items() if not references(item) & gone}
    return result


def with_code(template, code):
    """The template with `code` (logical id to s3 address) in place of sources, and without production settings."""
    result = copy.deepcopy(template)
    settings = result["Globals"]["Function"]
    settings.pop("CodeUri")
    settings["Environment"]["Variables"].pop(PRODUCTION_ONLY)
    if not settings["Environment"]["Variables"]:
        settings.pop("Environment")
    for name, address in code.items():
        function = result["Resources"][name]
        function.pop("Metadata")
        function["Properties"]["CodeUri"] = address
    return result


def with_values(template, values):
    """The template with other values of variables, in the functions that have them."""
    result = copy.deepcopy(template)
    for _, properties in resources(result, FUNCTION):
        variables = properties.get("Environment", {}).get("Variables", {})
        variables |= {name: value for name, value in values.items() if name in variables}
    return result


# Condition keys that do not hold under AUTH=true: the emulator speaks plain HTTP only. Asserted on the template itself.
NOT_EVALUATED = ("aws:SecureTransport",)


def for_auth(template):
    """The template without policy conditions that AUTH=true cannot evaluate: an Allow loses the condition, a Deny goes."""

    def unknown(statement):
        keys = [key for keys in statement.get("Condition", {}).values() for key in keys]
        return any(key.startswith(NOT_EVALUATED) for key in keys)

    def clean(value):
        if isinstance(value, list):
            return [clean(item) for item in value if not (is_statement(item, "Deny") and unknown(item))]
        if not isinstance(value, dict):
            return value
        value = {key: clean(item) for key, item in value.items()}
        if is_statement(value, "Allow") and unknown(value):
            value.pop("Condition")
        return value

    def is_statement(value, effect):
        return isinstance(value, dict) and value.get("Effect") == effect

    result = clean(template)
    # A policy that consisted of such statements alone has nothing left to say.
    empty = [name for name, item in result["Resources"].items() if _statements(item) == []]
    result["Resources"] = {name: item for name, item in result["Resources"].items() if name not in empty}
    return result


def _statements(resource):
    return resource.get("Properties", {}).get("PolicyDocument", {}).get("Statement")


def references(value):
    """Logical ids that a piece of the template refers to."""
    found = set()
    if isinstance(value, list):
        for item in value:
            found |= references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Ref":
                found.add(item)
            elif key == "Fn::GetAtt":
                found.add(item[0])
            elif key == "Fn::Sub":
                # A text, or a text with names of its own.
                text, own = item if isinstance(item, list) else (item, {})
                names = {name.split(".")[0] for name in re.findall(r"\${([^!}][^}]*)}", text)}
                found |= (names - own.keys()) | references(own)
            elif key == "DependsOn":
                found |= {item} if isinstance(item, str) else set(item)
            else:
                found |= references(item)
    return found


class Resolver:
    """Replaces intrinsic functions by values of a deployed stack."""

    def __init__(self, template, parameters, ids, attribute, account, region, stack):
        self.conditions = template.get("Conditions", {})
        self.ids = ids
        self.attribute = attribute
        self.names = {name: item.get("Default") for name, item in template["Parameters"].items()}
        self.names |= parameters
        self.names |= {
            "AWS::AccountId": account,
            "AWS::Partition": "aws",
            "AWS::Region": region,
            "AWS::StackName": stack,
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::NoValue": None,
        }

    def __call__(self, value):
        if isinstance(value, list):
            items = [self(item) for item in value]
            return [item for item in items if item is not None]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(name, argument)] = value.items()
            if name == "Ref":
                return self.name(argument)
            if name == "Fn::GetAtt":
                return self.attribute(*argument)
            if name == "Fn::Sub":
                return re.sub(r"\${([^}]+)}", lambda match: self.sub(match[1]), argument)
            if name == "Fn::If":
                return self(argument[1] if self.condition(self.conditions[argument[0]]) else argument[2])
            if name.startswith("Fn::"):
                raise ValueError(f"{name} is not known to the local deploy: teach infra/local/py/stack/template.py")
        resolved = {key: self(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not None}

    def name(self, name):
        return self.ids[name] if name in self.ids else self.names[name]

    def sub(self, name):
        logical, _, attribute = name.partition(".")
        return str(self.attribute(logical, attribute) if attribute else self.name(name))

    def exists(self, resource):
        """Whether the stack has a resource of the template, by its condition."""
        condition = resource.get("Condition")
        return condition is None or self.condition(self.conditions[condition])

    def condition(self, value):
        [(name, argument)] = value.items()
        if name == "Fn::Not":
            return not self.condition(argument[0])
        if name == "Fn::Equals":
            return self(argument[0]) == self(argument[1])
        raise ValueError(f"{name} is not known to the local deploy: teach infra/local/py/stack/template.py")
