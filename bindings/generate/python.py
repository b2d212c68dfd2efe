"""Generates what the Python package says about the C API: its ctypes mirrors, and the options and reports as Python types."""

import re
import textwrap

import header

PACKAGE = "bindings/python/radam/"
NOTICE = "Generated from bindings/radam_api.json by `make bindings`. SPDX: MIT OR Apache-2.0"
ENUMS = {"radam_status_values": "Status", "radam_dtype_values": "DType", "radam_toggle_values": "Toggle",
         "radam_state_values": "State"}
SCALARS = {"int8_t": "c_int8", "uint8_t": "c_uint8", "int32_t": "c_int32", "uint32_t": "c_uint32", "int64_t": "c_int64",
           "uint64_t": "c_uint64", "double": "c_double", "char": "c_char"}
# The structs that users see as keywords of a call, and those that they get back.
KEYWORDS = {"radam_group_options": "GroupOptions", "radam_step_options": "StepOptions"}
REPORTS = {"radam_step_report": "StepReport", "radam_group_report": "GroupReport"}
PYTHON_TYPES = {"radam_toggle": "Optional[bool]", "radam_dtype": "Optional[DTypeLike]", "double": "float",
                "radam_grad_sums": "Optional[GradSums]"}


def files(api: dict) -> dict[str, str]:
    return {PACKAGE + "_api.py": low_level(api), PACKAGE + "_types.py": python_types(api)}


def comment(doc: str, indent: str) -> str:
    width = 120 - len(indent) - 2
    lines = [line for paragraph in doc.split("\n\n") for line in textwrap.wrap(paragraph, width)]
    return "".join(f"{indent}# {line}\n" for line in lines)


def low_level(api: dict) -> str:
    aliases = {alias["name"]: alias["type"] for alias in api["types"]}
    parts = [f'"""The C API as ctypes has it. {NOTICE}"""\n\nfrom ctypes import *\nfrom enum import IntEnum\n']
    numbers = {value["name"]: value["value"] for enum in api["enums"] for value in enum["values"]}
    parts.append(f"VERSION = {numbers['RADAM_VERSION']}\nVERSION_STRING = \"{api['version']}\"\n")
    parts += [enumeration(enum, ENUMS[enum["name"]]) for enum in api["enums"] if enum["name"] in ENUMS]
    parts += [structure(struct, aliases) for struct in api["structs"]]
    layouts = "".join(f"    {struct['name']}: ({struct['size']}, {offsets(struct)}),\n" for struct in api["structs"])
    parts.append(f"# The size and the offsets that the library was compiled with.\nLAYOUTS = {{\n{layouts}}}\n")
    switches = sorted(field["name"] for name in KEYWORDS for struct in api["structs"] if struct["name"] == name
                      for field in struct["fields"] if field["type"].get("name") == "radam_toggle")
    parts.append(f"# The options that are on, off or left to the library.\nTOGGLES = {switches}\n")
    functions = "".join(
        f"    \"{function['name']}\": ({c_type(function['returns'], aliases)}, "
        f"[{', '.join(c_type(arg['type'], aliases) for arg in function['args'])}]),\n" for function in api["functions"])
    parts.append(f"# The results and the arguments.\nFUNCTIONS = {{\n{functions}}}\n")
    return "\n\n".join(parts)


def short_name(name: str) -> str:
    """RADAM_ERROR_BUSY is Status.BUSY, RADAM_DTYPE_F32 is DType.F32."""
    if name.startswith("RADAM_STATE_"):
        return header.state_array(name)
    for prefix in ("RADAM_ERROR_", "RADAM_DTYPE_", "RADAM_"):
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    raise ValueError(name)


def enumeration(enum: dict, name: str) -> str:
    values = "".join(f"{comment(value['doc'], '    ')}    {short_name(value['name'])} = {value['value']}\n"
                     for value in enum["values"])
    return f"class {name}(IntEnum):\n    \"\"\"{enum['doc']}\"\"\"\n\n{values}"


def structure(struct: dict, aliases: dict) -> str:
    fields = "".join(f"        (\"{field['name']}\", {c_type(field['type'], aliases)}),\n" for field in struct["fields"])
    return f"class {struct['name']}(Structure):\n    _fields_ = [\n{fields}    ]\n"


def offsets(struct: dict) -> str:
    return "{" + ", ".join(f"\"{field['name']}\": {field['offset']}" for field in struct["fields"]) + "}"


def c_type(type_: dict, aliases: dict) -> str:
    if type_["kind"] == "array":
        return f"{c_type(type_['of'], aliases)} * {type_['len']}"
    if type_["kind"] == "function":
        types = [c_type(part, aliases) for part in (type_["returns"], *(arg["type"] for arg in type_["args"]))]
        return f"CFUNCTYPE({', '.join(types)})"
    if type_["kind"] == "name":
        name = aliases.get(type_["name"], type_["name"])
        return "None" if name == "void" else SCALARS.get(name, name)
    pointed = type_["to"]
    if pointed["kind"] == "function":
        return c_type(pointed, aliases)
    # Handles are numbers here too. A pointer to constant text is bytes; other text is a buffer to fill.
    if pointed.get("name") in ("void", "radam_optimizer"):
        return "c_void_p"
    if pointed.get("name") == "char":
        return "c_char_p" if pointed.get("const") else "POINTER(c_char)"
    return f"POINTER({c_type(pointed, aliases)})"


def python_types(api: dict) -> str:
    structs = {struct["name"]: struct for struct in api["structs"]}
    parts = [f'"""Options and reports as Python has them. {NOTICE}"""\n\nfrom __future__ import annotations\n\n'
             "from dataclasses import dataclass\nfrom typing import TYPE_CHECKING, Optional, TypedDict\n\n"
             "if TYPE_CHECKING:\n    from ._arrays import DTypeLike\n    from ._grad_sums import GradSums\n"]
    for name, python_name in KEYWORDS.items():
        parts.append(f"class {python_name}(TypedDict, total=False):\n{members(structs[name])}")
    for name, python_name in REPORTS.items():
        doc = first_sentence(structs[name]["doc"])
        parts.append(f"@dataclass(frozen=True)\nclass {python_name}:\n    \"\"\"{doc}\"\"\"\n\n{members(structs[name])}")
    return "\n\n".join(parts)


def first_sentence(doc: str) -> str:
    return doc.split(". ")[0].rstrip(".") + "."


def members(struct: dict) -> str:
    return "".join(f"{comment(in_python(field['doc']), '    ')}    {field['name']}: {python_type(field['type'])}\n"
                   for field in struct["fields"] if field["name"] not in ("struct_size", "reserved"))


def in_python(doc: str) -> str:
    """The description of an option, with Python's words for its values."""
    for c_name, python_name in (("AUTO", "None"), ("ON", "True"), ("OFF", "False"), ("RADAM_DTYPE_F32", "f32"),
                                ("RADAM_DTYPE_Q8", '"q8"')):
        doc = re.sub(rf"\b{c_name}\b", python_name, doc)
    return doc


def python_type(type_: dict) -> str:
    if type_["kind"] == "pointer":
        type_ = type_["to"]
    # The only int32_t in reports are 0 or 1.
    return PYTHON_TYPES.get(type_["name"], "bool" if type_["name"] == "int32_t" else "int")
