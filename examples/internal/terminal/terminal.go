// Package terminal is what the example programs know about who reads them: a
// person at a terminal, or a program behind a pipe.
package terminal

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// Is says whether a person looks at w.
func Is(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Colours says whether what is written to w may be coloured: to a terminal,
// unless NO_COLOR is set to anything.
func Colours(w io.Writer) bool { return os.Getenv("NO_COLOR") == "" && Is(w) }

// NewFlags makes the flags of a program whose help says how to use it, its
// flags and its exit codes.
func NewFlags(program, how string) *flag.FlagSet {
	fs := flag.NewFlagSet(program, flag.ContinueOnError)
	fs.Usage = func() {
		fmt.Fprintf(fs.Output(), "usage: %s %s\n\nflags:\n", program, how)
		Flags(fs.Output(), fs)
		fmt.Fprintln(fs.Output(), "\nexit codes: 0 done, 1 failed, 2 usage, 3 denied")
	}
	return fs
}

// Width of a line, and of the names of flags before their texts.
const width, names = 79, 19

// Flags lists flags, those named or all, within 79 columns.
func Flags(w io.Writer, fs *flag.FlagSet, only ...string) {
	fs.VisitAll(func(f *flag.Flag) {
		listed := len(only) == 0
		for _, name := range only {
			listed = listed || name == f.Name
		}
		if !listed {
			return
		}
		value, text := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" {
			text += " (default " + f.DefValue + ")"
		}
		fmt.Fprint(w, Item("-"+f.Name+" "+value, names, text))
	})
}

// Item is a name and its text, which is broken at blanks below itself.
func Item(name string, column int, text string) string {
	var b strings.Builder
	line := "  " + name
	if n := utf8.RuneCountInString(line); n < column {
		line += strings.Repeat(" ", column-n)
	} else {
		line += " "
	}
	empty := true
	for _, word := range strings.Fields(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			b.WriteString(line + "\n")
			line, empty = strings.Repeat(" ", column), true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
	return b.String()
}
