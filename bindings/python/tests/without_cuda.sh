#!/bin/sh
# without_cuda.sh TORCH FOLDER makes libraries in FOLDER that stand for those of CUDA, for the PyTorch in the folder TORCH.
# They have the symbols that libtorch_python.so looks for when it is loaded. Nothing calls them later where no GPU is:
# each function returns the address of zeros, each type has a name, and each table of virtual functions is empty.
set -eu
python_library=$1/lib/libtorch_python.so
mkdir -p "$2"
library() {
	${CC:-cc} -shared -fPIC -w -x c - -Wl,-soname,"$1" -o "$folder/$1"
}
folder=$2
for name in libtorch_cuda.so libcudnn.so.9 libcufile.so.0; do
	echo | library $name
done
LD_LIBRARY_PATH=$folder ldd -r "$python_library" 2> /dev/null | awk '
BEGIN { print "extern const void *const class_type_info[] __asm__(\"_ZTVN10__cxxabiv117__class_type_infoE\");" }
!/^undefined symbol: / || /symbol: _?Py/ { next }
{ symbol = $3; sub(/,$/, "", symbol) }
known[symbol]++ { next }
symbol ~ /^_ZTI/ {
	printf "extern const void *const type%d[] __asm__(\"%s\");\n", NR, symbol
	printf "const void *const type%d[] = {class_type_info + 2, \"%s\"};\n", NR, substr(symbol, 5)
	next
}
symbol ~ /^_ZTV/ {
	printf "extern const void *const table%d[] __asm__(\"%s\");\nconst void *const table%d[64];\n", NR, symbol, NR
	next
}
{
	printf "void *function%d(void) __asm__(\"%s\");\n", NR, symbol
	printf "void *function%d(void) { static char zeros[4096]; return zeros; }\n", NR
}' | library libtorch_cuda.so
