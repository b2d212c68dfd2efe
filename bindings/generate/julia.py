"""The low level of the Julia package: constants, mirrors of structs, and a function for each function of the C API."""

SCALARS = {"int8_t": "Int8", "uint8_t": "UInt8", "int32_t": "Int32", "uint32_t": "UInt32", "int64_t": "Int64",
           "uint64_t": "UInt64", "double": "Float64", "void": "Cvoid", "char": "UInt8"}
HEAD = "# Generated from radam_api.json by bindings/generate; `make bindings` writes it anew. SPDX: MIT OR Apache-2.0\n"
FOLDER = "bindings/julia/src/generated/"


def files(api: dict) -> dict[str, str]:
    parts = {"constants.jl": constants(api), "structs.jl": structs(api), "functions.jl": functions(api)}
    return {FOLDER + name: HEAD + text for name, text in parts.items()}


def type_of(type_: dict) -> str:
    if type_["kind"] == "array":
        return f"NTuple{{{type_['len']}, {type_of(type_['of'])}}}"
    if type_["kind"] == "function":
        return "Ptr{Cvoid}"
    if type_["kind"] == "pointer":
        # A const char * is a string that ends in NUL; a char * is a buffer.
        is_string = type_["to"].get("name") == "char" and type_["to"].get("const")
        return "Cstring" if is_string else f"Ptr{{{type_of(type_['to'])}}}"
    return SCALARS.get(type_["name"], type_["name"])


def summary(doc: str) -> str:
    first = doc.split("\n\n")[0]
    for character in '\\"$':
        first = first.replace(character, "\\" + character)
    return first


def docstring(doc: str) -> str:
    return f'"{summary(doc)}"\n'


def struct_docstring(struct: dict) -> str:
    fields = "".join(f"- `{field['name']}`: {summary(field['doc'])}\n" for field in struct["fields"])
    return f'"""\n{summary(struct["doc"])}\n\n{fields}"""\n'


def constants(api: dict) -> str:
    lines = [f'const API_VERSION = v"{api["version"]}"']
    for enum in api["enums"]:
        type_ = "Int32" if enum["name"] != "radam_version_values" else "UInt32"
        lines += [""] + [f"const {value['name']} = {type_}({value['value']})" for value in enum["values"]]
    return "\n".join(lines) + "\n"


def structs(api: dict) -> str:
    parts = []
    for alias in api["types"]:
        definition = f"const {alias['name']} = {SCALARS[alias['type']]}" if alias["type"] else \
            f"struct {alias['name']} end"
        parts.append(docstring(alias["doc"]) + definition)
    for struct in api["structs"]:
        # Within a struct every pointer is plain: Cstring and Ptr have the same layout, and Ptr can be compared.
        field_type = lambda field: type_of(field["type"]).replace("Cstring", "Ptr{UInt8}")
        fields = "".join(f"    {field['name']}::{field_type(field)}\n" for field in struct["fields"])
        parts.append(f"{struct_docstring(struct)}struct {struct['name']}\n{fields}end")
    layouts = []
    for struct in api["structs"]:
        offsets = ", ".join(str(field["offset"]) for field in struct["fields"])
        layouts.append(f"    ({struct['name']}, {struct['size']}, ({offsets})),\n")
    parts.append("# What the C compiler gives: each struct, its size, and the offsets of its fields.\n"
                 f"const LAYOUTS = (\n{''.join(layouts)})")
    return "\n\n".join(parts) + "\n"


def functions(api: dict) -> str:
    names = "".join(f"    :{function['name']},\n" for function in api["functions"])
    parts = [f"const FUNCTIONS = (\n{names})", "# Where the loaded library has them, in the same order.\n"
             "const POINTERS = fill(C_NULL, length(FUNCTIONS))"]
    for index, function in enumerate(api["functions"], 1):
        arguments = ", ".join(argument["name"] for argument in function["args"])
        types = "".join(type_of(argument["type"]) + ", " for argument in function["args"]).rstrip(" ")
        call = ", ".join(filter(None, [f"POINTERS[{index}]", type_of(function["returns"]), f"({types})", arguments]))
        parts.append(f"{docstring(function['doc'])}{function['name']}({arguments}) =\n    ccall({call})")
    structs = {struct["name"] for struct in api["structs"]}
    initialized = [name for name in structs if any(f["name"] == name + "_init" for f in api["functions"])]
    parts.append("# The struct with its default values.\n" + "\n".join(
        f"init!(value::Ref{{{name}}}) = {name}_init(value, sizeof({name}))" for name in sorted(initialized)))
    return "\n\n".join(parts) + "\n"
