"""What bindings/wasm has of the API: layouts for 32-bit pointers, constants, and the types of options and reports."""

import copy
import re
import textwrap

import header

NOTE = "// Generated from include/radam.h by `make bindings`.\n"
# Structs that JavaScript sees, by the names that they have there.
INTERFACES = {"radam_group_options": "GroupOptions", "radam_step_options": "StepOptions",
              "radam_step_report": "StepReport", "radam_group_report": "GroupReport",
              "radam_load_options": "LoadOptions"}
# Fields that are the binding's own business, or that mean nothing without files and threads.
HIDDEN = {"struct_size", "reserved", "user", "progress", "threads"}
KINDS = {"radam_toggle": "toggle", "radam_dtype": "dtype", "uint32_t": "u32", "int32_t": "flag", "uint64_t": "u64",
         "double": "f64"}
TYPES = {"toggle": 'boolean | "auto"', "dtype": "StateDtype | null", "u32": "number", "flag": "boolean", "u64": "bigint",
         "f64": "number", "pointer": "GradSums"}


def files(api: dict) -> dict[str, str]:
    api = copy.deepcopy(api)
    header.lay_out(api, pointer=4)
    return {"bindings/wasm/src/api.js": layouts(api), "bindings/wasm/src/api.d.ts": interfaces(api)}


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def kind(field: dict) -> str:
    """How a field is read and written."""
    type_ = field["type"]
    if type_["kind"] in ("pointer", "function"):
        return "pointer"
    return KINDS.get(type_.get("name"), "bytes")


def layouts(api: dict) -> str:
    values = {enum["name"]: {value["name"]: value["value"] for value in enum["values"]} for enum in api["enums"]}
    functions = {function["name"]: len(function["args"]) for function in api["functions"]}
    lines = [NOTE + "//", "// Sizes and offsets are those of wasm32, whose pointers have 4 bytes. library.js checks them.", "",
             f'export const VERSION = {values["radam_version_values"]["RADAM_VERSION"]};',
             constants("STATUS", values["radam_status_values"], "RADAM_(ERROR_)?", str),
             constants("DTYPE", values["radam_dtype_values"], "RADAM_DTYPE_", str.lower),
             constants("STATE", values["radam_state_values"], "", lambda name: camel(header.state_array(name).lower())),
             "",
             "/** The number of arguments of each function. */", "export const FUNCTIONS = {"]
    lines += [f"  {name}: {count}," for name, count in functions.items()] + ["};", "", "export const STRUCTS = {"]
    for struct in api["structs"]:
        if struct["name"] + "_init" in functions:
            lines += [f"  {struct['name']}: {{", f"    size: {struct['size']},", "    fields: {"]
            lines += [f"      {camel(field['name'])}: {{ kind: \"{kind(field)}\", offset: {field['offset']} }},"
                      for field in struct["fields"]]
            lines += ["    },", "  },"]
    return "\n".join(lines + ["};", ""])


def constants(name: str, values: dict, prefix: str, rename) -> str:
    entries = ", ".join(f"{rename(re.sub('^' + prefix, '', key))}: {value}" for key, value in values.items())
    return f"export const {name} = {{ {entries} }};"


def interfaces(api: dict) -> str:
    structs = {struct["name"]: struct for struct in api["structs"]}
    names = {field["name"] for struct in api["structs"] for field in struct["fields"]}
    states = next(enum for enum in api["enums"] if enum["name"] == "radam_state_values")["values"]
    lines = [NOTE, 'import type { GradSums, StateDtype } from "./index.js";', "",
             f"export type StateName = {' | '.join(quoted(header.state_array(value['name'])) for value in states)};", ""]
    for name, interface in INTERFACES.items():
        lines += comment(structs[name]["doc"], names, "") + [f"export interface {interface} {{"]
        for field in structs[name]["fields"]:
            if field["name"] not in HIDDEN:
                is_option = name.endswith("_options")
                optional = "?" if is_option and not (name, field["name"]) == ("radam_group_options", "lr") else ""
                type_ = TYPES[kind(field)] + (" | number" if is_option and kind(field) == "u64" else "")
                lines += comment(field["doc"], names, "  ") + [f"  {camel(field['name'])}{optional}: {type_};"]
        lines += ["}", ""]
    return "\n".join(lines)


def quoted(name: str) -> str:
    return f'"{camel(name.lower())}"'


def comment(doc: str, names: set[str], indent: str) -> list[str]:
    """A description with the names that things have in JavaScript."""
    doc = re.sub(r" Call \w+_init first(, then set lr, which has no default\. A struct that was zeroed[^.]*)?\.", "", doc)
    doc = doc.replace(": radam_group_options_init sets NaN, which is rejected.", ".")
    # Options and reports are those of step here, and stepTensor takes gradients alone too.
    doc = doc.replace("radam_step, radam_step_with", "radam_step").replace("radam_step_with", "radam_step")
    doc = doc.replace("radam_step_param or radam_step_tensor", "radam_step_tensor")
    doc = re.sub(r"RADAM_DTYPE_(\w+)", lambda match: f'"{match[1].lower()}"', doc)
    doc = re.sub(r"\bradam_(\w+)", lambda match: camel(match[1]), doc)
    doc = re.sub(r"\b[a-z]+(_[a-z0-9]+)+\b", lambda match: camel(match[0]) if match[0] in names else match[0], doc)
    doc = doc.replace("NULL", "null")
    lines = []
    for paragraph in doc.split("\n\n"):
        lines += [""] if lines else []
        for item in paragraph.split("\n"):
            lines += textwrap.wrap(item, 112 - len(indent), break_on_hyphens=False)
    return [indent + "/**"] + [f"{indent} * {line}".rstrip() for line in lines] + [indent + " */"]
