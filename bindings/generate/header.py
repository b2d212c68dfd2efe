"""Reads include/radam.h, which is generated from src/ffi, into what radam_api.json says."""

import re

# Bytes of each scalar type, which are its alignment too.
SCALARS = {"char": 1, "int8_t": 1, "uint8_t": 1, "int32_t": 4, "uint32_t": 4, "int64_t": 8, "uint64_t": 8, "double": 8}

DECLARATION = re.compile(
    r"typedef enum (?P<enum>\w+) \{(?P<values>.*?)\} \w+;"
    r"|typedef struct (?P<struct>\w+) \{(?P<fields>.*?)\} \w+;"
    r"|typedef struct (?P<opaque>\w+) \w+;"
    r"|typedef (?P<type>\w+) (?P<alias>\w+);"
    r"|^(?P<returns>\w[\w ]*?[ *]+)(?P<function>radam_\w+)\((?P<args>[^;]*)\);",
    re.DOTALL | re.MULTILINE)


def read(header: str) -> dict:
    """The whole API. Types, structs and functions are in the order of the header."""
    api = {"version": None, "enums": [], "types": [], "structs": [], "functions": []}
    code = header[header.index("#include <stdint.h>"):]
    for match in DECLARATION.finditer(code):
        doc = comment_before(code[:match.start()])
        if match["enum"]:
            api["enums"].append({"name": match["enum"], "doc": doc, "values": values(match["values"])})
        elif match["struct"]:
            api["structs"].append({"name": match["struct"], "doc": doc, "fields": fields(match["fields"])})
        elif match["opaque"]:
            api["types"].append({"name": match["opaque"], "doc": doc, "type": None})
        elif match["alias"]:
            api["types"].append({"name": match["alias"], "doc": doc, "type": match["type"]})
        else:
            api["functions"].append({"name": match["function"], "doc": doc, "returns": type_of(match["returns"]),
                                     "args": arguments(match["args"])})
    lay_out(api)
    numbers = {value["name"]: value["value"] for enum in api["enums"] for value in enum["values"]}
    api["version"] = ".".join(str(numbers["RADAM_VERSION_" + part]) for part in ("MAJOR", "MINOR", "PATCH"))
    return api


def state_array(constant: str) -> str:
    """The array of a RADAM_STATE_... constant, as radam_param calls it, in capitals."""
    name = constant.removeprefix("RADAM_STATE_")
    return "STATE_SCALE" if name == "SCALE" else name


def comment_before(code: str) -> str:
    """The text of the // lines that end the code, joined into paragraphs."""
    lines = []
    for line in reversed(code.rstrip("\n").split("\n")):
        if not line.strip().startswith("//"):
            break
        lines.insert(0, line.strip().removeprefix("//").removeprefix(" "))
    paragraphs = re.split(r"\n\n", "\n".join(lines))
    is_list = lambda paragraph: paragraph.startswith("- ")
    return "\n\n".join(p if is_list(p) else p.replace("\n", " ") for p in paragraphs)


def values(body: str) -> list[dict]:
    return [{"name": match[1], "value": int(match[2]), "doc": comment_before(body[:match.start()])}
            for match in re.finditer(r"^ *(\w+) = (-?\d+),", body, re.MULTILINE)]


def fields(body: str) -> list[dict]:
    found = []
    for match in re.finditer(r"^ *([^/;\s][^;/]*);", body, re.MULTILINE):
        name, type_ = declarator(match[1])
        found.append({"name": name, "doc": comment_before(body[:match.start()]), "type": type_})
    return found


def arguments(text: str) -> list[dict]:
    text = " ".join(text.split())
    if text == "void":
        return []
    # Only commas outside parentheses separate arguments.
    parts = re.split(r", (?![^()]*\))", text)
    return [dict(zip(("name", "type"), declarator(part))) for part in parts]


def declarator(text: str) -> tuple[str, dict]:
    """The name and the type of what a C declaration declares."""
    text = " ".join(text.split())
    function = re.fullmatch(r"(.*?)\(\*(\w+)\)\((.*)\)", text)
    if function:
        returns, name, args = function.groups()
        return name, {"kind": "function", "returns": type_of(returns), "args": arguments(args)}
    before, name, array = re.fullmatch(r"(.*?)(\w+)(?:\[(\d+)\])?", text).groups()
    if array:
        return name, {"kind": "array", "of": type_of(before), "len": int(array)}
    return name, type_of(before)


def type_of(text: str) -> dict:
    """const char *const * is a pointer to a const pointer to a const char."""
    words = re.findall(r"\w+|\*", text)
    base = next(word for word in words if word not in ("const", "*"))
    type_ = {"kind": "name", "name": base}
    if words[0] == "const":
        type_["const"] = True
    for word in words[words.index(base) + 1:]:
        if word == "*":
            type_ = {"kind": "pointer", "to": type_}
        elif word == "const":
            type_["const"] = True
    return type_


def lay_out(api: dict, pointer: int = 8) -> None:
    """Sets sizes and offsets, as compilers for machines with pointers of so many bytes lay structs out."""
    aliases = {alias["name"]: alias["type"] for alias in api["types"]}
    structs = {}

    def size_and_alignment(type_: dict) -> tuple[int, int]:
        if type_["kind"] in ("pointer", "function"):
            return pointer, pointer
        if type_["kind"] == "array":
            size, alignment = size_and_alignment(type_["of"])
            return size * type_["len"], alignment
        if type_["name"] in structs:
            return structs[type_["name"]]
        size = SCALARS[aliases.get(type_["name"], type_["name"])]
        return size, size

    for struct in api["structs"]:
        end, largest = 0, 1
        for field in struct["fields"]:
            size, alignment = size_and_alignment(field["type"])
            field["offset"] = -(-end // alignment) * alignment
            field["size"] = size
            end, largest = field["offset"] + size, max(largest, alignment)
        struct["size"] = -(-end // largest) * largest
        structs[struct["name"]] = struct["size"], largest
