"""Writes bindings/lua/radam/cdef.lua: the C declarations for LuaJIT's FFI, and what struct fields and constants are."""

import header

# Enums whose constants Lua programs write as strings: "f32" for RADAM_DTYPE_F32.
NAMED = {"dtypes": ("radam_dtype_values", "RADAM_DTYPE_"), "states": ("radam_state_values", "RADAM_STATE_")}


def files(api: dict) -> dict[str, str]:
    return {"bindings/lua/radam/cdef.lua": text(api)}


def text(api: dict) -> str:
    numbers = {value["name"]: value["value"] for enum in api["enums"] for value in enum["values"]}
    parts = [
        "-- Generated from include/radam.h; `make bindings` writes it anew. SPDX: MIT OR Apache-2.0",
        "local cdef = {}",
        f"-- The version of the header, and radam_version() of a library that it fits: the same in major and minor.\n"
        f'cdef.version = "{api["version"]}"\n'
        f"cdef.version_number = {numbers['RADAM_VERSION']}",
        *(names(api, table, *enum) for table, enum in NAMED.items()),
        "-- Sizes in bytes, and fields in their order: name, type (\"\" if it is not a scalar), offset in bytes.\n"
        + "cdef.structs = {\n" + "".join(struct_table(struct) for struct in api["structs"]) + "}",
        "cdef.declarations = [[\n" + declarations(api) + "]]",
        "return cdef",
    ]
    return "\n\n".join(parts) + "\n"


def names(api: dict, table: str, enum: str, prefix: str) -> str:
    found = next(each for each in api["enums"] if each["name"] == enum)
    short = header.state_array if table == "states" else lambda name: name.removeprefix(prefix)
    pairs = [f"{short(value['name']).lower()} = {value['value']}" for value in found["values"]]
    return f"cdef.{table} = {{{', '.join(pairs)}}}"


def struct_table(struct: dict) -> str:
    scalar = lambda field: field["type"]["name"] if field["type"]["kind"] == "name" else ""
    fields = [f'    {{"{field["name"]}", "{scalar(field)}", {field["offset"]}}},\n' for field in struct["fields"]]
    return f"  {struct['name']} = {{\n    size = {struct['size']},\n{''.join(fields)}  }},\n"


def declarations(api: dict) -> str:
    lines = []
    for alias in api["types"]:
        of = alias["type"] or f"struct {alias['name']}"
        lines.append(f"typedef {of} {alias['name']};\n")
    for struct in api["structs"]:
        fields = "".join(f"  {declare(field['type'], field['name'])};\n" for field in struct["fields"])
        lines.append(f"typedef struct {struct['name']} {{\n{fields}}} {struct['name']};\n")
    for function in api["functions"]:
        lines.append(f"{declare(function['returns'], '')}{function['name']}({arguments(function['args'])});\n")
    return "".join(lines)


def arguments(args: list[dict]) -> str:
    return ", ".join(declare(arg["type"], arg["name"]) for arg in args) or "void"


def declare(type_: dict, name: str) -> str:
    """The C declaration of a name with this type."""
    if type_["kind"] == "function":
        return f"{declare(type_['returns'], '')}(*{name})({arguments(type_['args'])})"
    if type_["kind"] == "array":
        return f"{declare(type_['of'], name)}[{type_['len']}]"
    if type_["kind"] == "pointer":
        return declare(type_["to"], "*" + ("const " if type_.get("const") else "") + name)
    return ("const " if type_.get("const") else "") + type_["name"] + " " + name
