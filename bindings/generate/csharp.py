"""The generated half of bindings/csharp: what P/Invoke needs, and the options and reports with their documentation."""

import re
import textwrap

import header

FOLDER = "bindings/csharp/src/generated/"
HEAD = "// Generated from include/radam.h: `make bindings` writes it anew. SPDX: MIT OR Apache-2.0\n"

SCALARS = {"char": "byte", "void": "void", "int8_t": "sbyte", "uint8_t": "byte", "int32_t": "int", "uint32_t": "uint",
           "int64_t": "long", "uint64_t": "ulong", "double": "double"}
ENUMS = {"radam_status": "Status", "radam_dtype": "Dtype", "radam_toggle": "Toggle", "radam_state": "State",
         "radam_device": "Device"}

# The functions that are called when there is no OptimizerHandle yet, or no longer.
TAKES_ADDRESS = ("radam_free", "radam_last_error")

# What users see of the structs: the class or struct that wraps each, and the fields that are written by hand.
OPTIONS = {"radam_group_options": ("GroupOptions", ()), "radam_step_options": ("StepOptions", ("grad_sums",))}
REPORTS = {"radam_step_report": "StepReport", "radam_group_report": "GroupReport"}


def files(api: dict) -> dict[str, str]:
    return {FOLDER + "Enums.cs": enums(api), FOLDER + "Structs.cs": structs(api),
            FOLDER + "Functions.cs": functions(api), FOLDER + "Options.cs": options(api)}


def pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def indent(text: str, levels: int = 1) -> str:
    return textwrap.indent(text, "    " * levels)


def namespace(body: str, using: str = "") -> str:
    return f"{HEAD}{using}\nnamespace Radam\n{{\n{indent(body)}}}\n"


# ---- Documentation


def in_csharp(api: dict, text: str) -> str:
    """What a comment of the header says, in the names of C#."""
    text = re.sub(r": (RADAM_OK \(0\) or )?one of the RADAM_\w+?_\.\.\. constants", "", text)
    text = text.replace(" radam_step, radam_step_with,", " radam_step,") # which are one name
    text = text.replace("Required: radam_group_options_init sets NaN, which is rejected.", "Required: there is no default.")
    text = re.sub(r"\bRADAM_(DTYPE|STATE|ERROR)_(\w+)", lambda m: ENUMS["radam_" + m[1].lower().replace("error", "status")]
                  + "." + pascal(m[2]), text)
    for c, csharp in (("AUTO", "null"), ("NULL", "null"), ("ON", "true"), ("OFF", "false")):
        text = re.sub(rf"\b{c}\b", csharp, text)
    fields = {field["name"] for struct in api["structs"] for field in struct["fields"]}
    names = {name: wrapper[0] for name, wrapper in OPTIONS.items()} | REPORTS
    names |= {"radam_param": "Param", "radam_grad_sums": "GradSums", "radam_step_with": "Step",
              "radam_create": "the constructor", "radam_dtype": "Dtype", "int8_t": "sbyte", "uint8_t": "byte",
              "int16_t": "short", "uint32_t": "uint"}
    names |= {f["name"]: pascal(f["name"].removeprefix("radam_")) for f in api["functions"] if f["name"] not in names}
    names |= {name: pascal(name) for name in fields if "_" in name or name in ("lr", "eps", "beta1", "beta2")}
    return re.sub(r"\w+", lambda m: names.get(m[0], m[0]), text)


def summary(api: dict, text: str) -> str:
    """An XML comment."""
    text = in_csharp(api, text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    lines = textwrap.wrap(f"<summary>{' '.join(text.split())}</summary>", 112, break_on_hyphens=False)
    return "".join(f"/// {line}\n" for line in lines)


# ---- Types


def type_of(type_: dict) -> str:
    if type_["kind"] == "function":
        return "IntPtr"
    if type_["kind"] == "pointer":
        return type_of(type_["to"]) + "*"
    return SCALARS.get(type_["name"]) or ENUMS.get(type_["name"]) or type_["name"]


def enums(api: dict) -> str:
    docs = {alias["name"]: alias["doc"] for alias in api["types"]}
    texts = []
    for enum in api["enums"]:
        name = enum["name"].removesuffix("_values")
        if name not in ENUMS:
            continue
        prefixes = "RADAM_ERROR_", name.upper() + "_", "RADAM_"
        values = '/// <summary>The default of the field or argument.</summary>\nDefault = 0,\n' if name == "radam_dtype" else ""
        for value in enum["values"]:
            prefix = next(prefix for prefix in prefixes if value["name"].startswith(prefix))
            short = value["name"].removeprefix(prefix) if name != "radam_state" else header.state_array(value["name"])
            values += summary(api, value["doc"]) + f"{pascal(short)} = {value['value']},\n"
        head = "internal" if name == "radam_toggle" else summary(api, docs[name]) + "public"
        texts.append(f"{head} enum {ENUMS[name]}\n{{\n{indent(values)}}}\n")
    return namespace("\n".join(texts))


def structs(api: dict) -> str:
    texts = []
    for struct in api["structs"]:
        fields = ""
        for field in struct["fields"]:
            type_ = field["type"]
            if type_["kind"] == "array":
                fields += f"internal fixed {type_of(type_['of'])} {field['name']}[{type_['len']}];\n"
            else:
                fields += f"internal {type_of(type_)} {field['name']};\n"
        texts.append("[StructLayout(LayoutKind.Sequential)]\n"
                     f"internal unsafe struct {struct['name']}\n{{\n{indent(fields)}}}\n")
    texts.append(layout_checks(api))
    # The fields are written by the library.
    return namespace("#pragma warning disable 649, 169\n\n" + "\n".join(texts),
                     "using System;\nusing System.Runtime.InteropServices;\n")


def layout_checks(api: dict) -> str:
    """A class that compares the layouts of this runtime with those of the header."""
    calls, methods = "", ""
    for struct in api["structs"]:
        name = struct["name"]
        calls += f"Check_{name}();\n"
        checks = f'{name} at;\nCheck("{name}", sizeof({name}), {struct["size"]});\n'
        for field in struct["fields"]:
            address = "at." if field["type"]["kind"] == "array" else "&at."
            checks += f'Check("{name}.{field["name"]}", (byte*){address}{field["name"]} - (byte*)&at, {field["offset"]});\n'
        methods += f"\nprivate static void Check_{name}()\n{{\n{indent(checks)}}}\n"
    body = ("/// <summary>Throws unless structs have the layout that a C compiler for 64-bit machines gives them.</summary>\n"
            f"internal static void Check()\n{{\n{indent(calls)}}}\n{methods}")
    body += '''
private static void Check(string what, long found, long right)
{
    if (found != right)
        throw new RadamException(Status.Mismatch, $"{what} is at or has {found} bytes; in C it is {right}");
}
'''
    return f"internal static unsafe class Layouts\n{{\n{indent(body)}}}\n"


def functions(api: dict) -> str:
    texts = []
    for function in api["functions"]:
        name = function["name"]
        args = ", ".join(argument(name, arg) for arg in function["args"])
        texts.append("[DllImport(Library, CallingConvention = CallingConvention.Cdecl, ExactSpelling = true)]\n"
                     f"internal static extern {type_of(function['returns'])} {name}({args});\n")
    major, minor, _ = api["version"].split(".")
    constants = f"internal const uint Major = {major}, Minor = {minor};\n\n"
    body = f"internal static unsafe partial class Native\n{{\n{indent(constants + chr(10).join(texts))}}}\n"
    return namespace(body, "using System;\nusing System.Runtime.InteropServices;\n")


def argument(function: str, arg: dict) -> str:
    type_ = type_of(arg["type"])
    if type_.startswith("radam_optimizer*"):
        is_handle = type_ == "radam_optimizer*" and function not in TAKES_ADDRESS
        type_ = "OptimizerHandle" if is_handle else type_.replace("radam_optimizer*", "IntPtr")
    name = "@params" if arg["name"] == "params" else arg["name"]  # a keyword
    return f"{type_} {name}"


# ---- Options and reports


def options(api: dict) -> str:
    found = {struct["name"]: struct for struct in api["structs"]}
    texts = [option_class(api, found[name], *wrapper) for name, wrapper in OPTIONS.items()]
    texts += [report_struct(api, found[name], wrapper) for name, wrapper in REPORTS.items()]
    return namespace("\n".join(texts))


def visible(struct: dict, by_hand: tuple = ()) -> list[dict]:
    return [field for field in struct["fields"] if field["name"] not in ("struct_size", "reserved", *by_hand)]


def option_class(api: dict, struct: dict, name: str, by_hand: tuple) -> str:
    c = struct["name"]
    body = f"internal {c} Raw;\n"
    body += f'''
/// <summary>The default values.</summary>
public {name}()
{{
    Library.Check();
    fixed ({c}* raw = &Raw)
        RadamException.Check(Native.{c}_init(raw, (uint)sizeof({c})));
}}
'''
    for field in visible(struct, by_hand):
        place, type_ = f"Raw.{field['name']}", type_of(field["type"])
        get, set_ = (f"Toggles.Get({place})", "Toggles.Set(value)") if type_ == "Toggle" else (place, "value")
        type_ = "bool?" if type_ == "Toggle" else type_
        body += (f"\n{summary(api, field['doc'])}public {type_} {pascal(field['name'])}\n{{\n"
                 f"    get => {get};\n    set => {place} = {set_};\n}}\n")
    doc = re.sub(r" Call radam_\w+_init first[^.]*\.", "", struct["doc"]).split(" A struct that was zeroed")[0]
    return f"{summary(api, doc)}public sealed unsafe partial class {name}\n{{\n{indent(body)}}}\n"


def report_struct(api: dict, struct: dict, name: str) -> str:
    c = struct["name"]
    body = f'''internal {c} Raw;

internal static {name} New()
{{
    var report = default({name});
    RadamException.Check(Native.{c}_init(&report.Raw, (uint)sizeof({c})));
    return report;
}}
'''
    for field in visible(struct):
        place, type_ = f"Raw.{field['name']}", type_of(field["type"])
        # The only int32_t are truth values.
        doc = field["doc"]
        if type_ == "int":
            place, type_, doc = f"{place} != 0", "bool", doc.replace("1 if", "Whether").replace(", else 0", "")
        body += f"\n{summary(api, doc)}public {type_} {pascal(field['name'])} => {place};\n"
    doc = re.sub(r" Call radam_\w+_init first\.", "", struct["doc"])
    return f"{summary(api, doc)}public unsafe struct {name}\n{{\n{indent(body)}}}\n"
