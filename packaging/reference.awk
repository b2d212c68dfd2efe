# For Doxygen, which knows only comments of other kinds: turns the // comments of our headers into /// ones, and what
# stands at the top of a header into the description of the file, laid out as it is there.
FNR == 1 {
	in_head = 1
	print "/** @file\n@verbatim"
	if ($0 == "/*") next
}
in_head {
	if (sub(/^( \*|\/\/) ?/, "") && $0 != "/") { print; next }
	in_head = 0
	print "@endverbatim\n*/"
	if ($0 == "/") next
}
# Doxygen takes it for a part of a namespace that it has not seen.
/^struct std::hash/ { in_hash = 1 }
in_hash {
	if (/^};/) in_hash = 0
	next
}
/^ *\/\/( |$)/ { sub(/\/\//, "///") }
{ print }
