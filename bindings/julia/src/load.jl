# Finding and loading the library, when the package is loaded.

using Libdl

"Where the library may be: at ENV[\"LIBRADAM\"] alone, if that is set; else where the system looks, or a usual folder."
function candidates()
    given = get(ENV, "LIBRADAM", "")
    isempty(given) || return [given]
    minor = "$(RADAM_VERSION_MAJOR).$(RADAM_VERSION_MINOR)"
    name = Sys.iswindows() ? "radam.dll" : Sys.isapple() ? "libradam.dylib" : "libradam.so.$minor"
    folders = ["/usr/local/lib", "/usr/local/lib64", "/opt/homebrew/lib", joinpath(homedir(), ".local", "lib")]
    return [name; joinpath.(folders, name)]
end

function load()
    check_layouts()
    tried = candidates()
    for path in tried
        library = dlopen(path; throw_error=false)
        library === nothing || return bind(library, path)
    end
    error("LibRAdam could not load libradam from $(join(tried, ", ")). Install it (`make install`), or set " *
          "ENV[\"LIBRADAM\"] to the path of the library file before `using LibRAdam`")
end

function bind(library, path)
    version = dlsym(library, :radam_version; throw_error=false)
    version === nothing && error("LibRAdam: $path has no radam_version; it is not libradam")
    check_version(ccall(version, UInt32, ()), path)
    for (index, name) in enumerate(FUNCTIONS)
        pointer = dlsym(library, name; throw_error=false)
        pointer === nothing && error("LibRAdam: $path has no $name; install libradam $API_VERSION or later")
        POINTERS[index] = pointer
    end
end

"While the major version is 0, a minor version may break compatibility."
function check_version(version, path)
    found = VersionNumber(version ÷ 1_000_000, version ÷ 1000 % 1000, version % 1000)
    fits = found.major == API_VERSION.major && (found.minor == API_VERSION.minor || found.major > 0)
    fits || error("LibRAdam $API_VERSION needs libradam $(API_VERSION.major).$(API_VERSION.minor), but $path is $found")
end

function check_layouts()
    for (struct_, size, offsets) in LAYOUTS
        here = ntuple(field -> Int(fieldoffset(struct_, field)), fieldcount(struct_))
        (sizeof(struct_), here) == (size, offsets) || error(
            "LibRAdam: $struct_ has $(sizeof(struct_)) bytes and fields at $here, but in C $size and $offsets. " *
            "Only 64-bit machines are supported")
    end
end
