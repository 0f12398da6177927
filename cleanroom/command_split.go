package cleanroom

import (
	"errors"
	"strings"
)

// SplitCommand splits a command line into words by the rules of a POSIX shell,
// as the reference tools do with the one they are given: blanks separate, single
// quotes keep everything, double quotes all but a backslash before a quote,
// a backslash, a dollar sign, a back tick or the end of a line. Nothing is
// expanded, and there are no comments.
func SplitCommand(line string) ([]string, error) {
	words := []string{}
	var word strings.Builder
	in := false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
			continue
		case c == '\'':
			end := strings.IndexByte(line[i+1:], '\'')
			if end < 0 {
				return nil, errors.New("cleanroom: split command: a single quote has no end")
			}
			word.WriteString(line[i+1 : i+1+end])
			i += end + 1
		case c == '"':
			n, err := quoted(line[i+1:], &word)
			if err != nil {
				return nil, err
			}
			i += n
		case c == '\\':
			if i++; i == len(line) {
				return nil, errors.New("cleanroom: split command: it ends with a backslash")
			}
			word.WriteByte(line[i])
		default:
			word.WriteByte(c)
		}
		in = true
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}

// quoted reads up to the closing double quote and gives its length with it.
func quoted(s string, word *strings.Builder) (int, error) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1, nil
		case c == '\\' && i+1 < len(s) && strings.IndexByte("\"\\$`\n", s[i+1]) >= 0:
			i++
			if s[i] != '\n' {
				word.WriteByte(s[i])
			}
		default:
			word.WriteByte(c)
		}
	}
	return 0, errors.New("cleanroom: split command: a double quote has no end")
}
