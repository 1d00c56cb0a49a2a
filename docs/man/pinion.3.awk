# SPDX-License-Identifier: Apache-2.0 OR MIT
# Makes the manual page pinion(3) of include/pinion.h: its rules, and each function with the first sentence of its comment.
#   awk -v version=0.1.0 -f pinion.3.awk include/pinion.h

function escaped(text)
{
	gsub(/\\/, "\\e", text)
	gsub(/-/, "\\-", text)
	gsub(/`/, "", text)
	sub(/^[.']/, "\\\\\\&&", text)
	return text
}

function sentence(text)
{
	if (match(text, /[.:] [A-Z`]|\.$/))
		text = substr(text, 1, RSTART - 1) "."
	return escaped(text)
}

BEGIN {
	printf ".TH PINION 3 \"\" \"pinion %s\" \"Library functions\"\n", version
	print ".SH NAME\npinion \\- the engine layer of a container runtime, for C"
	print ".SH SYNOPSIS\n.nf\n.B #include <pinion.h>\n.sp"
	print "cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs pinion)            # the shared library"
	print "cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs \\-\\-static pinion)   # the archive\n.fi"
	print ".SH DESCRIPTION"
	print "A program registers engines, tables of callbacks, and hands itself over to the lifecycle,"
	print "which starts a container through several processes and calls an engine back in each."
	print "The header says for each function what it takes, gives and refuses."
	print "The rules behind these comments:"
	rules = 1
}

# The rules stand in the header's preamble, each with its name and a full stop first.
rules == 1 && /^ \* Results\./ { rules = 2 }
rules == 2 {
	text = $0
	ended = sub(/ *\*\/$/, "", text)
	sub(/^ \* */, "", text)
	if ($0 ~ /^ \* [A-Z]/) {
		name = text
		sub(/(\. | begin with | have the | of the ).*/, "", name)
		printf ".TP\n.B %s\n", escaped(name)
		if (substr(text, length(name) + 1, 2) == ". ")
			text = substr(text, length(name) + 3)
	}
	print escaped(text)
	if (ended) {
		print ".SH FUNCTIONS"
		rules = 3
	}
	next
}

# A section: its name, and its first paragraph.
/^\/\* ---- / {
	section = substr($0, 9)
	printf ".SS %s\n", escaped(toupper(substr(section, 1, 1)) substr(section, 2))
	prose = 1
	next
}
prose == 1 && /^ \* / { prose = 2 }
prose == 2 && (/^ \*$/ || /\*\/$/) { prose = 0 }
prose == 2 { print escaped(substr($0, 4)); next }

/^\/\*\*/ { comment = ""; inside = 1 }
inside {
	text = $0
	sub(/^\/\*\* */, "", text)
	closes = sub(/ *\*\/$/, "", text)
	sub(/^ \* ?/, "", text)
	if (text != "")
		comment = comment (comment == "" ? "" : " ") text
	if (closes)
		inside = 0
	next
}

# A function: lines from one that begins with its type to the end of its declaration.
/^(PINION_MUST_USE |static inline )?(const )?(struct )?[a-z0-9_]+ \**pinion_[a-z0-9_]+\(/ { declaration = ""; declares = 1 }
declares {
	text = $0
	sub(/^ +/, "", text)
	declaration = declaration (declaration == "" || declaration ~ /\($/ ? "" : " ") text
	if (text ~ /\)(;| PINION.*;)?$/) {
		declares = 0
		sub(/^PINION_MUST_USE /, "", declaration)
		sub(/^static inline /, "", declaration)
		gsub(/struct /, "", declaration)
		sub(/;?$/, ";", declaration)
		printf ".TP\n.B %s\n%s\n", escaped(declaration), sentence(comment)
	}
}

/^#define PINION_BOOTSTRAP/ { printf ".TP\n.B PINION_BOOTSTRAP(host)\n%s\n", sentence(comment) }

END { print ".SH SEE ALSO\n.BR pinion (1),\n.BR pinion\\-starter (8)" }
